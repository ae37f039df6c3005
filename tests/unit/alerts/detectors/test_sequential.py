"""The sequential tests: false alarms, delays, and what their evidence rests on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alerts.detectors.components import Way
from alerts.detectors.sequential import SequentialTest
from tests.support.detector_worlds import drop_delays, told


def series(rows: int, steps: int = 1) -> SequentialTest:
    """A test of so many rows."""
    test = SequentialTest(steps)
    test.resize(rows)
    return test


def feed(test: SequentialTest, seen: float, due: float, times: int = 1) -> None:
    """The same bucket for all series, some times."""
    shape = (test.rows, 1)
    for _ in range(times):
        test.update(np.full(shape, seen), np.full(shape, due), 1.0, np.ones(shape, bool), 100)


@pytest.mark.parametrize("way", Way)
def test_false_alarms_hold_the_budget(way: Way) -> None:
    """With nothing wrong, evidence of log(N) comes at most once in N events, and not far below it."""
    rows, buckets, events = 800, 4000, 10_000.0
    rng, test, alarms = np.random.default_rng(7), series(rows), 0
    for _ in range(buckets):
        seen = rng.poisson(1.0, (rows, 1))
        test.update(seen, np.ones((rows, 1)), 1.0, np.ones((rows, 1), bool))
        fired = test.evidence()[..., way] >= math.log(events)
        alarms += int(fired.sum())
        test.forget(fired)
    expected = rows * buckets / events
    assert 0.6 * expected < alarms < expected + 2.6 * math.sqrt(expected)


@pytest.mark.parametrize(("drop", "most"), [(0.3, 40), (0.5, 23), (1.0, 11)])
def test_drops_are_found_in_time(drop: float, most: float) -> None:
    """At 6 orders a minute that lag their clicks, one false alarm in 60 days, median minutes."""
    delays = drop_delays(drop, rows=300, seed=11)
    print(told(f"-{drop:.0%}, minutes", delays))
    assert np.median(delays) <= most


def test_a_sag_within_the_tolerance_is_no_evidence() -> None:
    """However long ten percent are missing, evidence does not grow."""
    test = series(1)
    feed(test, 9.1, 10.0, times=2000)
    assert test.evidence().max() == 0


def test_nothing_at_all_is_evidence() -> None:
    """Zero orders where some were due are counted, not skipped."""
    test = series(1)
    feed(test, 0.0, 1.0, times=12)
    assert test.evidence()[0, 0, Way.DOWN] > 9
    assert test.account(0, 0, Way.DOWN)[2:] == (12, 0.0, 12.0, 1200.0)


def test_something_where_nothing_was_due_is_finite() -> None:
    """An expectation of zero neither blows up nor hides a surge."""
    test = series(1)
    feed(test, 5.0, 0.0)
    assert 3 < test.evidence()[0, 0, Way.UP] < 30
    assert test.evidence()[0, 0, Way.DOWN] == 0


def test_the_change_point_is_where_the_sum_left_zero() -> None:
    """Healthy buckets before a break are not counted into it."""
    test = series(1)
    feed(test, 13.0, 10.0, times=50)
    feed(test, 5.0, 10.0, times=8)
    account = test.account(0, 0, Way.DOWN)
    assert (account.buckets, account.observed, account.expected) == (8, 40.0, 80.0)


def test_a_new_row_has_no_past() -> None:
    """Rows that come later count their buckets from then on."""
    test = series(1)
    feed(test, 1.0, 1.0, times=30)
    test.resize(2)
    feed(test, 0.0, 1.0, times=3)
    assert test.account(1, 0, Way.DOWN).buckets == 3


def test_what_is_not_judged_stands_still_while_time_goes_on() -> None:
    """Bad data moves no evidence, not even NaN, and the change point stays in its place."""
    test = series(1)
    feed(test, 0.0, 1.0, times=5)
    before = test.evidence()
    test.update(np.array([[7]]), np.array([[np.nan]]), 1.0, np.array([[False]]))
    assert (test.evidence() == before).all()
    assert test.account(0, 0, Way.DOWN)[2:5] == (6, 0.0, 5.0)


def test_clumps_count_once() -> None:
    """Counts that come in threes, with that dispersion, say what single ones would."""
    single, clumped, judged = series(1), series(1), np.array([[True]])
    for seen in (1, 0, 2, 0, 0, 1):
        single.update(np.array([[seen]]), np.array([[2.0]]), 1.0, judged)
        clumped.update(np.array([[3 * seen]]), np.array([[6.0]]), 3.0, judged)
    np.testing.assert_allclose(single.evidence(), clumped.evidence())


def test_each_way_is_judged_against_its_own_expectation() -> None:
    """While a law is in doubt, a drop is held against the low and a surge against the high one."""
    test, judged = series(1), np.array([[True]])
    for _ in range(50):
        test.update(np.array([[10]]), (np.array([[9.0]]), np.array([[11.0]])), 1.0, judged)
    assert test.evidence().max() == 0


def test_forgetting_begins_anew() -> None:
    """A forgotten series has no evidence; its neighbours keep theirs."""
    test = series(2)
    feed(test, 0.0, 2.0, times=9)
    test.forget(np.array([[True], [False]]))
    assert test.evidence()[0].max() == 0
    assert test.evidence()[1].max() > 9
    assert test.account(0, 0, Way.DOWN).evidence == 0


def test_a_snapshot_of_other_steps_is_refused() -> None:
    """State of a funnel with other steps is not taken."""
    with pytest.raises(ValueError, match="other steps"):
        SequentialTest(2).restore(series(1).snapshot())
