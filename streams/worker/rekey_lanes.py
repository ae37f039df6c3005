"""Republished records on their way: in order, one batch under way for each keyed partition.

Promises: of a keyed partition the next batch is not made before the one before is acknowledged, and
goes on behind it; what was not acknowledged is sent again. Why nothing more is needed:
:mod:`streams.worker.rekeying`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aiokafka.errors import KafkaError

from streams.errors import TopicError
from streams.worker.publishing import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.worker.batch_producer import KeyedRecord

_LOG = logging.getLogger(__name__)
# Without a batch getting through.
_PATIENCE_SECONDS = 10.0


class Deliverer(Protocol):
    """Where batches leave: :class:`streams.worker.batch_producer.BatchProducer`."""

    async def partitions_of(self, topic: str) -> int:
        """How many partitions a topic has."""
        ...

    async def deliver(self, topic: str, partition: int, records: Sequence[KeyedRecord]) -> int:
        """Write as many of the first records as fit into a batch; how many have arrived."""
        ...

    async def discard(self) -> None:
        """Give up what is under way."""
        ...


@dataclass(slots=True)
class Lane:
    """What is left to send to one keyed partition, in order."""

    topic: str
    partition: int
    records: Sequence[KeyedRecord]
    sent: int = 0


class LaneSender:
    """See the module.

    Args:
        topics: names of the keyed topics.
        producer: where batches leave; nobody else uses it.

    Attributes:
        published: records acknowledged so far, per topic.
        failing: the last attempt did not get through.
        stopped: what is under way ends, and no batch follows.
    """

    def __init__(self, topics: tuple[str, str], producer: Deliverer) -> None:
        self._topics = topics
        self._producer = producer
        self.published = [0, 0]
        self.failing = False
        self.stopped = False

    async def send(self, lanes: Sequence[Lane]) -> bool:
        """Write all that is left of the lanes, side by side; False if Kafka did not take it (yet).

        Raises:
            TopicError: Kafka refuses a record, and would do so again.
        """
        ends = await asyncio.gather(*map(self._send, lanes), return_exceptions=True)
        errors = [end for end in ends if isinstance(end, BaseException)]
        for error in errors:
            if not isinstance(error, (KafkaError, TimeoutError)):
                raise error
        if errors:
            # What is under way may still land: it does no harm (see :mod:`streams.worker.rekeying`).
            await self._producer.discard()
        self._note(errors[0] if errors else None)
        return not errors and not any(lane.sent < len(lane.records) for lane in lanes)

    async def _send(self, lane: Lane) -> None:
        while lane.sent < len(lane.records) and not self.stopped:
            rest = lane.records[lane.sent :]
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    arrived = await self._producer.deliver(lane.topic, lane.partition, rest)
            except REFUSALS as error:
                raise TopicError(f"{lane.topic}: kafka refuses records: {type(error).__name__}") from error
            lane.sent += arrived
            self.published[self._topics.index(lane.topic)] += arrived

    def _note(self, error: BaseException | None) -> None:
        if error is not None and not self.failing:
            _LOG.warning("kafka does not take republished records", extra={"error": type(error).__name__})
        elif error is None and self.failing:
            _LOG.info("kafka takes republished records again")
        self.failing = error is not None
