"""All flows of records: of each topic, of each of its partitions, and of all together.

Gathers closed buckets into beats and judges each silence by what the others saw in it: a partition by
the topic's other partitions, a topic by the other topic. All together have no others, so they need
ten times as much silence.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

from alerts.flow import Beat, Flow, FlowSettings
from alerts.heartbeats import HEARTBEAT
from alerts.usual_flow import UsualFlow
from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from streams.closed import ClosedBucket

Series: TypeAlias = tuple[int, int]  # partition, or -1 for all of them; topic, or -1
ALL: Final = (-1, -1)
_TOPICS: Final = 2
_MAX_PARTITIONS: Final = 4_096
# The rate before a gap was learned about so long before it.
_LEARNED_MS: Final = 600_000


class Silence(NamedTuple):
    """A gap in a series: since when, what should have come, the evidence in nats, and what it needs."""

    series: Series
    since_ms: int
    missing: float
    evidence: float
    threshold: float
    named: bool


class _Gathered(msgspec.Struct):
    """Records of buckets that closed since the last beat, by (partition, topic)."""

    start_ms: int
    records: dict[tuple[int, int], int]
    buckets: int = 0
    wall_ms: int = 0


class Flows:
    """See the module."""

    def __init__(self, settings: FlowSettings | None = None) -> None:
        self._settings = settings or FlowSettings()
        self._flows: dict[Series, Flow] = {}
        self._usual = {series: UsualFlow() for series in (ALL, *((-1, topic) for topic in range(_TOPICS)))}
        self._gathered: _Gathered | None = None
        self._closed_at_ms: int | None = None

    def take(self, closed: ClosedBucket, *, troubled: frozenset[Series]) -> None:
        """Gather buckets that close together, and take them in as one beat.

        Args:
            closed: the next bucket.
            troubled: series of whose outage is known; nothing is learned from them, nor from what
                they are part of or consist of.
        """
        gathered = self._gathered = self._gathered or _Gathered(closed.start_ms, {})
        for (partition, topic, outcome), records in closed.records.items():
            # A heartbeat is heard in another way; it is no record of the shop's.
            if partition < _MAX_PARTITIONS and outcome != HEARTBEAT:
                gathered.records[partition, topic] = gathered.records.get((partition, topic), 0) + records
        gathered.buckets += 1
        if self._closed_at_ms is not None:
            gathered.wall_ms += max(0, closed.closed_at_ms - self._closed_at_ms)
        self._closed_at_ms = closed.closed_at_ms
        if 2 * gathered.wall_ms >= BUCKET_MS:
            self._beat(gathered, troubled)
            self._gathered = None

    def silences(self, now_ms: int, heard: Mapping[int, int]) -> Iterator[Silence]:
        """Gaps in series of which enough is known, named if they are outages.

        Args:
            now_ms: start of the bucket that closed.
            heard: by topic, time of its newest heartbeat.
        """
        unproven = self._unproven()
        if unproven is not None:
            yield unproven
        for series, flow in self._flows.items():
            if flow.gap is None or not (flow.silent or flow.judged(self._settings)):
                continue
            missing = self._missing(series, flow, now_ms)
            evidence, threshold = missing / flow.dispersion, self._threshold(series)
            if not _heard(series, heard, flow.gap.since_ms):
                flow.name_silence(evidence, threshold, self._settings)
            yield Silence(series, flow.gap.since_ms, missing, evidence, threshold, flow.silent)

    def _unproven(self) -> Silence | None:
        """Buckets without a single record that closed at once: no proof of an outage, and none of anything else."""
        gathered, flow = self._gathered, self._flows.get(ALL)
        if gathered is None or gathered.records or flow is None or not flow.judged(self._settings):
            return None
        missing = flow.rate * gathered.buckets * self._settings.alone
        threshold = self._threshold(ALL)
        return Silence(ALL, gathered.start_ms, missing, missing / flow.dispersion, threshold, named=False)

    def _beat(self, gathered: _Gathered, troubled: frozenset[Series]) -> None:
        wall = gathered.wall_ms / BUCKET_MS
        beat = Beat(gathered.start_ms, min(wall, gathered.buckets), max(wall, gathered.buckets))
        counts = _summed(gathered.records)
        rates = {series: flow.rate for series, flow in self._flows.items()}
        for series in sorted(self._flows.keys() | counts.keys()):
            count = counts.get(series, 0)
            flow = self._flows.setdefault(series, Flow.begin(self._settings))
            learn = not any(_related(series, other) for other in troubled)
            flow.take(count, beat, learn=learn, settings=self._settings)
            if series in self._usual and learn:
                self._usual[series].add(count, beat.span, gathered.start_ms)
            if series != ALL:
                above = _above(series)
                beside = max(0.0, rates.get(above, 0.0) - rates.get(series, 0.0))
                flow.compare(counts.get(above, 0) - count, beside * beat.exposure)

    def _missing(self, series: Series, flow: Flow, now_ms: int) -> float:
        usual = self._usual.get(series)
        if flow.gap is None or (series[0] >= 0 and not flow.gap.others_expected):
            # An only partition is its topic.
            return 0.0
        fall = usual.fall(flow.gap.since_ms - _LEARNED_MS, now_ms) if usual else 1.0
        return flow.missing(self._settings, alone=series == ALL) * fall * self._typical(series, flow)

    def _typical(self, series: Series, flow: Flow) -> float:
        """What a partition's rate is scaled by: one busy visitor who leaves is no outage."""
        if series[0] < 0 or not flow.rate:
            return 1.0
        alike = [other.rate for (p, topic), other in self._flows.items() if p >= 0 and topic == series[1]]
        return min(1.0, median(alike) / flow.rate)

    def _threshold(self, series: Series) -> float:
        """A partition's is higher by their number, which share one chance of a false alarm."""
        return self._settings.threshold + (math.log(len(self._flows)) if series[0] >= 0 else 0.0)

    def snapshot(self) -> dict[str, Any]:
        """All that is known, as plain data."""
        gathered = self._gathered
        return {
            "flows": [[*series, msgspec.to_builtins(flow)] for series, flow in self._flows.items()],
            "usual": [msgspec.to_builtins(usual) for usual in self._usual.values()],
            "closed_at_ms": self._closed_at_ms,
            "gathered": gathered
            and [
                gathered.start_ms,
                [[*key, records] for key, records in gathered.records.items()],
                gathered.buckets,
                gathered.wall_ms,
            ],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a snapshot.

        Raises:
            msgspec.ValidationError: it is none.
        """
        self._flows = {(p, topic): msgspec.convert(flow, Flow) for p, topic, flow in state["flows"]}
        usual = msgspec.convert(state["usual"], list[UsualFlow])
        self._usual = dict(zip(self._usual, usual, strict=True))
        self._closed_at_ms = state["closed_at_ms"]
        if state["gathered"] is not None:
            start_ms, records, buckets, wall_ms = state["gathered"]
            known = {(p, topic): count for p, topic, count in records}
            self._gathered = _Gathered(start_ms, known, buckets, wall_ms)


def _summed(records: Mapping[Series, int]) -> dict[Series, int]:
    counts = dict(records)
    for (_, topic), count in records.items():
        for above in ((-1, topic), ALL):
            counts[above] = counts.get(above, 0) + count
    return counts


def _above(series: Series) -> Series:
    return (-1, series[1]) if series[0] >= 0 else ALL


def _related(one: Series, other: Series) -> bool:
    """Whether one is part of the other."""
    return all(a == b or -1 in (a, b) for a, b in zip(one, other, strict=True))


def _heard(series: Series, heard: Mapping[int, int], since_ms: int) -> bool:
    """Heartbeats that come through a silence say that there is nothing to deliver."""
    topics: Iterable[int] = range(_TOPICS) if series == ALL else (series[1],)
    return series[0] < 0 and all(heard.get(topic, 0) > since_ms + BUCKET_MS for topic in topics)
