"""Records that do not count, on their way to the dead-letter topic; and when there are too many of them.

Promises: each goes there with its key, the head of its value, and what, where and why as headers; it
is counted by reason. So many invalid ones in a row end the worker, for then something is wrong with
what writes them or with our settings, and to go on would divert everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.errors import DeadLetterLimit
from streams.events import MAX_RECORD_BYTES, Outcome
from streams.worker.publishing import Outgoing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.rows import Rejected
    from streams.events import RecordBatch
    from streams.metrics.pipeline import PipelineMetrics
    from streams.worker.assigned import AssignedPartition
    from streams.worker.publishing import Outbox


class DeadLetters:
    """See the module.

    Args:
        sources: names of the source topics.
        topic: where dead letters go.
        outbox: where messages leave.
        metrics: pipeline metrics.
        stop_after: so many invalid records in a row stop the worker; None for never.
    """

    def __init__(
        self,
        sources: tuple[str, str],
        topic: str,
        outbox: Outbox,
        metrics: PipelineMetrics,
        stop_after: int | None,
    ) -> None:
        self._sources = sources
        self._topic = topic
        self._outbox = outbox
        self._metrics = metrics
        self._stop_after = stop_after

    def take(
        self,
        assigned: AssignedPartition,
        which: int,
        batch: RecordBatch,
        rejected: Sequence[Rejected],
        accepted: int,
    ) -> None:
        """Put what was rejected of a batch into the outbox; ``accepted`` records of it were taken in.

        Raises:
            DeadLetterLimit: too many invalid records in a row.
        """
        source = self._sources[which]
        for item in rejected:
            self._outbox.put(self._letter(source, assigned.number, batch, item))
            if item.reason is not None:
                self._metrics.reject(source, item.reason)
        if rejected:
            self._metrics.dead_letter(source, len(rejected))
        invalid = sum(item.outcome is Outcome.INVALID for item in rejected)
        assigned.rejected_in_a_row = 0 if accepted else assigned.rejected_in_a_row + invalid
        if self._stop_after is not None and assigned.rejected_in_a_row >= self._stop_after:
            raise DeadLetterLimit(
                f"{assigned.rejected_in_a_row} invalid records in a row on {source}/{assigned.number}"
            )

    def _letter(self, source: str, number: int, batch: RecordBatch, item: Rejected) -> Outgoing:
        record = batch.record(item.index)
        headers = [
            ("outcome", str(item.outcome).encode()),
            ("reason", str(item.reason or item.outcome).encode()),
            ("field", item.field.encode("utf-8", "replace")),
            ("topic", source.encode()),
            ("partition", str(number).encode()),
            ("offset", str(record.offset).encode()),
            ("timestamp", str(record.timestamp_ms).encode()),
            ("bytes", str(len(record.value or b"")).encode()),
        ]
        value = None if record.value is None else record.value[:MAX_RECORD_BYTES]
        # Neither key nor value is a record that others may write, but aiokafka does not.
        key = b"" if record.key is None and value is None else record.key
        return Outgoing(self._topic, None, key, value, headers)
