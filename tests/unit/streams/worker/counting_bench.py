"""A counting side to try: one partition, on a wire and a clock of the test's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from streams.codec import decode_rollup, sent_again
from streams.core.merge import Applied, ShardMerge, Totals
from streams.core.ordering import Patience
from streams.core.settings import CountingSettings
from streams.core.vocabulary import Vocabulary
from streams.events import RecordBatch
from streams.formats.columns import create_columns
from streams.formats.keys import key_objection
from streams.formats.native import NativeFormat
from streams.funnel import Funnel
from streams.metrics.pipeline import PipelineMetrics
from streams.worker.batching import Position
from streams.worker.counting import Counting, CountingTopics
from streams.worker.publishing import Outbox, Outgoing
from tests.support.builders import HOUR, at, stream
from tests.support.clock import ManualClock
from tests.support.state_log import TOPIC, MemoryLog
from tests.support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.results import Rollup
    from streams.worker.assigned import AssignedPartition

CLICKSTREAM, ORDERS = "clickstream", "orders"
SETTINGS = CountingSettings()
BOUND = SETTINGS.max_out_of_orderness_ms
IDLE_MS, SILENCE_MS = 2_000, 30_000


class Bench:
    """A counting side with one partition, on a wire and a clock of the test's own.

    Args:
        wire: what is with the broker already.
        partition: the first to be counted; None for none.
    """

    def __init__(
        self,
        stop_after: int | None = None,
        *,
        shards: int = 1,
        wire: Wire | None = None,
        partition: int | None = 0,
    ) -> None:
        self.wire, self.clock, self.acked = wire or Wire(), ManualClock(at(HOUR)), list[str]()
        self.outbox = Outbox(self.wire)
        funnel = Funnel()
        vocabulary = Vocabulary(funnel, key_objection, max_keys=SETTINGS.max_tracked_keys, shards=shards)
        form = NativeFormat(funnel=funnel, extra_fields=())
        self.counting = Counting(
            topics=CountingTopics((CLICKSTREAM, ORDERS), "rollups", "deadletter"),
            decoders=[create_columns(form, vocabulary)] * 2,
            vocabulary=vocabulary,
            settings=SETTINGS,
            clock=self.clock,
            outbox=self.outbox,
            metrics=PipelineMetrics(CollectorRegistry(), topics=(CLICKSTREAM, ORDERS)),
            patience=Patience(IDLE_MS, SILENCE_MS),
            stop_after=stop_after,
        )
        if partition is not None:
            self.assigned = self.begin(partition)
        self.position = Position(None, None, None)

    def begin(self, number: int) -> AssignedPartition:
        """A life of a source partition behind what is with the broker, fenced off from the ones before."""
        log = MemoryLog()
        log.append(Outgoing(*message[:4]) for message in self.wire.held(TOPIC, number))
        behind = len(log.entries)
        counts, state_log = log.begin(self.counting.vocabulary, SETTINGS, partition=number)
        self.wire.arrived += [Outgoing(TOPIC, number, *entry) for entry in log.entries[behind:] if entry]
        self.wire.arrived += [
            Outgoing("rollups", decode_rollup(data).shard, None, sent_again(data, state_log.generation))
            for data in log.unsent
        ]
        assigned = self.counting.assign(number, state_log, counts)
        # Where reading stands is known from the first.
        assigned.known_since_ms[:] = [self.clock.monotonic_ms()] * 2
        return assigned

    def take(
        self,
        name: str,
        values: Sequence[bytes | None],
        *,
        topic: str = CLICKSTREAM,
        first: int = 0,
        number: int = 0,
    ) -> None:
        """One batch comes in; ``name`` is noted when it is acknowledged."""
        records = [record._replace(offset=record.offset + first) for record in stream(values)]
        self.counting.take(topic, number, RecordBatch.of(records), lambda: self.acked.append(name))

    def settle(self) -> None:
        """Both topics have nothing left for so long that all that waits is due."""
        self.clock.advance(SILENCE_MS)
        self.position = Position(10, 10, None)

    async def flush(self) -> bool:
        """What is due is counted and sent."""
        return await self.counting.flush(lambda *_: self.position)

    def topics(self) -> list[str]:
        """The topics of all that has arrived behind the claim and the life, in order, repetitions left out."""
        names = [message.topic for message in self.wire.arrived[2:]]
        return [name for place, name in enumerate(names) if names[:place][-1:] != [name]]

    def rollups(self) -> list[Rollup]:
        """The rollups that have arrived, in their order."""
        return [decode_rollup(message.value) for message in self.wire.arrived if message.topic == "rollups"]

    def counted(self) -> int:
        """Records whose outcome has arrived in rollups, as the owners of their shards count them."""
        merges, totals = dict[int, ShardMerge](), Totals()
        for rollup in self.rollups():
            if merges.setdefault(rollup.shard, ShardMerge()).apply(rollup) is Applied.APPLIED:
                totals.add(rollup)
        return sum(totals.outcomes.values())


async def turns() -> None:
    """Let everybody come as far as they can."""
    for _ in range(50):
        await asyncio.sleep(0)


def numbers(rollups: Sequence[Rollup]) -> dict[tuple[int, int, int], list[int]]:
    """(source partition, generation, shard) -> sequence numbers in the order of arrival."""
    found: dict[tuple[int, int, int], list[int]] = {}
    for rollup in rollups:
        found.setdefault((rollup.partition, rollup.generation, rollup.shard), []).append(rollup.sequence)
    return found
