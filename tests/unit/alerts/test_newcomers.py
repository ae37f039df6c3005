"""The drop of a key that a campaign fills is withheld; a break, the total's, and what was said are not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from alerts.combinations import Carried
from alerts.judges.spoken import Series, Spoken
from alerts.model import EVERYWHERE, Finding, Kind, Place, Step
from alerts.newcomers import of_newcomers

if TYPE_CHECKING:
    from collections.abc import Collection

MINUTE = 60_000
NOW = 1_000 * MINUTE
SLOT, OTHER = Place("slot", "full"), Place("slot", "usual")
DROP = Finding(
    Kind.CONVERSION_DROP,
    (SLOT,),
    Step("view", "cart"),
    NOW - 5 * MINUTE,
    NOW,
    600.0,
    1_000.0,
    4e4,
    40.0,
    12.0,
    1e9,
)
WHOSE = Series("steps", 7, 2, 0)
NEW = Carried(({"full": 0, "usual": 1}, {}, {}), (np.array([0.9, 0.1]), np.zeros(0), np.zeros(0)))


class Asked:
    """Who is new, and how often that was asked."""

    def __init__(self, answer: Carried | None = NEW) -> None:
        self.answer = answer
        self.questions: list[tuple[Step, int]] = []

    def _campaign(self, step: Step, since_ms: int) -> Carried | None:
        self.questions.append((step, since_ms))
        return self.answer

    def withheld(self, *findings: Finding, known: Collection[Series] = ()) -> list[int]:
        """Numbers of the findings that are withheld."""
        spoken = [Spoken(finding, WHOSE._replace(row=row)) for row, finding in enumerate(findings)]
        return sorted(one.row for one in of_newcomers(spoken, known, NOW, self._campaign))


def test_drops_of_what_a_campaign_fills_are_withheld() -> None:
    """Not those of slots with a tenth of new visitors."""
    assert Asked().withheld(DROP, replace(DROP, scope=(OTHER,))) == [0]


def test_without_a_campaign_all_is_said() -> None:
    """When the total's change is no mix."""
    assert Asked(None).withheld(DROP) == []


@pytest.mark.parametrize(
    "finding",
    [
        replace(DROP, kind=Kind.NODE_BREAK),
        replace(DROP, kind=Kind.CONVERSION_SURGE),
        replace(DROP, scope=EVERYWHERE),
        replace(DROP, detail="card"),
        replace(DROP, scope=(SLOT, Place("banner", "b"))),
        replace(DROP, step=None),
    ],
)
def test_nothing_else_is_withheld(finding: Finding) -> None:
    """Breaks, surges, the total, payment methods, pairs, and what is about no step are not even asked about."""
    asked = Asked()
    assert asked.withheld(finding) == []
    assert asked.questions == []


def test_what_was_said_is_left_alone() -> None:
    """A campaign that begins later takes nothing back."""
    assert Asked().withheld(DROP, known=[WHOSE._replace(row=0)]) == []


def test_findings_that_began_together_share_an_answer() -> None:
    """Within a minute; a hundred SKUs are one question."""
    asked = Asked()
    drops = [replace(DROP, since_ms=DROP.since_ms + 500 * number) for number in range(100)]
    assert len(asked.withheld(*drops)) == len(drops)
    assert asked.questions == [(DROP.step, DROP.since_ms)]


def test_a_campaigns_first_minutes_are_not_mixed_with_those_before() -> None:
    """Of what began ten and a half minutes ago eleven are looked at, and never more than an hour."""
    asked = Asked()
    for minutes in (10.5, 90.0):
        asked.withheld(replace(DROP, since_ms=NOW - round(minutes * MINUTE)))
    assert [since_ms for _, since_ms in asked.questions] == [NOW - 11 * MINUTE, NOW - 60 * MINUTE]
