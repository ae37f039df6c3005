"""What travels from the consumer to an agent: one message per batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import faust
from faust.types.tuples import ConsumerMessage

from streams.events import RecordBatch
from streams.worker.fetching import MAX_BATCH_RECORDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from faust.types import TP, AppT, EventT, Message


class BatchSchema(faust.Schema):  # type: ignore[type-arg]  # Faust's stub takes arguments, its class none
    """Hands the batch on as it is: there is nothing to deserialise."""

    def compile(self, app: AppT, **_options: Any) -> Callable[..., Awaitable[EventT[Any]]]:
        """Return the function that makes an event of a message."""
        create_event = app.create_event

        async def decode(message: Message, *, propagate: bool = False) -> EventT[Any]:  # noqa: ARG001  # Faust's signature
            batch, message.value = message.value, None
            return create_event(None, batch, None, message)

        return decode


class BatchMessage(ConsumerMessage):
    """One batch on its way to an agent; ``behind`` is the offset behind its last record.

    ``taken``: whether the agent has said that it has it.
    """

    __slots__ = ("behind", "taken")

    def __init__(self, tp: TP, batch: RecordBatch, generation: int) -> None:
        first = batch.offsets[0]
        seconds = batch.timestamps[-1] / 1000.0
        super().__init__(
            tp.topic,
            tp.partition,
            first,
            seconds,
            0,
            None,
            None,
            None,
            None,
            -1,
            -1,
            tp,
            generation_id=generation,
        )
        self.value = cast("bytes", batch)
        self.behind = batch.offsets[-1] + 1
        self.taken = False


def parts_of(tp: TP, batch: RecordBatch) -> Iterator[tuple[TP, RecordBatch]]:
    """A batch in parts of bearable size: one Kafka batch may hold any number of records."""
    if len(batch.offsets) <= 2 * MAX_BATCH_RECORDS:
        yield tp, batch
        return
    for start in range(0, len(batch.offsets), MAX_BATCH_RECORDS):
        part = slice(start, start + MAX_BATCH_RECORDS)
        yield (
            tp,
            RecordBatch(batch.offsets[part], batch.timestamps[part], batch.values[part], batch.raw[part]),
        )
