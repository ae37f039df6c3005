"""Records by outcome: there from the start, of one shard, told once."""

from __future__ import annotations

from streams.events import Outcome
from streams.metrics.record_counts import RecordCounts

ACCEPTED = ("orders", "accepted")
HOLD_MS = 20


def test_a_topic_is_there_at_zero_with_every_outcome() -> None:
    """Also one that is met later."""
    counts = RecordCounts(["orders"])
    counts.know("clicks")
    assert counts.export(0, HOLD_MS) == {
        (topic, o.value): 0 for topic in ("orders", "clicks") for o in Outcome
    }


def test_a_count_is_held_at_zero_and_then_true() -> None:
    """As any counter is; the totals are true at once and start no hold."""
    counts = RecordCounts(["orders"])
    counts.add(3, *ACCEPTED, 4)
    assert counts.totals()[ACCEPTED] == 4
    assert [counts.export(at, HOLD_MS)[ACCEPTED] for at in (0, 19, 20)] == [0, 0, 4]
    assert not counts.holding


def test_what_is_written_down_is_taken_up() -> None:
    """Of the shard that counts them, and of no other; a hold is told once it is written that it may be."""
    counts = RecordCounts(["orders"])
    counts.gate()
    counts.add(3, *ACCEPTED, 4)
    counts.export(0, HOLD_MS)
    assert counts.export(HOLD_MS, HOLD_MS)[ACCEPTED] == 0
    assert (counts.waits(3), counts.waits(2)) == (True, False)
    (part,) = counts.write(3)
    assert counts.write(2) == []
    counts.written(3, HOLD_MS)
    assert counts.export(HOLD_MS, HOLD_MS)[ACCEPTED] == 4
    heir = RecordCounts([])
    heir.gate()
    heir.take_up(3, part)
    assert heir.export(0, HOLD_MS)[ACCEPTED] == 4


def test_who_is_disowned_takes_back_what_was_not_told() -> None:
    """Somebody else tells it; who hands over tells all of it."""
    for disowned, told in ((frozenset({3}), 0), (frozenset[int](), 4)):
        counts = RecordCounts(["orders"])
        counts.export(0, HOLD_MS)
        counts.add(3, *ACCEPTED, 4)
        counts.leave(frozenset({3}), disowned)
        assert counts.export(HOLD_MS, HOLD_MS)[ACCEPTED] == told
