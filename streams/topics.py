"""The topics of Funnelwatch: names, partitions, retention, and what can be wrong with them.

Plain data and rules about it; nothing here talks to Kafka.

==========================  =============================  ====================  =========
topic (default name)        what is in it                  partitions            kept
==========================  =============================  ====================  =========
``clickstream``             the shop's events, by visitor  P                     as the broker does
``orders``                  the shop's orders, by visitor  P, as clickstream     as the broker does
``funnelwatch.rollups``     what was added, by shard       one per shard         3 days
``funnelwatch.deadletter``  what was not counted, and why  P, or any other       7 days
``funnelwatch.state``       the counts' write-ahead log    P, as clickstream     compacted
``funnelwatch.totals``      what the rollups add up to     one per shard         compacted
``funnelwatch.incidents``   what went wrong, and is over   1                     7 days
``funnelwatch.watch``       the watcher's snapshots        1                     compacted
``funnelwatch.control``     silences, acknowledgements     1                     compacted
``funnelwatch.deliveries``  what each channel was told     1                     compacted
==========================  =============================  ====================  =========

With ``rekey`` the shop's two topics are not keyed by visitor, and each has as many partitions as it
likes; these take their place, and the state has as many partitions as they:

===========================  ============================  ====================  =========
``funnelwatch.clickstream``  the same events, by visitor   P                     1 day
``funnelwatch.orders``       the same orders, by visitor   P                     1 day
``funnelwatch.progress``     how far republishing is       1                     1 hour
===========================  ============================  ====================  =========
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from streams.durations import DAY, HOUR, MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# A rejected record may be larger than any topic takes; the dead letter keeps the head of its value.
MAX_DEADLETTER_VALUE_BYTES: Final = 64 * 1024
_ONE_MIB: Final = 1 << 20
_UNLIMITED: Final = -1
# From this many replicas on a write can wait for two of them and still survive the loss of one.
_REPLICAS_FOR_TWO_IN_SYNC: Final = 3


class Purpose(StrEnum):
    """What a topic is for; also the key of its name in the section ``topics`` of the settings."""

    CLICKSTREAM = "clickstream"
    ORDERS = "orders"
    ROLLUPS = "rollups"
    DEADLETTER = "deadletter"
    STATE = "state"
    KEYED_CLICKSTREAM = "keyed_clickstream"
    KEYED_ORDERS = "keyed_orders"
    PROGRESS = "progress"
    TOTALS = "totals"
    INCIDENTS = "incidents"
    WATCH = "watch"
    CONTROL = "control"
    DELIVERIES = "deliveries"


SOURCES: Final = (Purpose.CLICKSTREAM, Purpose.ORDERS)
# On how many partitions dead letters and progress lie, nothing depends.
_ANY_PARTITIONS: Final = (Purpose.DEADLETTER, Purpose.PROGRESS)


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic should be.

    Attributes:
        config: Kafka's topic settings, as Kafka writes them, e.g. ``{"retention.ms": "3600000"}``.
        look_back_ms: for how long its records may be needed once more; 0 for those that have to be
            kept as ``config`` says.
        together: one worker reads partition p of all of these together, so they need equally many.
        any_partitions: nothing depends on how many partitions it has.
    """

    name: str
    partitions: int
    replication_factor: int
    purpose: Purpose
    config: Mapping[str, str] = field(default_factory=dict)
    look_back_ms: int = 0
    together: bool = False
    any_partitions: bool = False


