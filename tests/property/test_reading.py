"""Where sources are read on, against a plain list of what was read and what of it is counted.

:class:`Reading` knows batches only by their newest times; the model knows every record.
"""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from streams.core.ordering import UNREAD
from streams.core.reading import Reading
from streams.events import Record, RecordBatch

READ, REPEAT, COUNT, FLUSH, DIE = "read", "repeat", "count", "flush", "die"
BOUND = 10
STEPS = st.lists(
    st.tuples(st.sampled_from([READ, READ, READ, REPEAT, COUNT, FLUSH, FLUSH, DIE]), st.integers(1, 6)), max_size=40
)
# Per record its event time, or None for one that is turned away; and the gap before its offset.
LOG = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 60)), st.integers(1, 3)), max_size=60)


class Kept(NamedTuple):
    """A record: where it stands, its order time (None: turned away), and the newest time up to it."""

    offset: int
    order_ms: int | None
    newest_ms: int


def written(log: list[tuple[int | None, int]]) -> list[Kept]:
    """Records of a topic in offset order."""
    kept, offset, newest = list[Kept](), -1, UNREAD
    for time, gap in log:
        offset += gap
        newest = newest if time is None else max(newest, time)
        kept.append(Kept(offset, None if time is None else max(time, newest - BOUND), newest))
    return kept


class Owner:
    """Reads a topic as its worker does, and counts the records one by one."""

    def __init__(self, records: list[Kept]) -> None:
        self.records = records
        self.reading = Reading()
        self.limit = UNREAD
        self.counted: list[int] = []
        self.waiting: list[Kept] = []
        self.acked: set[int] = set()
        # So far the topic was written whenever anybody had nothing left to read.
        self.reached = 0
        self.flush()

    @property
    def place(self) -> int:
        """How many records lie before the next one to read."""
        return sum(one.offset < (self.reading.next_offset or 0) for one in self.records)

    def take(self, start: int, stop: int) -> None:
        """Take in a batch, whatever of it was taken in before."""
        batch = self.records[max(start, 0) : stop]
        if not batch:
            return
        fresh = self.reading.fresh(RecordBatch.of([Record(one.offset, 0, b"") for one in batch]))
        if fresh is None:
            assert batch[-1].offset < (self.reading.next_offset or 0)
            return
        new = [one for one in batch if one.offset in fresh.offsets]
        known = self.reading.known(fresh)
        for at, one in enumerate(new):
            if one.order_ms is None:
                self.counted += [one.offset] * (at >= known)
            elif at >= known or one.order_ms >= self.limit:
                self.waiting.append(one)
        offsets = {one.offset for one in new}
        self.reading.take(fresh, new[-1].newest_ms, lambda: self.acked.update(offsets))
        self.reached = max(self.reached, self.place)

    def count(self, behind: int) -> None:
        """Count up to so much behind the newest time; beyond it only where nothing is left to read."""
        if self.reading.newest_ms != UNREAD and (behind >= BOUND or self.place >= self.reached):
            self.limit = max(self.limit, self.reading.newest_ms - behind)
        self._count()

    def _count(self) -> None:
        due = {one.offset for one in self.waiting if (one.order_ms or 0) < self.limit}
        self.counted += sorted(due)
        self.waiting = [one for one in self.waiting if one.offset not in due]

    def flush(self) -> None:
        """Keep all this for the next owner, and acknowledge what is not needed any more."""
        self._count()
        for ack in self.reading.counted(self.limit):
            ack()
        offsets = self.reading.offsets()
        before = [one for one in self.records if one.offset < (offsets.resume or 0)]
        assert self.acked | {one.offset for one in before} <= set(self.counted)
        assert offsets.newest_ms == (before[-1].newest_ms if before else UNREAD)
        self._kept = offsets, list(self.counted), self.limit

    def die(self) -> None:
        """The next owner has what was kept; what waited it reads again."""
        offsets, self.counted, self.limit = self._kept[0], list(self._kept[1]), self._kept[2]
        self.reading, self.waiting = Reading(offsets), []


@given(log=LOG, steps=STEPS)
def test_every_record_is_counted_once(log: list[tuple[int | None, int]], steps: list[tuple[str, int]]) -> None:
    """Whatever is read, repeated, counted, flushed and forgotten in between.

    The next owner takes in records from ``resume`` on, and of those that are known it counts only what is
    not below the limit. No batch is acknowledged before all in it is counted.
    """
    owner = Owner(written(log))
    for what, many in [*steps, *[(READ, 6)] * len(log), (COUNT, 1), (FLUSH, 0)]:
        place = owner.place
        if what == READ:
            owner.take(place, place + many)
        elif what == REPEAT:
            owner.take(place - many, place + many - 3)
        elif what == COUNT:
            owner.count((many - 2) * BOUND // 2)
        elif what == FLUSH:
            owner.flush()
        else:
            owner.die()
    assert sorted(owner.counted) == [one.offset for one in owner.records]
    assert owner.reading.unacknowledged == len(owner.waiting) == 0
