"""A source partition in a worker's hands: what is counted of it, and how far both its topics are read.

Promises: a topic is silent only for as long as it is known, without a break, that nothing is left to
read of it. Refuses to count and to send: :mod:`streams.worker.counting` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.core.ordering import UNREAD

if TYPE_CHECKING:
    from streams.core.pipeline import SourcePartition
    from streams.core.reading import Reading, SourceOffsets
    from streams.results import RollupWriter
    from streams.worker.positions import Position
    from streams.worker.state_log import StateLog


@dataclass(slots=True)
class AssignedPartition:
    """A source partition in this worker's hands."""

    number: int
    counts: SourcePartition
    log: StateLog
    rollups: RollupWriter
    readings: tuple[Reading, Reading]
    # Per topic, by the monotonic clock: when the last record was taken in, and since when it is known
    # without a break where reading stands; None if it is not.
    taken_at_ms: list[int]
    known_since_ms: list[int | None]
    limit_ms: int
    # Both topics have brought nothing for as long as we wait, and nothing is left to be counted.
    idle: bool = False
    # A batch went over the limit of rejected records: nothing from it on counts, for once the mistake is
    # mended it is read again.
    refused: bool = False
    # As of the last flush.
    logged_ms: int = UNREAD
    rejected_in_a_row: int = 0
    unprocessed: int = 0
    # Taken in since the last flush was captured.
    unlogged: int = 0

    @property
    def sources(self) -> tuple[SourceOffsets, SourceOffsets]:
        """Where clickstream and orders would be read on by the next owner."""
        return self.readings[0].offsets(), self.readings[1].offsets()

    def silent_ms(self, which: int, position: Position, now: int) -> int | None:
        """For how long a topic (0, 1) has brought nothing; None if something may be left, or nobody knows.

        Args:
            which: the topic.
            position: where reading of it stands.
            now: by the monotonic clock, in milliseconds.
        """
        if position.next_offset is None or position.end_offset is None:
            self.known_since_ms[which] = None
            return None
        # As far as the broker has told: since its last answer something may have come.
        told = now - position.age_ms
        known = self.known_since_ms[which]
        if known is None:
            # Who was blind has not seen a silence; what came meanwhile may be on its way to the broker.
            known = self.known_since_ms[which] = told
        # What is fetched but still on its way here is left to read as well.
        on_its_way = (position.handed_out or 0) > (self.readings[which].next_offset or 0)
        if position.next_offset < position.end_offset or on_its_way:
            return None
        return told - max(self.taken_at_ms[which], known)