def topic_specs(  # noqa: PLR0913 - one argument per setting
    *,
    clickstream: str = "clickstream",
    orders: str = "orders",
    rollups: str = "funnelwatch.rollups",
    deadletter: str = "funnelwatch.deadletter",
    state: str = "funnelwatch.state",
    keyed_clickstream: str = "funnelwatch.clickstream",
    keyed_orders: str = "funnelwatch.orders",
    progress: str = "funnelwatch.progress",
    rekey: bool = False,
    totals: str = "funnelwatch.totals",
    incidents: str = "funnelwatch.incidents",
    watch: str = "funnelwatch.watch",
    control: str = "funnelwatch.control",
    deliveries: str = "funnelwatch.deliveries",
    partitions: int = 4,
    rollup_shards: int = 4,
    replication_factor: int = 1,
    sources_retention_ms: int | None = None,
    rollups_retention_ms: int = 3 * DAY,
    deadletter_retention_ms: int = 7 * DAY,
    keyed_retention_ms: int = DAY,
    incidents_retention_ms: int = 7 * DAY,
    look_back_ms: int = HOUR,
) -> tuple[TopicSpec, ...]:
    """All topics, the sources first; the keyed ones only with ``rekey``.

    The arguments are those of the section ``topics`` of the settings, so that
    ``topic_specs(**settings.topics.model_dump())`` describes a deployment; ``look_back_ms`` is how
    far back counting remembers.
    """
    own = _OWN | _durable(replication_factor)
    sources = _kept(sources_retention_ms)
    keyed = _kept(max(keyed_retention_ms, look_back_ms)) | own | _LARGE_BATCHES
    counted = (Purpose.KEYED_CLICKSTREAM, Purpose.KEYED_ORDERS) if rekey else SOURCES
    republished = (
        (Purpose.KEYED_CLICKSTREAM, keyed_clickstream, partitions, keyed),
        (Purpose.KEYED_ORDERS, keyed_orders, partitions, keyed),
        (Purpose.PROGRESS, progress, 1, _kept(HOUR) | own),
    )
    shapes = (
        (Purpose.CLICKSTREAM, clickstream, partitions, sources),
        (Purpose.ORDERS, orders, partitions, sources),
        *(republished if rekey else ()),
        (Purpose.ROLLUPS, rollups, rollup_shards, _kept(rollups_retention_ms) | own | _LARGE_BATCHES),
        (Purpose.DEADLETTER, deadletter, partitions, _kept(deadletter_retention_ms) | own | _HEADS),
        (Purpose.STATE, state, partitions, _COMPACTED | own | _LARGE_BATCHES),
        (Purpose.TOTALS, totals, rollup_shards, _COMPACTED | _SOON_ROLLED | own | _LARGE_BATCHES),
        (Purpose.INCIDENTS, incidents, 1, _kept(incidents_retention_ms) | own),
        (Purpose.WATCH, watch, 1, _COMPACTED | _SOON_ROLLED | own | _LARGE_BATCHES),
        (Purpose.CONTROL, control, 1, _COMPACTED | own),
        (Purpose.DELIVERIES, deliveries, 1, _COMPACTED | own),
    )
    return tuple(
        TopicSpec(
            name,
            count,
            replication_factor,
            purpose,
            config,
            look_back_ms=look_back_ms * (purpose in SOURCES),
            together=purpose in (*counted, Purpose.STATE),
            any_partitions=purpose in _ANY_PARTITIONS or (rekey and purpose in SOURCES),
        )
        for purpose, name, count, config in shapes
    )


# Kept by the time of arrival: by that of the events, a back-fill of last week would be deleted at once.
_OWN: Final = {"message.timestamp.type": "LogAppendTime"}
# One flush is one message; as large as the producers of streams.worker send at most.
_LARGE_BATCHES: Final = {"max.message.bytes": str(4 * _ONE_MIB)}
# Heads of values with the reason and where they came from; the limit is one of whole batches.
_HEADS: Final = {"max.message.bytes": str(max(_ONE_MIB, 4 * MAX_DEADLETTER_VALUE_BYTES))}
# Small segments, compacted early: what a restart has to read stays near what is alive.
_COMPACTED: Final = {
    "cleanup.policy": "compact",
    "segment.bytes": str(64 * _ONE_MIB),
    "segment.ms": str(HOUR),
    "min.cleanable.dirty.ratio": "0.2",
    "delete.retention.ms": str(DAY),
}
# Everything in it is written anew within minutes. A reader who began just before keeps its records.
_SOON_ROLLED: Final = {"segment.bytes": str(16 * _ONE_MIB), "min.compaction.lag.ms": str(MINUTE)}


def _kept(retention_ms: int | None) -> dict[str, str]:
    """Kept for so long; None leaves it to the broker."""
    kept = {"cleanup.policy": "delete"}
    return kept if retention_ms is None else kept | {"retention.ms": str(retention_ms)}


def _durable(replication_factor: int) -> dict[str, str]:
    """For Funnelwatch's own topics; how safe the sources are is for the shop to say."""
    in_sync = 2 if replication_factor >= _REPLICAS_FOR_TWO_IN_SYNC else 1
    return {"min.insync.replicas": str(in_sync)}


class ProblemKind(StrEnum):
    """How a topic can differ from what is wanted."""

    MISSING = "missing"
    PARTITIONS = "partitions"
    REPLICATION = "replication"
    CLEANUP_POLICY = "cleanup_policy"
    RETENTION = "retention"
    MESSAGE_SIZE = "message_size"
    IN_SYNC_REPLICAS = "in_sync_replicas"


_WHY_SO_MANY: Final = dict.fromkeys(
    (Purpose.INCIDENTS, Purpose.WATCH, Purpose.CONTROL, Purpose.DELIVERIES), " (one watcher, one order)"
)
# Settings of which more than wanted is as good.
_AT_LEAST: Final = {
    "retention.ms": ProblemKind.RETENTION,
    "max.message.bytes": ProblemKind.MESSAGE_SIZE,
    "min.insync.replicas": ProblemKind.IN_SYNC_REPLICAS,
}


