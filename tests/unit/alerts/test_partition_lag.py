"""Partitions that fall behind, and workers that say nothing."""

from __future__ import annotations

import msgspec

from alerts.partition_lag import PartitionLag, Symptom
from streams.closed import Progress
from tests.support.findings import T0


def said(behind_s: float, at_s: float, *, idle: bool = False) -> dict[int, Progress]:
    """Partition 3, so many seconds behind, at a second."""
    told_ms = T0 + int(at_s * 1000)
    return {3: Progress(told_ms - int(behind_s * 1000), told_ms, idle)}


def symptoms(*behind_s: float, idle: bool = False) -> list[str]:
    """What is said every ten seconds of a partition so far behind."""
    lag = PartitionLag()
    found = []
    for number, behind in enumerate(behind_s):
        troubles = lag.observe(said(behind, number * 10, idle=idle), T0 + number * 10_000)
        found.append(troubles[3].symptom.value if troubles else "")
    return found


def test_the_usual_delay_is_none() -> None:
    """Events wait for disorder, some seconds."""
    assert symptoms(7, 6, 8, 7, 9, 25, 7) == [""] * 7


def test_what_stands_still_falls_behind() -> None:
    """Named half a minute after it was half a minute behind, and over when the lag is gone."""
    assert symptoms(7, 17, 27, 37, 47, 57, 67, 77, 50, 31, 29) == [*[""] * 6, *["behind"] * 4, ""]


def test_too_slow_falls_behind_too() -> None:
    """It goes on, by five seconds in ten."""
    assert symptoms(*range(7, 60, 5))[-1] == "behind"


def test_a_pause_of_ours_is_no_outage() -> None:
    """A restart of a minute: what was missed is made up for."""
    assert symptoms(7, 7, 67, 60, 40, 20, 7) == [""] * 7


def test_a_backlog_that_gets_less_is_no_outage() -> None:
    """After a stop of ours, or a back-fill."""
    assert symptoms(600, 500, 505, 400, 200, 100, 50, 10) == [""] * 8


def test_it_falls_behind_from_where_it_was_least() -> None:
    """Half a minute after the backlog began to grow again."""
    assert symptoms(100, 40, 50, 60, 70) == [*[""] * 4, "behind"]


def test_producers_clocks_may_be_wrong() -> None:
    """Always the same minute behind is not falling behind."""
    assert symptoms(*[67, 69, 66, 68] * 5) == [""] * 20


def test_idle_is_not_behind() -> None:
    """It has read all there was."""
    assert symptoms(*range(7, 207, 10), idle=True) == [""] * 20


def test_a_worker_that_says_nothing() -> None:
    """For a minute, which is longer than a restart; since it last spoke."""
    lag = PartitionLag()
    found = [lag.observe(said(7, 0), T0 + second * 1000) for second in (0, 30, 59, 60, 90)]
    assert [bool(one) for one in found] == [False, False, False, True, True]
    assert found[-1][3] == (Symptom.WORKER, T0, 90_000)
    assert lag.observe(said(7, 100), T0 + 100_000) == {}


def test_a_snapshot_is_plain_data() -> None:
    """And goes on in the middle of a trouble."""
    lag, other = PartitionLag(), PartitionLag()
    for number, behind in enumerate((27, 37, 47, 57, 67)):
        lag.observe(said(behind, number * 10), T0 + number * 10_000)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(lag.snapshot())))
    assert other.observe(said(70, 50), T0 + 50_000) == lag.observe(said(70, 50), T0 + 50_000) != {}
