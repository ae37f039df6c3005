"""The counting side of a worker on a real Kafka, without its app: the test alone moves partitions.

An :class:`Owner` takes partitions over, counts records that the test has, and writes log and rollups.
It can be doomed: then it dies on the way of a message, and what it had sent before arrives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from streams.core.ordering import Patience
from streams.core.settings import CountingSettings
from streams.core.vocabulary import Vocabulary
from streams.events import Record, RecordBatch
from streams.formats.columns import create_columns
from streams.formats.keys import key_objection
from streams.formats.native import NativeFormat
from streams.funnel import Funnel
from streams.metrics.pipeline import PipelineMetrics
from streams.worker.batching import Position
from streams.worker.counting import Counting, CountingTopics
from streams.worker.kafka import Producer
from streams.worker.publishing import Outbox
from streams.worker.recovery import Recovery
from tests.support.builders import HOUR, at
from tests.support.clock import ManualClock

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from typing import Self

    from streams.worker.assigned import AssignedPartition
    from tests.support.workers import Deployment

_SILENCE_MS = 30_000
_UNKNOWN = Position(None, None, None)
_READ = Position(1, 1, None)


class Killed(Exception):  # noqa: N818 - what happened, not an error
    """The process is gone."""


class _Mortal(Producer):
    def __init__(self, deployment: Deployment, doom: Callable[[str, bytes], bool]) -> None:
        super().__init__(deployment.settings().kafka)
        self._doom = doom

    async def send(self, topic: str, *, key: bytes | None, **message: Any) -> asyncio.Future[Any]:
        if self._doom(topic, key or b""):
            raise Killed
        return await super().send(topic, key=key, **message)


class Owner:
    """See the module; a context manager.

    Args:
        deployment: topics, on which Kafka.
        clock_ms: what its clock shows.
        settings: the contract's numbers.
        doom: asked for each message with topic and key: whether it dies instead of sending it.
        patience_seconds: how long it tries to get a message through.

    Attributes:
        said: what it told that it waits for.
        on_said: is called when it tells something.
        acked: how many batches it acknowledged.
        dies_at_ack: instead of acknowledging one more.
    """

    dies_at_ack = False

    def __init__(
        self,
        deployment: Deployment,
        clock_ms: int = at(HOUR),
        *,
        settings: CountingSettings = CountingSettings(),  # noqa: B008 - it is frozen
        doom: Callable[[str, bytes], bool] = lambda *_: False,
        patience_seconds: float = 10.0,
    ) -> None:
        tree = deployment.settings()
        sources = (tree.topics.clickstream, tree.topics.orders)
        self.topics, self.clock, self.said, self.acked = sources, ManualClock(clock_ms), list[str](), 0
        funnel = Funnel()
        vocabulary = Vocabulary(
            funnel, key_objection, max_keys=settings.max_tracked_keys, shards=tree.topics.rollup_shards
        )
        self.registry = CollectorRegistry()
        metrics = PipelineMetrics(self.registry, topics=sources)
        self.producer = _Mortal(deployment, doom)
        self.outbox = Outbox(self.producer, patience_seconds=patience_seconds)
        self.counting = Counting(
            topics=CountingTopics(sources, tree.topics.rollups, tree.topics.deadletter),
            decoders=[create_columns(NativeFormat(funnel=funnel, extra_fields=()), vocabulary)] * 2,
            vocabulary=vocabulary,
            settings=settings,
            clock=self.clock,
            outbox=self.outbox,
            metrics=metrics,
            patience=Patience(_SILENCE_MS // 2, _SILENCE_MS),
        )
        self.on_said: Callable[[], object] = lambda: None
        self.contested = 0
        self.recovery = Recovery(
            tree, self.counting, self.outbox, self.clock, metrics, self._say, self._contest
        )

    async def __aenter__(self) -> Self:
        await self.producer.connect(lambda _: None)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.producer.stop()

    def __getitem__(self, number: int) -> AssignedPartition:
        """What it has of a source partition."""
        return self.counting.partitions[number]

    def _contest(self) -> None:
        self.contested += 1

    def _say(self, what: str) -> None:
        self.said.append(what)
        self.on_said()

    def acknowledge(self) -> None:
        """A batch is done with."""
        if self.dies_at_ack:
            raise Killed
        self.acked += 1

    def read(self, number: int, source: Sequence[Sequence[Record]], size: int) -> bool:
        """Read on in the topic that is behind; whether there was anything left."""
        assigned = self[number]
        left = [
            (assigned.counts.newest[which], which, reading.next_offset or 0)
            for which, reading in enumerate(assigned.readings)
            if (reading.next_offset or 0) < len(source[which])
        ]
        if not left:
            return False
        _, which, begin = min(left)
        batch = RecordBatch.of(source[which][begin : begin + size])
        self.counting.take(self.topics[which], number, batch, self.acknowledge)
        return True

    async def flush(self, *, silent: bool = False) -> bool:
        """Count what is due, or all if both topics have been silent for long, and send it."""
        if silent:
            for assigned in self.counting.partitions.values():
                # Where reading stands was known all the time.
                assigned.known_since_ms[:] = [self.clock.monotonic_ms()] * 2
            self.clock.advance(_SILENCE_MS)
        return await self.counting.flush(lambda *_: _READ if silent else _UNKNOWN)

    async def finish(self, number: int, source: Sequence[Sequence[Record]], size: int = 1_000) -> None:
        """Read and count to the end."""
        while self.read(number, source, size):
            await self.flush()
        assert await self.flush(silent=True)
