"""Whether the data can be believed: topics and partitions that fell silent, fell behind, or hold rubbish.

The second witness beside the detectors: no orders because payment is broken, and no orders because
nobody delivers them, look alike from the orders alone. Payment attempts are records of the orders
topic, so a payment node that is dead leaves records; a dead feed leaves none.

Promises: one outage is one finding on the widest scope that explains it; a quiet night, a small shop
and a restart of ours are none; what is read after an outage makes nothing else look like an incident,
since its topics stay bad until that is over. Refuses to tell what nobody can: if all partitions'
workers stop, no bucket closes, and only the watch on Funnelwatch itself sees it.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from alerts.bad_input import BadInput, BadInputSettings
from alerts.flow import FlowSettings
from alerts.flows import Flows, Series
from alerts.heartbeats import HEARTBEAT
from alerts.identity import BOTH, CLICKSTREAM, ORDERS
from alerts.model import EVERYWHERE, DataState, Finding, Kind, Place, Recovered
from alerts.partition_lag import LagSettings, PartitionLag, Symptom
from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from streams.closed import ClosedBucket

Scope: TypeAlias = tuple[Place, ...]
TOPICS: Final = (CLICKSTREAM, ORDERS)
_TOPIC_AND_PARTITION: Final = 2
_INVALID: Final = "invalid"
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_MAX_EXPONENT: Final = 700.0


@dataclass(frozen=True, slots=True)
class WitnessSettings:
    """When data is not to be believed.

    Attributes:
        settle_ms: a topic stays bad for so long after its outage.
        heartbeat_ms: a topic whose heartbeats came, and have not come for so long, is silent.
    """

    flow: FlowSettings = field(default_factory=FlowSettings)
    lag: LagSettings = field(default_factory=LagSettings)
    bad_input: BadInputSettings = field(default_factory=BadInputSettings)
    settle_ms: int = 60_000
    heartbeat_ms: int = 60_000


class Testimony(NamedTuple):
    """What a closed bucket says of the data.

    Attributes:
        findings: outages and bad input, as long as they last. Their scope is ``topic`` and, for one
            partition, ``partition``; ``EVERYWHERE`` for all. ``detail`` is the symptom: ``silent``,
            ``behind``, ``worker``, ``heartbeat``.
        recoveries: those that are over.
        data: which topics cannot be believed.
    """

    findings: tuple[Finding, ...]
    recoveries: tuple[Recovered, ...]
    data: DataState


class Trouble(NamedTuple):
    """What is wrong on a scope, since when; ``missing`` is what should have come, in records."""

    scope: Scope
    symptom: Symptom
    since_ms: int
    missing: float = 0.0
    evidence: float = 0.0
    threshold: float = 0.0


class Witness:
    """See the module."""

    def __init__(self, settings: WitnessSettings | None = None) -> None:
        self._settings = settings or WitnessSettings()
        self._flows = Flows(self._settings.flow)
        self._lag = PartitionLag(self._settings.lag)
        self._inputs = tuple(BadInput(self._settings.bad_input) for _ in TOPICS)
        # Since when, by scope; until when topics settle; topics whose input is bad.
        self._outages: dict[Scope, int] = {}
        self._settling: dict[str, int] = {}
        self._rubbish: set[str] = set()
        self._data = DataState()

    @property
    def data(self) -> DataState:
        """Which topics cannot be believed, as of the last bucket."""
        return self._data

    def data_ok(self, topic: str) -> bool:
        """Whether a topic can be believed."""
        return topic not in self._data.bad and topic not in self._data.doubtful

    def observe(self, closed: ClosedBucket, heartbeats: Mapping[str, int] | None = None) -> Testimony:
        """Take in the next closed bucket.

        Args:
            closed: the bucket.
            heartbeats: by topic, time of the newest heartbeat that came through.
        """
        self._flows.take(closed, troubled=self._troubled(closed.start_ms))
        doubtful = set() if closed.complete else set(BOTH)
        troubles = [*self._silences(closed, heartbeats or {}, doubtful)]
        troubles += [*self._lags(closed), *self._heartbeats(closed, heartbeats or {})]
        outages = rolled_up(troubles, self._outages.keys())
        findings = [self._outage(trouble, closed.end_ms) for trouble in outages]
        recoveries = self._over(outages, closed.end_ms)
        self._judge_input(closed, findings, recoveries, doubtful)
        self._data = self._state(closed.end_ms, doubtful)
        return Testimony(tuple(findings), tuple(recoveries), self._data)

    # ------------------------------------------------------------------ symptoms
    def _troubled(self, now_ms: int) -> frozenset[Series]:
        """Series of whose outage is known; one that lasts is what is learned from again."""
        lately = (scope for scope, since_ms in self._outages.items() if now_ms - since_ms < _HOUR_MS)
        return frozenset(map(_series, lately))

    def _silences(
        self, closed: ClosedBucket, heartbeats: Mapping[str, int], doubtful: set[str]
    ) -> Iterator[Trouble]:
        """Those that are named; perhaps others will be, then their topics are doubtful."""
        heard = {number: heartbeats.get(topic, 0) for number, topic in enumerate(TOPICS)}
        for silence in self._flows.silences(closed.start_ms, heard):
            scope = _scope(silence.series)
            if silence.named:
                yield Trouble(
                    scope,
                    Symptom.SILENT,
                    silence.since_ms,
                    silence.missing,
                    silence.evidence,
                    silence.threshold,
                )
            elif silence.evidence >= self._settings.flow.doubt:
                doubtful |= _topics(scope)

    def _lags(self, closed: ClosedBucket) -> Iterator[Trouble]:
        for partition, lag in self._lag.observe(closed.progress, closed.closed_at_ms).items():
            yield Trouble((Place("partition", str(partition)),), lag.symptom, lag.since_ms)

    def _heartbeats(self, closed: ClosedBucket, heartbeats: Mapping[str, int]) -> Iterator[Trouble]:
        for topic, at_ms in sorted(heartbeats.items()):
            if self._settings.heartbeat_ms <= closed.closed_at_ms - at_ms < _DAY_MS:
                yield Trouble((Place("topic", topic),), Symptom.HEARTBEAT, at_ms)

    # ------------------------------------------------------------------ outages
    def _outage(self, trouble: Trouble, at_ms: int) -> Finding:
        since_ms = self._outages.setdefault(trouble.scope, trouble.since_ms)
        return Finding(
            kind=Kind.DATA_OUTAGE,
            scope=trouble.scope,
            step=None,
            since_ms=since_ms,
            at_ms=at_ms,
            observed=0.0,
            expected=trouble.missing,
            entries=0.0,
            evidence=trouble.evidence,
            threshold=trouble.threshold,
            one_in_ms=_once_in_ms(trouble.evidence),
            detail=trouble.symptom.value,
        )

    def _over(self, outages: Iterable[Trouble], at_ms: int) -> list[Recovered]:
        """Outages that are over; what lay in them settles."""
        over = self._outages.keys() - {trouble.scope for trouble in outages}
        for scope in over:
            del self._outages[scope]
            for topic in _topics(scope):
                self._settling[topic] = at_ms + self._settings.settle_ms
        return [Recovered(Kind.DATA_OUTAGE, scope, None) for scope in sorted(over)]

    def _judge_input(
        self,
        closed: ClosedBucket,
        findings: list[Finding],
        recoveries: list[Recovered],
        doubtful: set[str],
    ) -> None:
        for number, (topic, state) in enumerate(zip(TOPICS, self._inputs, strict=True)):
            mine = [
                (outcome, count)
                for (_, t, outcome), count in closed.records.items()
                if t == number and outcome != HEARTBEAT
            ]
            invalid = sum(count for outcome, count in mine if outcome == _INVALID)
            state.take(invalid, sum(count for _, count in mine), closed.start_ms)
            if state.doubtful:
                doubtful.add(topic)
            if state.since_ms is not None:
                self._rubbish.add(topic)
                findings.append(_bad_input(topic, state, closed.end_ms))
            elif topic in self._rubbish:
                self._rubbish.discard(topic)
                self._settling[topic] = closed.end_ms + self._settings.settle_ms
                recoveries.append(Recovered(Kind.BAD_INPUT, (Place("topic", topic),), None))

    def _state(self, now_ms: int, doubtful: set[str]) -> DataState:
        self._settling = {topic: end for topic, end in self._settling.items() if end > now_ms}
        bad = {topic for scope in self._outages for topic in _topics(scope)}
        bad |= self._rubbish | self._settling.keys()
        return DataState(frozenset(bad), frozenset(doubtful - bad))

    # ------------------------------------------------------------------ state
    def snapshot(self) -> dict[str, Any]:
        """All that is known, as plain data."""
        return {
            "flows": self._flows.snapshot(),
            "lag": self._lag.snapshot(),
            "inputs": [state.snapshot() for state in self._inputs],
            "outages": [[[list(place) for place in scope], since] for scope, since in self._outages.items()],
            "settling": dict(self._settling),
            "rubbish": sorted(self._rubbish),
            "data": [sorted(self._data.bad), sorted(self._data.doubtful)],
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], settings: WitnessSettings | None = None) -> Witness:
        """From a snapshot.

        Raises:
            msgspec.ValidationError: it is none.
        """
        witness = cls(settings)
        witness._flows.restore(state["flows"])
        witness._lag.restore(state["lag"])
        for mine, kept in zip(witness._inputs, state["inputs"], strict=True):
            mine.restore(kept)
        witness._outages = {
            tuple(Place(*place) for place in scope): since for scope, since in state["outages"]
        }
        witness._settling = dict(state["settling"])
        witness._rubbish = set(state["rubbish"])
        witness._data = DataState(*map(frozenset, state["data"]))
        return witness


def rolled_up(troubles: Iterable[Trouble], known: Collection[Scope]) -> list[Trouble]:
    """One outage, one trouble: on the widest scope that explains several, or that is known already.

    Several partitions of a topic are the topic's; both topics of a partition are the partition's;
    both topics, or several partitions, are everything's.
    """
    by_scope: dict[Scope, Trouble] = {}
    for trouble in troubles:
        if trouble.scope not in by_scope or trouble.evidence > by_scope[trouble.scope].evidence:
            by_scope[trouble.scope] = trouble
    for above in (lambda scope: scope[:1], lambda scope: scope[1:]):
        _lift([scope for scope in by_scope if len(scope) == _TOPIC_AND_PARTITION], above, by_scope, known)
    for dimension in ("topic", "partition"):
        alike = [scope for scope in by_scope if len(scope) == 1 and scope[0].dimension == dimension]
        _lift(alike, lambda _: EVERYWHERE, by_scope, known)
    return [by_scope[EVERYWHERE]] if EVERYWHERE in by_scope else list(by_scope.values())


def _lift(
    scopes: Sequence[Scope],
    above: Callable[[Scope], Scope],
    by_scope: dict[Scope, Trouble],
    known: Collection[Scope],
) -> None:
    """Put troubles on the scope above if there are several under it, or it is known already."""
    under = Counter(map(above, scopes))
    present = {*by_scope, *known}
    for scope in scopes:
        wide = above(scope)
        if under[wide] > 1 or wide in present:
            trouble = by_scope.pop(scope)
            by_scope.setdefault(wide, trouble._replace(scope=wide))


def _bad_input(topic: str, state: BadInput, at_ms: int) -> Finding:
    return Finding(
        kind=Kind.BAD_INPUT,
        scope=(Place("topic", topic),),
        step=None,
        since_ms=state.since_ms or 0,
        at_ms=at_ms,
        observed=state.records - state.invalid,
        expected=state.records,
        entries=state.records,
        evidence=0.0,
        threshold=0.0,
        one_in_ms=math.inf,
    )


def _scope(series: Series) -> Scope:
    partition, topic = series
    topics = () if topic < 0 else (Place("topic", TOPICS[topic]),)
    partitions = () if partition < 0 else (Place("partition", str(partition)),)
    return (*topics, *partitions) or EVERYWHERE


def _series(scope: Scope) -> Series:
    named = dict(scope)
    topic = TOPICS.index(named["topic"]) if "topic" in named else -1
    return int(named.get("partition", -1)), topic


def _topics(scope: Scope) -> frozenset[str]:
    """Topics that an outage on a scope reaches."""
    return frozenset(place.key for place in scope if place.dimension == "topic") or BOTH


def _once_in_ms(evidence: float) -> float:
    return BUCKET_MS * math.exp(evidence) if evidence < _MAX_EXPONENT else math.inf
