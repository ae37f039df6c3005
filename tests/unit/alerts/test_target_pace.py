"""The share that is usually sold by now: as the last time, else by the hours of the week before, else flat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from alerts.target_pace import Pace, pace_of
from streams.promotions import Lift, Phase, PhaseSpan, Promotion

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    from numpy.typing import NDArray

HOUR = 3_600_000
START = 20_000 * HOUR


@dataclass
class Rate:
    """Orders of a shop that sells so many an hour, by hours since ``START``; known from an hour on."""

    busy: tuple[int, int] = (0, 0)
    known_from: int = -10_000
    usual: float = 100.0

    def ordered(self, dimension: str, window: str) -> NDArray[np.float64] | None:
        """Nobody asks here."""
        raise AssertionError

    def orders(self, dimension: str, keys: Collection[str], start_ms: int, end_ms: int) -> float | None:
        """Four times as many in the busy hours."""
        assert (dimension, keys) == ("all", {"all"})
        first, last = (start_ms - START) / HOUR, (end_ms - START) / HOUR
        if first < self.known_from:
            return None
        busy = max(min(last, self.busy[1]) - max(first, self.busy[0]), 0.0)
        return self.usual * (last - first + 3 * busy)


def sale(start: int, hours: int, opening: Lift | None = None) -> Promotion:
    """A promotion of so many hours, its first hour with a lift of its own."""
    start_ms, end_ms = START + start * HOUR, START + (start + hours) * HOUR
    spans = (
        PhaseSpan(Phase.OPEN, start_ms, start_ms + HOUR, opening or Lift()),
        PhaseSpan(Phase.STEADY, start_ms + HOUR, end_ms),
    )
    return Promotion(f"from {start}", start_ms, end_ms, spans, {})


def pace(promotion: Promotion, sales: Rate, last: Promotion | None = None) -> Pace:
    """Of the whole shop."""
    return pace_of(promotion, last, sales, "all", {"all"})


def test_as_the_last_one_sold() -> None:
    """Its first hour sold four times an hour: 4 of 7 by then; the same of one twice as long, nearly."""
    sales = Rate(busy=(-48, -47))
    last = sale(-48, 4)
    assert pace(sale(0, 4), sales, last).share(0.25) == pytest.approx(4 / 7)
    assert pace(sale(0, 6), sales, last).share(0.25) == pytest.approx(4 / 7)
    assert pace(sale(0, 4), sales, last).slack < pace(sale(0, 4), sales).slack


@pytest.mark.parametrize(
    ("sales", "hours"),
    [(Rate(known_from=-47), 4), (Rate(), 8), (Rate(usual=20.0), 4)],
    ids=["unknown", "long", "few"],
)
def test_a_last_one_that_says_nothing(sales: Rate, hours: int) -> None:
    """Not known whole, of quite another length, or with too few orders."""
    assert pace(sale(0, hours), sales, sale(-48, 4)).slack > 0.1


def test_by_the_hours_of_the_days_before() -> None:
    """The second hour of the day sells more on one of seven days."""
    found = pace(sale(0, 4), Rate(busy=(-23, -22)))
    assert found.share(0.25) == pytest.approx(1 / (4 + 3 / 7))
    assert found.share(0.5) == pytest.approx((2 + 3 / 7) / (4 + 3 / 7))


def test_nothing_known_is_flat_but_for_the_lifts() -> None:
    """And may be wrong by most."""
    new = Rate(known_from=0)
    assert pace(sale(0, 4), new).share(0.25) == pytest.approx(0.25)
    lifted = pace(sale(0, 4, Lift(traffic=2.0, conversion=1.5)), new)
    assert lifted.share(0.25) == pytest.approx(0.5)
    assert lifted.slack > pace(sale(0, 4), Rate()).slack


def test_at_the_end_all_is_sold() -> None:
    """Whatever the pace; before, at least what the slack leaves of it."""
    found = pace(sale(0, 4), Rate(known_from=0))
    assert (found.share(1.0), found.at_least(1.0)) == (1.0, 1.0)
    assert found.at_least(0.5) == pytest.approx(0.5 * (1 - 0.5 * found.slack))
