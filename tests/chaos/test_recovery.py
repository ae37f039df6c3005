"""The time without counting is judged by what was counted, by whom, and when."""

from __future__ import annotations

import pytest

from tests.chaos.plan import Kind
from tests.chaos.recovery import Done, Growth, Recoveries, quantile


def seconds(done: Done, *growths: tuple[float, int, int]) -> float | None:
    """Of a fault, given (when, partition, generation) of what was counted."""
    return Recoveries(Growth(*growth) for growth in growths).seconds(done)


def kill(*held: int) -> Done:
    """At ten seconds, of a worker that has these partitions."""
    return Done(Kind.KILL, 10.0, 11.0, frozenset(held))


def test_a_takeover_takes_until_the_next_life_counts() -> None:
    """What the victim had sent and arrives late is no recovery."""
    assert seconds(kill(0), (9.0, 0, 1), (10.5, 0, 1), (17.0, 0, 2), (18.0, 0, 2)) == 7.0


def test_the_last_partition_decides() -> None:
    """A worker's partitions are recovered when all of them are; others do not matter."""
    growths = [(9.0, n, 1) for n in range(3)]
    assert seconds(kill(0, 1), *growths, (12.0, 0, 2), (15.0, 1, 2), (40.0, 2, 2)) == 5.0


def test_what_is_not_seen_is_not_told() -> None:
    """No figure for a victim without partitions, one never taken over, one never counted before."""
    assert seconds(kill(), (9.0, 0, 1), (12.0, 0, 2)) is None
    assert seconds(kill(0), (9.0, 0, 1), (12.0, 0, 1)) is None
    assert seconds(kill(0), (12.0, 0, 2)) is None
    assert seconds(kill(0, 1), (9.0, 0, 1), (9.0, 1, 1), (12.0, 0, 2)) is None


def test_a_standstill_is_the_longest_that_a_fault_had_a_part_in() -> None:
    """Neither longer ones before and after it count, nor what was before it, nor who counts."""
    cut = Done(Kind.CUT, 10.0, 14.0)
    assert seconds(cut, (0.0, 0, 1), (9.5, 0, 1), (12.0, 0, 1), (15.5, 0, 1), (30.0, 0, 2)) == 3.5
    assert seconds(cut, (9.5, 0, 1), (10.5, 0, 1), (9.5, 1, 1), (16.5, 1, 1)) == 6.5
    assert seconds(cut, (9.5, 0, 1)) is None


@pytest.mark.parametrize(("share", "value"), [(0.5, 10.0), (0.95, 19.0), (1.0, 20.0), (0.0, 1.0)])
def test_quantiles_are_values_that_occurred(share: float, value: float) -> None:
    """Half of 20 values are at most the tenth."""
    assert quantile([float(n) for n in range(20, 0, -1)], share) == value


def test_of_nothing_there_is_no_quantile() -> None:
    """An empty list has none."""
    with pytest.raises(IndexError):
        quantile([], 0.5)
