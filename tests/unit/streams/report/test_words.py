"""Both languages say the same things."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from alerts.diagnosis.scorecard import Quadrant
from alerts.message import Language
from streams.events import Outcome
from streams.funnel import DEFAULT_NODES
from streams.report.phrases import REPORTS

if TYPE_CHECKING:
    from streams.report.words import ReportWords

ENGLISH = REPORTS[Language.EN]


@pytest.mark.parametrize("words", REPORTS.values(), ids=str)
def test_no_word_is_missing(words: ReportWords) -> None:
    """Of every closed set, and none is empty."""
    assert {*words.quadrants} == {*Quadrant}
    assert {*words.outcomes} == {*Outcome}
    assert {*words.nodes} == {*DEFAULT_NODES}
    assert {*words.targets} == {"orders", "revenue", "conversion"}
    for group in (words.heads, words.parts, words.says):
        assert all(getattr(group, field.name) for field in fields(group))


@pytest.mark.parametrize("words", REPORTS.values(), ids=str)
def test_phrases_take_the_same_parts(words: ReportWords) -> None:
    """Else a language would stop the report that another one writes."""
    for group, english in ((words.parts, ENGLISH.parts), (words.says, ENGLISH.says)):
        for field in fields(group):
            texts = (getattr(each, field.name) for each in (group, english))
            assert len({frozenset(re.findall(r"{(\w+)}", text)) for text in texts}) == 1, field.name
