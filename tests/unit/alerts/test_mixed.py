"""A key that is only shown with other things than before is not said to be broken."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from alerts.combinations import Mix
from alerts.judges.spoken import Series, Spoken
from alerts.mixed import Mixed
from alerts.model import EVERYWHERE, Finding, Kind, Place, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE = 60_000
NOW = 1_000 * MINUTE
NODES = ("exposure", "click", "order", "paid")
BANNER = Place("banner", "b1")
DROP = Finding(
    Kind.CONVERSION_DROP,
    (BANNER,),
    Step("click", "order"),
    NOW - 5 * MINUTE,
    NOW,
    45.0,
    100.0,
    2e3,
    15.0,
    12.0,
    1e9,
)
SURGE = replace(DROP, kind=Kind.CONVERSION_SURGE, observed=200.0, evidence=30.0)
WHOSE = Series("steps", 7, 1, 0)
NOTHING: frozenset[Series] = frozenset()


class Looked:
    """A mix that makes so much of the banner's conversion, without entries of before and with them."""

    def __init__(self, without: float, with_before: float | None = None, error: float = 0.0) -> None:
        self.factors = (without, without if with_before is None else with_before)
        self.error, self.looks = error, 0
        self.mixed = Mixed(NODES, 0.1, self._look)

    def _look(self, _: Step, since_ms: int) -> Mapping[tuple[str, str], Mix]:
        self.looks += 1
        return {("banner", "b1"): Mix(self.factors[since_ms < DROP.since_ms], self.error)}

    def withholds(
        self, finding: Finding = DROP, known: frozenset[Series] = NOTHING, at_ms: int = NOW
    ) -> bool:
        """Whether the finding is withheld."""
        return bool(self.mixed.withheld([Spoken(finding, WHOSE)], known, at_ms))


@pytest.mark.parametrize(("finding", "factor"), [(DROP, 0.45), (DROP, 0.52), (SURGE, 1.9)])
def test_what_the_mix_makes_is_withheld(finding: Finding, factor: float) -> None:
    """A key that does what its combinations do, but for the tolerance, is not said, down or up."""
    assert Looked(factor).withholds(finding)


@pytest.mark.parametrize(("finding", "factor"), [(DROP, 1.0), (DROP, 1.9), (DROP, 0.97), (SURGE, 0.5)])
def test_what_the_mix_does_not_make_is_said(finding: Finding, factor: float) -> None:
    """As usual, the other way, or so little that it may be chance: the mix explains nothing."""
    assert not Looked(factor).withholds(finding)


def test_a_break_under_a_shift_is_said_when_enough_is_left() -> None:
    """The mix halves a banner, something else does so again: withheld at first, and said with more counts."""
    looked, few = Looked(0.5), replace(DROP, observed=2.0, expected=10.0, evidence=12.5)
    assert looked.withholds(few)
    assert not looked.withholds(replace(few, observed=20.0, expected=100.0, evidence=70.0))


def test_entries_of_before_may_count_or_not() -> None:
    """How many of them still arrive is not known, so either mix may explain it."""
    assert Looked(0.8, 0.5).withholds()
    assert Looked(0.5, 0.8).withholds()
    assert not Looked(0.8, 0.85).withholds(replace(DROP, evidence=40.0))


@pytest.mark.parametrize(("factor", "withheld"), [(0.8, True), (0.94, False)])
def test_a_mix_that_is_hardly_known_may_do_more(factor: float, *, withheld: bool) -> None:
    """By as much as it is unsure; where it does next to nothing, that is next to nothing too."""
    finding = replace(DROP, evidence=40.0)
    assert not Looked(factor).withholds(finding)
    assert Looked(factor, error=0.3).withholds(finding) is withheld


def test_what_was_said_is_not_taken_back() -> None:
    """A series behind an open cause is left alone, and not looked at."""
    looked = Looked(0.5)
    assert not looked.withholds(known=frozenset({WHOSE}))
    assert looked.looks == 0


@pytest.mark.parametrize("finding", [replace(DROP, scope=EVERYWHERE), replace(DROP, kind=Kind.TRAFFIC_DROP)])
def test_others_are_said(finding: Finding) -> None:
    """The total is named by its slots; what is not about conversion has no mix."""
    assert not Looked(0.5).withholds(finding)


def test_a_look_is_good_for_a_quarter_of_a_findings_age() -> None:
    """A finding that stands is not looked at in each bucket, nor after a restart."""
    looked = Looked(0.5)
    looked.withholds()
    heir = Looked(0.5)
    heir.mixed.restore(looked.mixed.snapshot())
    assert heir.withholds(at_ms=NOW + 50_000)
    assert heir.looks == 0
    assert heir.withholds(at_ms=NOW + 2 * MINUTE)
    assert heir.looks == 2


@pytest.mark.parametrize(("factor", "withheld"), [(0.95, True), (0.5, False)])
def test_clicks_that_its_slots_let_expect_are_no_surge(factor: float, *, withheld: bool) -> None:
    """Exposures of slots where a SKU clicks better: 200 of 100 clicks expected, and so many for its slots' clicks."""
    clicked = replace(SURGE, step=Step("exposure", "click"))
    assert Looked(factor).withholds(clicked) is withheld
