"""Records of the source topics by outcome, as the owner of the shard that counts them exports them.

Promises what :mod:`streams.metrics.held` promises of each counter; outcomes are a closed set, so all
series of a topic are there at zero from the start. They belong to the process: unlike keys they never
vanish while it lives. One shard counts all records of a topic. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.events import Outcome
from streams.metrics.held import HeldCounters
from streams.metrics.series_part import RecordsPart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.metrics.held import Labels


class RecordCounts:
    """See the module; ``topics`` are there from the start."""

    def __init__(self, topics: Iterable[str]) -> None:
        self._gated = False
        self._topics: dict[str, _Topic] = {}
        for topic in topics:
            self.know(topic)

    def gate(self) -> None:
        """From now on counters outlive the process."""
        self._gated = True
        for counters in self._topics.values():
            counters.gated = True

    def know(self, topic: str) -> None:
        """Exports a topic, at zero before anything is counted."""
        if topic not in self._topics:
            self._topics[topic] = _Topic(topic, gated=self._gated)

    def add(self, shard: int, topic: str, outcome: str, value: int) -> None:
        """Counts records of a topic that is known."""
        counters = self._topics[topic]
        counters.come_to(shard, gated=self._gated)
        counters.add(0, (topic, outcome), value)

    def leave(self, shards: frozenset[int], disowned: frozenset[int]) -> None:
        """Shards went; of the disowned ones somebody else tells what was not told yet."""
        for counters in self._topics.values():
            if counters.shard in shards:
                counters.leave(tell=counters.shard not in disowned)

    def take_up(self, shard: int, part: RecordsPart) -> None:
        """Continues the counters of a shard that comes."""
        self.know(part.topic)
        counters = self._topics[part.topic]
        counters.come_to(shard, gated=self._gated)
        counters.take_up(part.values, part.held)

    def write(self, shard: int) -> list[RecordsPart]:
        """What is to be written down of a shard."""
        return [RecordsPart(counters.topic, *counters.write()) for counters in self._of(shard)]

    def written(self, shard: int, now_ms: int) -> None:
        """That is safe now, and may be told."""
        for counters in self._of(shard):
            counters.written(now_ms)

    def waits(self, shard: int) -> bool:
        """Whether anything of a shard can be told only after it is written down."""
        return any(counters.ripe for counters in self._of(shard))

    @property
    def holding(self) -> bool:
        """Whether an export now would show less than what is counted."""
        return any(counters.holding for counters in self._topics.values())

    def export(self, now_ms: int, hold_ms: int) -> dict[Labels, int]:
        """The values to show at ``now_ms`` by (topic, outcome), copied."""
        exported: dict[Labels, int] = {}
        for counters in self._topics.values():
            exported |= counters.export(now_ms, hold_ms)[0]
        return exported

    def totals(self) -> dict[Labels, int]:
        """The true counts by (topic, outcome); starts no hold."""
        return {
            name: value for counters in self._topics.values() for name, value in counters.cells[0].items()
        }

    def _of(self, shard: int) -> Iterator[_Topic]:
        return (counters for counters in self._topics.values() if counters.shard == shard)


class _Topic(HeldCounters):
    """Records of one topic, and the shard that counts them, once that is known."""

    __slots__ = ("shard", "topic")

    def __init__(self, topic: str, *, gated: bool) -> None:
        super().__init__(1, gated=gated)
        self.topic = topic
        self.shard: int | None = None
        for outcome in Outcome:
            self.start(0, (topic, outcome.value))

    def come_to(self, shard: int, *, gated: bool) -> None:
        """The shard that counts them is here."""
        self.shard, self.gated = shard, gated

    def leave(self, *, tell: bool) -> None:
        """It is not any more: what was not told yet is told, or never."""
        self.shard, self.gated = None, False
        if not tell:
            self.retreat()
