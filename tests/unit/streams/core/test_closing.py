"""When a bucket closes, what is in it, and what is late. Times are ms after T0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.core.closing import Closing
from streams.core.merge import MoneyKey
from streams.core.shard_progress import ClosingSettings
from streams.results import VERSION, Fence
from tests.support.logs_of_rollups import BUCKET, Speaker
from tests.support.rollups import STAGES, T0, Counts, rollup

if TYPE_CHECKING:
    from streams.closed import ClosedBucket
    from streams.results import Rollup

HOUR = 3_600_000
ONE: Counts = {("sku", "A"): {0: 1}}


class Shop:
    """One shard, some source partitions, and whoever closes."""

    def __init__(self, partitions: int = 1, settings: ClosingSettings | None = None) -> None:
        self.closing = Closing(1, partitions=range(partitions), settings=settings)
        self.speakers = [Speaker(number) for number in range(partitions)]

    def hear(self, rollup: Rollup) -> list[ClosedBucket]:
        """What closes with a rollup."""
        self.closing.take(0, rollup)
        return [*self.closing.closed()]

    def say(
        self,
        partition: int,
        complete: int,
        counts: Counts | None = None,
        *,
        bucket: int = 0,
        told_at: int | None = None,
        idle: bool = False,
    ) -> list[ClosedBucket]:
        """What closes with a word of a source partition."""
        return self.hear(
            self.speakers[partition].says(complete, counts, bucket=bucket, told_at=told_at, idle=idle)
        )


def starts(closed: list[ClosedBucket]) -> list[int]:
    """Which buckets, counted from T0."""
    return [(bucket.start_ms - T0) // BUCKET for bucket in closed]


def exposures(closed: ClosedBucket) -> int:
    """Events of the first node in the bucket."""
    return int(closed.cells("sku").counts.sum())


def late(closed: ClosedBucket) -> dict[int, int]:
    """Late counts by bucket."""
    return {(at - T0) // BUCKET: int(cells["sku"].counts.sum()) for at, cells in closed.late}


def test_a_bucket_closes_when_all_are_past_its_end() -> None:
    """Not before; with what each had said up to the first word beyond the end, that one included."""
    shop = Shop(2)
    assert shop.say(0, 4_000, ONE) == []
    assert shop.say(0, 12_000, ONE) == []
    assert shop.say(0, 14_000, ONE) == []
    (closed,) = shop.say(1, 10_000, ONE)
    assert (starts([closed]), exposures(closed), closed.complete) == ([0], 3, True)
    assert closed.closed_at_ms == T0 + 17_000
    assert (closed.stages, closed.nodes) == (STAGES.names, STAGES.nodes)
    shop.say(0, 20_000)
    (closed,) = shop.say(1, 20_000)
    assert (exposures(closed), late(closed)) == (0, {0: 1})


def test_what_is_of_a_later_bucket_waits() -> None:
    """It is counted in its own, not where it was heard of."""
    shop = Shop()
    shop.say(0, 1_000, {("sku", "B"): {0: 1}})
    (first,) = shop.say(0, 11_000, ONE, bucket=1)
    (second,) = shop.say(0, 20_000)
    assert (exposures(first), exposures(second), second.late) == (1, 1, ())


def test_nothing_counted_is_a_bucket_too() -> None:
    """Zero is evidence: up to an hour of it is told bucket by bucket."""
    shop = Shop()
    shop.say(0, 10_000, ONE)
    closed = shop.say(0, 3_600_000)
    assert starts(closed) == [*range(1, 360)]
    assert not any(bucket.counts for bucket in closed)


def test_more_than_an_hour_of_nothing_is_skipped() -> None:
    """All were away for a night: the next bucket is the first of which anything is known again."""
    shop = Shop()
    shop.say(0, 10_000, ONE)
    closed = shop.say(0, 8 * HOUR + 20_000, ONE, bucket=8 * 360 + 1)
    assert starts(closed) == [8 * 360 + 1]
    assert exposures(closed[0]) == 1


def test_who_is_behind_is_waited_for() -> None:
    """For so long after the first other one had it; then its counts come late, and it says so."""
    shop = Shop(2)
    shop.say(1, 1_000)
    assert shop.say(0, 10_000, ONE, told_at=15_000) == []
    assert shop.say(0, 15_000, told_at=20_000) == []
    assert shop.say(0, 20_000, told_at=29_999) == []
    (closed,) = shop.say(0, 21_000, told_at=30_000)
    assert (exposures(closed), closed.complete, closed.closed_at_ms) == (1, False, T0 + 30_000)
    (closed,) = shop.say(1, 20_000, ONE, told_at=30_100)
    assert (exposures(closed), closed.complete, late(closed)) == (0, True, {0: 1})
    assert closed.progress[1].complete_until_ms == T0 + 20_000


def test_a_backlog_is_waited_for() -> None:
    """All were away for ten minutes and catch up: buckets are whole though told of long after."""
    shop = Shop(2)
    shop.say(0, 1_000)
    shop.say(1, 1_000)
    closed = []
    for at in range(1, 61):
        for partition in (0, 1):
            closed += shop.say(partition, at * BUCKET, ONE, bucket=at - 1, told_at=600_000 + 50 * at)
    assert all(bucket.complete and exposures(bucket) == 2 for bucket in closed)
    assert starts(closed) == [*range(60)]


def test_time_goes_on_when_nobody_gets_ahead() -> None:
    """Everybody reports and nobody moves: after a while buckets close with what there is."""
    shop = Shop(2)
    shop.say(0, 9_000, ONE, told_at=14_000)
    shop.say(1, 9_000, ONE, told_at=14_000)
    closed = []
    for told_at in range(20_000, 60_000, 5_000):
        closed += shop.say(0, 9_000, told_at=told_at)
    assert [bucket.complete for bucket in closed] == [False] * 3
    assert [exposures(bucket) for bucket in closed] == [2, 0, 0]


def test_who_had_read_all_there_was_holds_nobody_up() -> None:
    """Idle, it has reached what is older than five seconds."""
    shop = Shop(2)
    shop.say(0, 10_000)
    assert shop.say(1, 0, told_at=14_999, idle=True) == []
    (closed,) = shop.say(1, 0, told_at=15_000, idle=True)
    assert closed.complete


def test_who_is_not_heard_of_is_forgotten() -> None:
    """After ten minutes nobody waits for it any more; what it said last is still told."""
    shop = Shop(2, ClosingSettings(patience_ms=1 << 40))
    shop.say(1, 9_000, told_at=10_000)
    for told_at in range(20_000, 610_001, 10_000):
        assert shop.say(0, 10_000, told_at=told_at) == []
    (closed,) = shop.say(0, 10_000, told_at=610_001)
    assert closed.complete
    assert closed.progress[1].told_at_ms == T0 + 10_000


def test_the_clock_goes_on_without_them() -> None:
    """Nobody tells anything any more: buckets close with what there is, after patience and no sooner.

    Twelve seconds of each look at the clock are waited through, however long it was not looked at.
    """
    shop = Shop()
    shop.say(0, 10_000, ONE)
    shop.closing.tick(T0 + 29_999)
    assert [*shop.closing.closed()] == []
    shop.closing.tick(T0 + 600_000)
    shop.closing.tick(T0 + 615_000)
    assert [*shop.closing.closed()] == []
    shop.closing.tick(T0 + 630_000)
    closed = [*shop.closing.closed()]
    assert [bucket.complete for bucket in closed] == [False] * len(closed)
    assert starts(closed) == [1, 2]
    shop.closing.tick(T0 + 645_000)
    assert starts([*shop.closing.closed()]) == [3]


@pytest.mark.parametrize("silent", [40_000, 3_600_000], ids=["a rebalance", "an hour"])
def test_nobody_is_ahead_by_a_silence_of_all(silent: int) -> None:
    """Partitions changed hands: who speaks first again, and of nothing new, overtakes nobody by that."""
    shop = Shop(2)
    shop.say(0, 19_000, ONE, told_at=20_000)
    shop.say(1, 9_000, ONE, told_at=20_000)
    assert shop.say(0, 19_000, told_at=20_000 + silent) == []
    assert shop.say(0, 29_000, told_at=21_000 + silent) == []
    (closed,) = shop.say(1, 19_000, ONE, told_at=21_500 + silent)
    assert (closed.complete, exposures(closed)) == (True, 3)


def test_who_is_unknown_at_the_start_has_time_to_be_heard() -> None:
    """Without a list of source partitions, the first bucket waits as long as for one that is behind."""
    closing, one, other = Closing(1), Speaker(0), Speaker(1)
    closing.take(0, one.says(20_000, ONE, told_at=20_000))
    assert [*closing.closed()] == []
    closing.take(0, other.says(9_000, ONE, told_at=30_000))
    closing.take(0, one.says(30_000, told_at=34_999))
    assert [*closing.closed()] == []
    closing.take(0, other.says(20_000, ONE, told_at=35_000))
    assert [exposures(closed) for closed in closing.closed()] == [3, 0]


def test_a_life_that_is_over_counts_nowhere() -> None:
    """What it sends behind the fence neither counts nor says how far anyone is."""
    shop = Shop()
    shop.say(0, 1_000, ONE)
    shop.closing.take(0, Fence(VERSION, 0, 2, 0))
    assert shop.say(0, 10_000, ONE) == []
    (closed,) = shop.hear(rollup(ONE, generation=2, complete=10_000, told_at=15_000))
    assert exposures(closed) == 2


def test_keys_are_bounded() -> None:
    """Beyond the bound they are one, ``(other)``, whose counts are all of theirs; money too."""
    shop = Shop(settings=ClosingSettings(max_keys=2))
    counts: Counts = {("sku", key): {0: 1} for key in "DCBA"}
    money = {("sku", "C", "CNY", "paid"): (1, 100), ("sku", "D", "CNY", "paid"): (1, 50)}
    (closed,) = shop.hear(rollup(counts, money, complete=10_000, told_at=15_000))
    assert closed.names["sku"] == ("A", "B", "(other)")
    assert closed.cells("sku").counts.tolist() == [1, 1, 2]
    assert [(key.key, sums) for key, sums in closed.money.items()] == [("(other)", (2, 150))]


def test_records_are_counted_by_where_they_were_read() -> None:
    """Since the bucket before, whatever bucket they were of."""
    shop = Shop(2)
    shop.say(0, 10_000, ONE)
    shop.say(0, 15_000)
    (first,) = shop.say(1, 20_000)
    (second,) = shop.say(0, 20_000)
    assert first.records == {(0, 0, "accepted"): 1, (1, 0, "accepted"): 1}
    assert second.records == {(0, 0, "accepted"): 2}


def test_how_far_a_shard_is_ahead() -> None:
    """So that whoever reads may read evenly."""
    closing = Closing(2, partitions=[0])
    for shard, complete in ((0, 90_000), (1, 30_000)):
        closing.take(shard, Speaker(0, shard).says(complete))
    assert [closing.waiting(shard) for shard in (0, 1)] == [60_000, 0]


def test_another_number_of_shards() -> None:
    """A snapshot of it is refused."""
    with pytest.raises(ValueError, match="shards"):
        Closing(3).restore(Closing(2).snapshot())


def test_late_money_is_told_by_its_own_bucket() -> None:
    """It is in the money of the bucket at whose closing it came, and stands once more by its own."""
    shop, paid = Shop(), ("all", "all", "CNY", "paid")
    shop.say(0, BUCKET, ONE)
    late = shop.speakers[0].says(2 * BUCKET, ONE, bucket=0)
    late.money = rollup(money={paid: (1, 500)}).money
    [closed] = shop.hear(late)
    key = MoneyKey(*paid)
    assert closed.money == {key: (1, 500)}
    assert closed.late_money == ((T0, {key: (1, 500)}),)
    own = shop.speakers[0].says(3 * BUCKET, ONE, bucket=2)
    own.money = rollup(money={paid: (2, 900)}).money
    [closed] = shop.hear(own)
    assert closed.money == {key: (2, 900)}
    assert closed.late_money == ()


def test_late_money_is_the_same_whenever_it_is_asked_for() -> None:
    """Put together only when somebody reads it: by then other keys may have come, and the bound may be full."""

    def late_of(*, at_once: bool) -> list[tuple[int, dict[MoneyKey, tuple[int, int]]]]:
        shop = Shop(settings=ClosingSettings(max_keys=2))
        shop.say(0, BUCKET, {("sku", "A"): {0: 1}})
        message = shop.speakers[0].says(2 * BUCKET, {("sku", "A"): {0: 1}, ("sku", "B"): {0: 1}}, bucket=0)
        message.money = rollup(
            money={("sku", key, "CNY", "paid"): (1, price) for key, price in (("A", 5), ("C", 7), ("D", 9))}
        ).money
        [closed] = shop.hear(message)
        found = list(closed.late_money) if at_once else []
        shop.say(0, 3 * BUCKET, {("sku", key): {0: 1} for key in "CDE"})
        return [(start, dict(sums)) for start, sums in (found or closed.late_money)]

    paid = {MoneyKey("sku", "A", "CNY", "paid"): (1, 5), MoneyKey("sku", "(other)", "CNY", "paid"): (2, 16)}
    assert late_of(at_once=True) == late_of(at_once=False) == [(T0, paid)]
