"""``(other)``: at once where the process is all there is, by shares of shards where counters outlive it."""

from __future__ import annotations

from streams.metrics.key_counters import EVENTS
from streams.metrics.other_key import OtherKey

CLICKS = ("click",)


def shown(other: OtherKey) -> int:
    """Clicks as an export without a hold shows them."""
    other.counters.export(0, 0)
    return other.counters.export(0, 0)[EVENTS].get(CLICKS, 0)


def gated() -> OtherKey:
    """One whose clicks were shown at zero."""
    other = OtherKey()
    other.gate()
    other.counters.start(EVENTS, CLICKS)
    shown(other)
    return other


def test_what_does_not_outlive_the_process_is_told_at_once() -> None:
    """All shards count in one."""
    other = OtherKey()
    for shard in (0, 1):
        other.share(shard).add(EVENTS, CLICKS, 2)
    assert shown(other) == 4
    assert not other.waits(0)


def test_a_share_is_told_once_it_is_written_down() -> None:
    """Each shard's for itself."""
    other = gated()
    other.share(0).add(EVENTS, CLICKS, 2)
    other.share(1).add(EVENTS, CLICKS, 5)
    assert (shown(other), other.holding, other.waits(0)) == (0, True, True)
    part = other.write("sku", 0)
    other.written(0)
    assert (shown(other), other.waits(0), other.waits(1)) == (2, False, True)
    assert (part.values, part.untold, part.before) == ([(EVENTS, CLICKS, 2)], [], [])


def test_what_a_shard_told_stays_when_it_goes() -> None:
    """Handed over, all of it is told; taken away, what was not told is told elsewhere."""
    for tell, left in ((True, 5), (False, 2)):
        other = gated()
        other.share(0).add(EVENTS, CLICKS, 2)
        other.write("sku", 0)
        other.written(0)
        other.share(0).add(EVENTS, CLICKS, 3)
        other.leave(frozenset({0}), tell=tell)
        assert shown(other) == left
        assert other.write("sku", 1).before == [(EVENTS, CLICKS, left)]


def test_it_goes_on_from_its_shares_and_from_what_shards_left() -> None:
    """Where it stood, without a zero in between."""
    other = gated()
    for shard, clicks in ((0, 2), (1, 5)):
        other.share(shard).add(EVENTS, CLICKS, clicks)
        other.write("sku", shard)
        other.written(shard)
    other.leave(frozenset({0}), tell=True)
    part = other.write("sku", 1)
    heir = OtherKey()
    heir.gate()
    heir.take_up([(1, part)], part.before)
    assert heir.counters.export(0, 20_000)[EVENTS][CLICKS] == 7
    assert heir.write("sku", 1) == part
