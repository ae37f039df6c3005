"""Where a topic is read on: resume, what an owner before knew, and when batches are let go."""

from __future__ import annotations

from streams.core.ordering import UNREAD
from streams.core.reading import Reading, SourceOffsets
from streams.events import Record, RecordBatch

NOTHING = SourceOffsets()


def batch(*offsets: int) -> RecordBatch:
    """Records at these offsets."""
    return RecordBatch.of([Record(offset, 0, b"") for offset in offsets])


def taking(reading: Reading, *offsets: int, newest: int, acks: list[int] | None = None) -> None:
    """Take a batch in; its first offset is noted when it is acknowledged."""
    noted = [] if acks is None else acks
    reading.take(batch(*offsets), newest, lambda: noted.append(offsets[0]))


def let_go(reading: Reading, limit: int) -> int:
    """Acknowledge what is counted below a limit; how many batches."""
    acks = reading.counted(limit)
    for ack in acks:
        ack()
    return len(acks)


def test_before_the_first_record_nothing_is_known() -> None:
    """No offset to begin at, none behind, no time; every record is fresh, and none is known."""
    reading = Reading()
    assert reading.offsets() == NOTHING == SourceOffsets(None, UNREAD, None)
    assert (reading.next_offset, reading.newest_ms, reading.unacknowledged) == (None, UNREAD, 0)
    some = batch(0, 1)
    assert reading.fresh(some) is some
    assert reading.known(some) == 0


def test_reading_begins_again_where_something_waits() -> None:
    """At the oldest batch that is not counted, with the newest time before it; behind is how far it came."""
    reading = Reading()
    taking(reading, 5, 6, newest=100)
    taking(reading, 9, newest=200)
    assert reading.offsets() == SourceOffsets(5, UNREAD, 10)
    let_go(reading, 101)
    assert reading.offsets() == SourceOffsets(9, 100, 10)
    let_go(reading, 201)
    assert reading.offsets() == SourceOffsets(10, 200, 10)


def test_a_batch_goes_when_nothing_in_it_can_wait() -> None:
    """No row of it is ordered behind its newest time; at the limit one may wait."""
    acks: list[int] = []
    reading = Reading()
    taking(reading, 1, newest=100, acks=acks)
    assert let_go(reading, 100) == 0
    assert let_go(reading, 101) == 1
    assert acks == [1]
    assert reading.unacknowledged == 0


def test_batches_go_in_their_order() -> None:
    """A later one is not let go before what stands before it; the newest time never goes down."""
    acks: list[int] = []
    reading = Reading()
    for offset, newest in ((1, 300), (2, 300), (3, 400)):
        taking(reading, offset, newest=newest, acks=acks)
    assert let_go(reading, 300) == 0
    assert let_go(reading, 301) == 2
    assert let_go(reading, 301) == 0
    assert acks == [1, 2]


def test_batches_before_the_first_valid_record_go_at_once() -> None:
    """Nothing of them waits, and they have no time: even before anything is counted."""
    reading = Reading()
    taking(reading, 0, 1, newest=UNREAD)
    assert reading.offsets() == SourceOffsets(0, UNREAD, 2)
    assert let_go(reading, UNREAD) == 1
    assert reading.offsets() == SourceOffsets(2, UNREAD, 2)
    taking(reading, 2, newest=50)
    assert let_go(reading, UNREAD) == 0


def test_a_batch_of_rejected_records_waits_with_what_is_before_it() -> None:
    """It moves no time: it goes with the one before."""
    reading = Reading()
    taking(reading, 0, newest=50)
    taking(reading, 1, newest=50)
    assert let_go(reading, 50) == 0
    assert let_go(reading, 51) == 2


def test_what_comes_twice_is_taken_in_once() -> None:
    """Wholly old, partly old, and with gaps between offsets."""
    reading = Reading()
    taking(reading, 10, 12, newest=1)
    assert reading.fresh(batch(10, 12)) is None
    assert reading.fresh(batch(11)) is None
    partly = reading.fresh(batch(10, 12, 13, 20))
    assert partly is not None
    assert list(partly.offsets) == [13, 20]


def test_the_next_owner_knows_what_was_taken_in() -> None:
    """It reads from where something waited; what lies before the place the last one had reached is known."""
    reading = Reading(SourceOffsets(5, 100, 10))
    assert (reading.next_offset, reading.newest_ms) == (5, 100)
    assert [reading.known(batch(*offsets)) for offsets in ((5, 6), (8, 9, 10, 11), (10,), (9, 11))] == [
        2,
        2,
        0,
        1,
    ]
    assert reading.fresh(batch(3, 4)) is None


def test_an_owner_that_has_not_read_so_far_again_leaves_it_known() -> None:
    """Not before it, and not in the middle; once it has come further, its own place counts."""
    reading = Reading(SourceOffsets(5, 100, 10))
    assert reading.offsets() == SourceOffsets(5, 100, 10)
    taking(reading, 5, 6, newest=150)
    assert reading.offsets() == SourceOffsets(5, 100, 10)
    let_go(reading, 151)
    assert reading.offsets() == SourceOffsets(7, 150, 10)
    taking(reading, 9, 14, newest=160)
    assert reading.offsets() == SourceOffsets(9, 150, 15)
