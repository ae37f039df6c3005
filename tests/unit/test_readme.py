"""The README's pictures: each is there, light enough, and described for those who do not see it."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
PICTURES: Final = "tests/golden/pictures"
MARKDOWN: Final = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<path>[^)]+)\)")
HTML: Final = re.compile(r'<img src="(?P<path>[^"]+)"[^>]* alt="(?P<alt>[^"]*)">')
MOST_BYTES: Final = 200_000


def shown() -> dict[str, str]:
    """Alternative text by path."""
    found = [*MARKDOWN.finditer(README), *HTML.finditer(README)]
    return {one["path"]: one["alt"] for one in found}


def test_every_picture_is_shown_and_every_shown_one_is_there() -> None:
    """None is left over in the folder, none is broken."""
    kept = {f"{PICTURES}/{path.name}" for path in (ROOT / PICTURES).iterdir()}
    assert shown().keys() == kept
    assert README.count("![") + README.count("<img") == len(kept)


def test_pictures_are_light_and_sharp() -> None:
    """PNGs that a slow line can bear, wide enough to be read."""
    for path in shown():
        data = (ROOT / path).read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert len(data) < MOST_BYTES
        assert struct.unpack(">I", data[16:20])[0] >= 1_000


def test_pictures_are_told_in_words() -> None:
    """In a sentence, not in a file's name."""
    assert [path for path, alt in shown().items() if len(alt.split()) < 10] == []
