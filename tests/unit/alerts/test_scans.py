"""When the leaves of a step are looked at: if they may have changed, and then only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from alerts.model import EVERYWHERE, Finding, Kind, Place, Step
from alerts.scans import Scans
from tests.support.diagnosis import shop

if TYPE_CHECKING:
    from alerts.diagnosis.leaves import Leaves

FIRST, STEP = Step("exposure", "click"), Step("order", "paid")
MINUTE = 60_000
BEGAN = 1_000 * MINUTE


def finding(at_ms: int = BEGAN, evidence: float = 20.0, since_ms: int = BEGAN - 5 * MINUTE) -> Finding:
    """The total of a step fell."""
    return Finding(
        Kind.CONVERSION_DROP, EVERYWHERE, STEP, since_ms, at_ms, 50.0, 100.0, 1_000.0, evidence, 12.0, 1e9
    )


class Looking:
    """Scans of a small shop, and how often was looked."""

    def __init__(self) -> None:
        self.looks = 0
        self.leaves = shop(noise=1)
        self.scans = Scans(FIRST, self._look)

    def _look(self, _step: Step, _since_ms: int) -> Leaves:
        self.looks += 1
        return self.leaves


@pytest.fixture
def looking() -> Looking:
    """Looked once."""
    looking = Looking()
    looking.scans.take([finding()], BEGAN)
    assert looking.looks == 1
    return looking


def test_what_stands_is_not_looked_at_again(looking: Looking) -> None:
    """The same finding ten seconds later has the same leaves and proposals."""
    before = looking.scans.take([finding()], BEGAN)
    assert looking.scans.take([finding(BEGAN + 10_000, 21.0)], BEGAN + 10_000) == before
    assert looking.looks == 1


@pytest.mark.parametrize(
    "now",
    [
        finding(BEGAN + 5 * MINUTE),
        finding(evidence=26.0),
        finding(since_ms=BEGAN - 7 * MINUTE),
        replace(finding(), scope=(Place("slot", "a"),)),
        replace(finding(), observed=150.0),
    ],
)
def test_it_is_looked_again(looking: Looking, now: Finding) -> None:
    """After five minutes, with much more evidence, for another time, place or direction."""
    looking.scans.take([now], now.at_ms)
    assert looking.looks == 2


def test_a_new_cause_wants_a_look(looking: Looking) -> None:
    """But not one that was a cause of late, nor one just looked at."""
    assert looking.scans.unknown([finding()], BEGAN) == frozenset()
    assert looking.scans.unknown([finding()], BEGAN + 10_000) == {STEP}
    looking.scans.note([finding()], BEGAN)
    assert looking.scans.unknown([finding()], BEGAN + 10_000) == frozenset()


def test_the_first_step_has_no_leaves(looking: Looking) -> None:
    """Exposures have no visitors, so nobody knows their combinations."""
    assert looking.scans.take([replace(finding(), step=FIRST)], BEGAN + 1) == ({}, ())
    assert looking.looks == 1


def test_looks_survive(looking: Looking) -> None:
    """What was restored, through a codec, has the same leaves without a look and says the same of them."""
    looking.scans.note([finding()], BEGAN)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(looking.scans.snapshot()))
    other = Looking()
    other.scans.restore(state, looking.leaves.names)
    leaves, proposals = other.scans.take([finding()], BEGAN)
    assert other.looks == 0
    assert proposals == looking.scans.take([finding()], BEGAN)[1]
    assert other.scans.contributors(finding(), leaves[STEP]) == looking.scans.contributors(
        finding(), looking.leaves
    )
    assert other.scans.unknown([finding()], BEGAN + 10_000) == frozenset()
