"""What each channel is sent, in each language, for each kind of message: to the letter, as it was reviewed.

``GOLDEN=write pytest tests/contract/test_renderings.py`` writes the files anew, to be reviewed in the diff.
Pictures are left out: their bytes are those of whichever zlib there is.
"""

from __future__ import annotations

import email
import email.policy
import json
import os
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from alerts.content.writing import WritingSettings
from alerts.message import Language, Link, LinkKind, Message
from alerts.notify.samples import Sample, sample
from tests.support.channels import HTTP_KINDS, NOW_MS, call_of

GOLDEN = Path(__file__).parent.parent / "fixtures" / "renderings"
WORDS = WritingSettings(ZoneInfo("Asia/Shanghai"))
LINKS = (
    (LinkKind.DASHBOARD, "https://grafana.example/d/1?from=1&to=2"),
    (LinkKind.LIVE, "https://watch.example/?incident=1"),
    (LinkKind.RUNBOOK, "https://wiki.example/runbook#conversion_drop"),
    (LinkKind.ACKNOWLEDGE, "https://watch.example/do/acknowledge"),
    (LinkKind.MUTE, "https://watch.example/do/mute"),
)


def message(kind: Sample, language: Language) -> Message:
    """A sample with the links that it would have."""
    found = sample(kind, "ops", language, WORDS, NOW_MS)
    digest = kind in (Sample.DIGEST, Sample.META)
    links = [Link(name, name.value, url) for name, url in LINKS if not digest or name is LinkKind.LIVE]
    return msgspec.structs.replace(found, links=tuple(links), sparkline=None)


def body(channel: str, one: Message) -> Any:
    """What is sent, as plain data."""
    call = call_of(channel, one)
    kind = call.headers.get("content-type", "")
    if kind.startswith("multipart/"):
        parsed = email.message_from_bytes(
            f"Content-Type: {kind}\r\n\r\n".encode() + call.body, policy=email.policy.HTTP
        )
        return {str(part.get_filename() or ""): part.get_content() for part in parsed.iter_parts()}
    return json.loads(call.body)


@pytest.mark.parametrize("channel", HTTP_KINDS)
@pytest.mark.parametrize("language", Language)
def test_a_rendering_is_as_it_was_reviewed(channel: str, language: Language) -> None:
    """Each kind of message, field by field."""
    found = {kind.value: body(channel, message(kind, language)) for kind in Sample}
    path = GOLDEN / f"{channel}.{language}.json"
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(path.read_text(encoding="utf-8"))


def test_no_rendering_is_left_over() -> None:
    """Each file is one of a channel and a language that there are."""
    wanted = {f"{channel}.{language}.json" for channel in HTTP_KINDS for language in Language}
    assert {path.name for path in GOLDEN.iterdir()} == wanted