@dataclass(frozen=True, slots=True)
class TopicProblem:
    """One way in which one topic differs from what is wanted; its text is for a human.

    With a mere ``warning`` everything works, until something has to be read once more.
    """

    topic: str
    kind: ProblemKind
    found: str
    wanted: str
    warning: bool = False

    def __str__(self) -> str:
        """E.g. ``orders: partitions: 3, wanted 4 (as many as clickstream, state)``."""
        weight = "warning: " if self.warning else ""
        return f"{weight}{self.topic}: {self.kind}: {self.found}, wanted {self.wanted}"


@dataclass(frozen=True, slots=True)
class TopicShape:
    """A topic as it is. ``replication_factor`` is that of its least replicated partition."""

    partitions: int
    replication_factor: int
    config: Mapping[str, str]


def aligned(specs: Iterable[TopicSpec], partitions: Mapping[str, int]) -> list[TopicSpec]:
    """The specs, those read together with the count of the first of them that is there.

    Args:
        specs: what is wanted.
        partitions: by topic name, what is there.
    """
    wanted = list(specs)
    found = next((partitions[s.name] for s in wanted if s.together and s.name in partitions), None)
    if found is None:
        return wanted
    return [replace(s, partitions=found) if s.together else s for s in wanted]


def find_problems(specs: Sequence[TopicSpec], shapes: Mapping[str, TopicShape]) -> list[TopicProblem]:
    """How ``shapes`` (by topic name) differ from ``specs``.

    The topics read together must agree with the first of them that is there, not with the spec: a
    shop that has 12 partitions has 12.
    """
    problems: list[TopicProblem] = []
    wanted_specs = aligned(specs, {name: shape.partitions for name, shape in shapes.items()})
    for spec in wanted_specs:
        shape = shapes.get(spec.name)
        if shape is None:
            wanted = f"{spec.partitions} partitions"
            problems.append(TopicProblem(spec.name, ProblemKind.MISSING, "not there", wanted))
        else:
            problems += _partition_problems(spec, shape, wanted_specs)
            problems += _replication_problems(spec, shape)
            problems += _config_problems(spec, shape)
    return problems


def _partition_problems(spec: TopicSpec, shape: TopicShape, specs: Iterable[TopicSpec]) -> list[TopicProblem]:
    if shape.partitions == spec.partitions or spec.any_partitions:
        return []
    alike = ", ".join(other.purpose for other in specs if other.together and other is not spec)
    why = f" (as many as {alike})" if spec.together else _WHY_SO_MANY.get(spec.purpose, " (one per shard)")
    wanted = f"{spec.partitions}{why}"
    return [TopicProblem(spec.name, ProblemKind.PARTITIONS, str(shape.partitions), wanted)]


def _replication_problems(spec: TopicSpec, shape: TopicShape) -> list[TopicProblem]:
    if shape.replication_factor >= spec.replication_factor:
        return []
    found, wanted = str(shape.replication_factor), f"{spec.replication_factor} or more"
    return [TopicProblem(spec.name, ProblemKind.REPLICATION, found, wanted)]


def _config_problems(spec: TopicSpec, shape: TopicShape) -> list[TopicProblem]:
    problems: list[TopicProblem] = []
    policy, wanted_policy = shape.config["cleanup.policy"], spec.config["cleanup.policy"]
    # Both policies at once are wrong for either: state would expire, events would be compacted away.
    if set(policy.split(",")) != {wanted_policy}:
        problems.append(TopicProblem(spec.name, ProblemKind.CLEANUP_POLICY, policy, wanted_policy))
    for key, kind in _AT_LEAST.items():
        found, (least, why) = int(shape.config[key]), _least(spec, key)
        unlimited = kind is ProblemKind.RETENTION and found == _UNLIMITED
        if found < least and not unlimited:
            # How long a shop keeps its own topics is for the shop to say.
            warning = kind is ProblemKind.RETENTION and spec.purpose in SOURCES
            wanted = f"{least} or more{why}"
            problems.append(TopicProblem(spec.name, kind, f"{key}={found}", wanted, warning))
    return problems


def _least(spec: TopicSpec, key: str) -> tuple[int, str]:
    """The least that a topic setting may be, and why if it does not stand in the spec."""
    stated = int(spec.config.get(key, 0))
    if key == "retention.ms" and spec.look_back_ms > stated:
        return spec.look_back_ms, " (duplicates and clicks are looked for so far back)"
    return stated, ""
