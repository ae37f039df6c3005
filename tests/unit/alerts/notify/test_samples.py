"""Samples: nobody can take them for real, and each channel takes them all."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from alerts.content.writing import WritingSettings
from alerts.message import Language, Message, MessageState
from alerts.notify.samples import Sample, sample
from tests.support.channels import HTTP_KINDS, NOW_MS, call_of
from tests.support.pngs import pixels_of
from tests.support.vendors import problems

WORDS = WritingSettings(ZoneInfo("Asia/Shanghai"))
MARKS = {Language.EN: "[TEST]", Language.ZH: "【测试】"}


def made(kind: Sample, language: Language = Language.EN, now_ms: int = NOW_MS) -> Message:
    """For the channel ``ops``."""
    return sample(kind, "ops", language, WORDS, now_ms)


@pytest.mark.parametrize("kind", Sample)
@pytest.mark.parametrize("language", Language)
def test_nobody_takes_it_for_real(kind: Sample, language: Language) -> None:
    """The title and the line of a preview begin with a mark, and the first line says what it is."""
    message = made(kind, language)
    assert message.state is MessageState(kind.value)
    assert message.title.startswith(MARKS[language])
    assert message.summary.startswith(MARKS[language])
    assert "notify-test" in message.lines[0]


@pytest.mark.parametrize("channel", HTTP_KINDS)
@pytest.mark.parametrize("kind", Sample)
@pytest.mark.parametrize("language", Language)
def test_every_channel_takes_every_sample(channel: str, kind: Sample, language: Language) -> None:
    """Else a test would say of a channel what is true of the sample."""
    assert problems(channel, call_of(channel, made(kind, language))) == []


def test_what_is_opened_is_resolved() -> None:
    """One incident through all of it; another run has another, so that nothing is taken for a repetition."""
    kinds = (Sample.OPENED, Sample.WORSE, Sample.RESOLVED)
    assert len({made(kind).incident_id for kind in kinds}) == 1
    assert [made(kind).revision for kind in kinds] == [1, 2, 3]
    assert len({made(kind).key for kind in Sample}) == len(Sample)
    assert made(Sample.OPENED).key != made(Sample.OPENED, now_ms=NOW_MS + 1).key


def test_with_a_picture() -> None:
    """Of one incident; a digest has none."""
    picture = made(Sample.WORSE).sparkline
    assert picture is not None
    assert pixels_of(picture).min() < 100
    assert made(Sample.DIGEST).sparkline is None
