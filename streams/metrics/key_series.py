"""The counts of keys that this process made as the owner of their shards.

Promises: the sum over all workers of what Prometheus' ``increase()`` sees is the truth, to the unit,
also while shards move, keys come and go, and series are born. To that end a counter never goes down,
is first exported where it stood before (:mod:`streams.metrics.held`), stays exported for a while after
its shard left, and every increment stands in one series (:mod:`streams.metrics.dimension_keys`).
Increments for a shard that is not owned are ignored: its owner counts them. Pure: times are arguments,
in milliseconds since the epoch. Not thread-safe; a snapshot is a copy that any thread may read.

Counters may outlive the process (:meth:`KeySeries.outlive`): then a shard's part is written down now
and then, and comes back with the shard if its owner died. Under the address at which they were
shown, with every shard they are of, counters continue exactly, from the moment that the rollups the dead
one had read are read again. Anywhere else a counter starts from zero, and counts at first only what
nobody can have been shown: increments are never told twice.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Final

from streams.errors import ConfigError
from streams.events import Outcome
from streams.funnel import ALL, OTHER, RESERVED_KEYS, REVERSALS, Funnel
from streams.metrics.catalog import Family
from streams.metrics.dimension_keys import DimensionKeys, KeyCounters, Limits
from streams.metrics.held import Cells, HeldCounters, Labels
from streams.metrics.labels import local_day
from streams.metrics.series_part import Carried, KeyPart, RecordsPart, SeriesPart

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

EVENTS: Final = Family.EVENTS
VISITORS: Final = Family.VISITORS
ORDERS: Final = Family.ORDERS
REVENUE: Final = Family.REVENUE
STATUSES: Final = ("paid", *REVERSALS)
_NOTHING: Final[frozenset[tuple[str, str]]] = frozenset()
# Keys may take each other's places so often: soon enough for a sale that opens at midnight, and long
# enough that both sides were measured over many rollups of every shard.
EXCHANGE_MS: Final = 600_000


@dataclass(frozen=True, slots=True)
class KeySeriesSettings:
    """Budget and timing of the series of keys.

    Attributes:
        total_shards: key shards of the deployment, numbered from 0.
        topics: the source topics, whose record counts exist from the start.
        max_keys: keys shown per dimension in the whole deployment; a worker has its share of them.
        zero_hold_ms: how long a new series stays at its first value; more than the scrape interval.
        vanish_hold_ms: how long a series stays after its shard left; more than the scrape interval.
        warmup_ms: how long keys are watched before all places are given away.
        waiting_keys: keys per dimension whose events are counted though they are not shown.
        zone: whose days they are for which the shown keys are chosen.
    """

    total_shards: int
    topics: tuple[str, ...] = ()
    funnel: Funnel = field(default_factory=Funnel)
    max_keys: int = 200
    zero_hold_ms: int = 20_000
    vanish_hold_ms: int = 60_000
    warmup_ms: int = 60_000
    waiting_keys: int = 20_000
    zone: tzinfo = UTC

    def __post_init__(self) -> None:
        if self.total_shards < 1:
            raise ConfigError("topics.rollup_shards", "must be at least 1")
        if self.max_keys < 1:
            raise ConfigError("metrics.max_keys", "must be at least 1")
        if self.waiting_keys < 2 * self.max_keys:
            raise ConfigError("metrics.waiting_keys", "must be at least twice metrics.max_keys")

    def places(self, owned: int) -> int:
        """Keys that a worker with so many shards may show per dimension."""
        return max(1, self.max_keys * owned // self.total_shards)


@dataclass(frozen=True, slots=True)
class ExportSnapshot:
    """What is exported at one moment; nobody writes to it any more.

    Attributes:
        keys: (dimension, key, for each :class:`Family` the values by labels).
        records: values by (topic, outcome).
        tracked: keys known by name, by dimension.
        shown: keys exported by name, by dimension.
    """

    keys: tuple[tuple[str, str, Cells], ...]
    records: dict[Labels, int]
    tracked: dict[str, int]
    shown: dict[str, int]


@dataclass(frozen=True, slots=True)
class TopRow:
    """The true totals of one key; by node, by node, by status, by (currency, kind)."""

    key: str
    events: dict[str, int]
    visitors: dict[str, int]
    orders: dict[str, int]
    revenue: dict[tuple[str, str], int]


class KeySeries:
    """Counters of every key of the owned shards, capped and safe to scrape."""

    def __init__(self, settings: KeySeriesSettings) -> None:
        self._settings = settings
        self._owned: frozenset[int] = frozenset()
        self._gated = False
        self._records: dict[str, _Records] = {}
        for topic in settings.topics:
            self._of_topic(topic)
        limits = _limits(settings)
        self._dimensions = {name: DimensionKeys(limits) for name in settings.funnel.dimensions}
        for name, keys in self._dimensions.items():
            keys.prepare(ALL if name == ALL else OTHER)
        self._last_ms: int | None = None
        self._elapsed_ms = 0
        self._warm_since_ms: int | None = None
        self._compared_ms = 0
        self._day: int | None = None
        self._tenure = 0
        # Shards whose counters continue, and shards of which others were shown something, until what
        # their dead owners had read is read again.
        self._continued: set[int] = set()
        # By (dimension, key), or ("", topic); None for all.
        self._told: dict[int, frozenset[tuple[str, str]] | None] = {}

    def outlive(self) -> None:
        """From now on counters outlive the process; before anything is counted."""
        self._gated = True
        for keys in self._dimensions.values():
            keys.gate()
        for records in self._records.values():
            records.gated = True

    def add(self, shard: int, family: Family, dimension: str, key: str, labels: Labels, value: int) -> None:
        """Counts one increment; see :meth:`add_many`."""
        self.add_many(shard, family, dimension, labels, (key,), (value,))

    def add_many(
        self,
        shard: int,
        family: Family,
        dimension: str,
        labels: Labels,
        names: Sequence[str],
        values: Sequence[int],
    ) -> None:
        """Counts increments of keys of one shard, in series that differ by the key only.

        Raises ValueError for a negative value and KeyError for an unknown dimension.
        """
        if shard not in self._owned or not values:
            return
        if min(values) < 0:
            raise ValueError("a counter never goes down")
        if shard in self._told:
            names, values = self._new_only(shard, dimension, names, values)
        keys, index = self._dimensions[dimension], int(family)
        live, waiting = keys.live, keys.waiting(shard)
        unshown = 0
        for key, value in zip(names, values, strict=True):
            counters = live.get(key)
            if counters is not None:
                cell = counters.cells[index]
                if labels in cell:
                    cell[labels] += value
                else:
                    counters.add(index, labels, value)
            elif key in waiting:
                unshown += value
                if family is EVENTS:
                    waiting[key] += value
            else:
                keys.miss(shard, index, key, labels, value)
                waiting = keys.waiting(shard)
        if unshown:
            keys.share(shard).add(index, labels, unshown)

    def add_records(self, shard: int, topic: str, outcome: str, value: int) -> None:
        """Counts records of a source topic by outcome. Raises ValueError for a negative value."""
        if value < 0:
            raise ValueError("a counter never goes down")
        records = self._of_topic(topic)
        told = self._told.get(shard, _NOTHING)
        if shard in self._owned and told is not None and ("", topic) not in told:
            records.come_to(shard, gated=self._gated)
            records.add(0, (topic, outcome), value)

    def _of_topic(self, topic: str) -> _Records:
        if topic not in self._records:
            self._records[topic] = _Records(topic, gated=self._gated)
        return self._records[topic]

    def _new_only(
        self, shard: int, dimension: str, names: Sequence[str], values: Sequence[int]
    ) -> tuple[Sequence[str], Sequence[int]]:
        told = self._told[shard]
        if told is None:
            return [], []
        new = [(n, v) for n, v in zip(names, values, strict=True) if (dimension, n) not in told]
        return [name for name, _ in new], [value for _, value in new]

    def own(
        self,
        shards: frozenset[int],
        now_ms: int,
        carried: Mapping[int, Carried | None] | None = None,
        disowned: frozenset[int] = frozenset(),
    ) -> None:
        """Sets the shards that this process owns from now on.

        Args:
            shards: all of them.
            now_ms: the time.
            carried: of shards that come, what an owner who died had written down of them, None if
                he handed them over; :meth:`caught_up` is to be called for them. Nothing was ever
                written down of others.
            disowned: shards that were taken over from this process without its knowing.

        Raises ValueError for a shard that does not exist.
        """
        if any(not 0 <= shard < self._settings.total_shards for shard in shards):
            raise ValueError("no such shard")
        elapsed_ms = self._advance(now_ms)
        gained, lost = shards - self._owned, self._owned - shards
        first = not self._tenure
        self._owned = shards
        self._tenure += 1
        for shard in lost:
            self._told.pop(shard, None)
        self._continued -= lost
        for records in self._records.values():
            if records.shard in lost:
                records.leave(tell=records.shard not in disowned)
        if gained:
            self._warm_since_ms = None
            self._compared_ms = elapsed_ms
        for keys in self._dimensions.values():
            # What is not yet judged would go to ``(other)``, though there was a place for it here.
            keys.settle_if_all_fit()
            keys.places = self._settings.places(len(shards))
            keys.disown(disowned)
            keys.lose(lost - disowned, elapsed_ms)
            if gained:
                keys.gain(gained)
        self._carry(carried or {}, elapsed_ms, may_continue=first)
        self._warm(elapsed_ms)
        for keys in self._dimensions.values():
            keys.settle_if_all_fit()
            keys.review()

    def _carry(self, carried: Mapping[int, Carried | None], elapsed_ms: int, *, may_continue: bool) -> None:
        died = {shard: it for shard, it in carried.items() if it is not None}
        mine = {s: it.part for s, it in died.items() if may_continue and it.mine and it.part}
        newest = max(mine.values(), key=lambda part: part.tenure, default=None)
        blank = self._owned - carried.keys()
        # ``(other)`` is of all its shards: without one of them it would be less than it was.
        if newest is not None and mine.keys() | blank >= {*newest.owned}:
            mine = {shard: mine[shard] for shard in newest.owned if shard in mine}
            self._continue(mine, newest, elapsed_ms)
        else:
            mine = {}
        for shard in died.keys() - mine.keys():
            self._begin(shard, died[shard].part)

    def _continue(self, parts: Mapping[int, SeriesPart], newest: SeriesPart, elapsed_ms: int) -> None:
        self._tenure, self._day = newest.tenure + 1, newest.day
        self._continued = set(parts)
        for shard, part in parts.items():
            for key in part.keys:
                if key.dimension in self._dimensions:
                    self._dimensions[key.dimension].take_up(shard, key, elapsed_ms)
            for records in part.records:
                known = self._of_topic(records.topic)
                known.come_to(shard, gated=self._gated)
                known.take_up(records.values, records.held)
        for dimension, keys in self._dimensions.items():
            found = [(s, other) for s, part in parts.items() for other in part.other]
            before = next((other.before for other in newest.other if other.dimension == dimension), [])
            keys.take_up_other([(s, o) for s, o in found if o.dimension == dimension], before)

    def _begin(self, shard: int, part: SeriesPart | None) -> None:
        """Counts what nobody was shown; what may have been is left out until it is read again."""
        if part is None:
            self._told[shard] = None
            return
        untold = [(key.dimension, key.key, key.untold()) for key in part.keys]
        untold += [(share.dimension, OTHER, share.untold) for share in part.other]
        for dimension, name, entries in untold:
            if dimension in self._dimensions:
                for family, labels, value in entries:
                    self.add(shard, Family(family), dimension, name, labels, value)
        for records in part.records:
            for _, (topic, outcome), value in records.untold():
                self.add_records(shard, topic, outcome, value)
        shown = {(key.dimension, key.key) for key in part.keys if key.told}
        self._told[shard] = frozenset(
            shown | {("", records.topic) for records in part.records if records.told}
        )

    def caught_up(self, shard: int) -> None:
        """All that a dead owner had read of the shard is read again; from here on everything counts."""
        self._told.pop(shard, None)
        self._continued.discard(shard)

    def write(self, shard: int) -> SeriesPart:
        """What is to be written down of a shard; :meth:`written` is to be called when that is safe."""
        keys: list[KeyPart] = []
        other = []
        for dimension, known in self._dimensions.items():
            parts, share = known.write(dimension, shard)
            keys += parts
            other.append(share)
        records = [RecordsPart(r.topic, *r.write()) for r in self._records.values() if r.shard == shard]
        return SeriesPart(self._tenure, sorted(self._owned), self._day, keys, other, records)

    def written(self, shard: int) -> None:
        """What was to be written down is safe: what depended on it is told from now on."""
        for keys in self._dimensions.values():
            keys.written(shard, self._elapsed_ms)
        for records in self._records.values():
            if records.shard == shard:
                records.written(self._elapsed_ms)

    def waits(self, shard: int) -> bool:
        """Whether anything of a shard can be told only after it is written down."""
        return any(keys.waits(shard) for keys in self._dimensions.values()) or any(
            records.ripe for records in self._records.values() if records.shard == shard
        )

    def tick(self, now_ms: int) -> None:
        """Admits keys, lets series vanish and days end; to be called every second."""
        elapsed_ms = self._advance(now_ms)
        self._warm(elapsed_ms)
        self._turn_day(now_ms, elapsed_ms)
        for keys in self._dimensions.values():
            keys.vanish(elapsed_ms)
            keys.settle()
        self._exchange(elapsed_ms)

    def snapshot(self, now_ms: int) -> ExportSnapshot:
        """Copies what a scrape at ``now_ms`` shows. The first one starts the holds of new series.

        While counters that continue are behind what was shown already, nothing is.
        For scrapes only: a reader who is not Prometheus would let the holds run out unseen.
        """
        elapsed_ms, hold_ms = self._advance(now_ms), self._settings.zero_hold_ms
        for keys in self._dimensions.values():
            keys.settle_if_all_fit()
        capped = {name: keys for name, keys in self._dimensions.items() if name != ALL}
        if self._continued:
            return ExportSnapshot((), {}, dict.fromkeys(capped, 0), dict.fromkeys(capped, 0))
        return ExportSnapshot(
            keys=tuple(
                (name, key, cells)
                for name, keys in self._dimensions.items()
                for key, cells in keys.export(elapsed_ms, hold_ms)
            ),
            records={
                name: value
                for records in self._records.values()
                for name, value in records.export(elapsed_ms, hold_ms)[0].items()
            },
            tracked={name: keys.seen for name, keys in capped.items()},
            shown={name: keys.shown for name, keys in capped.items()},
        )

    @property
    def holding(self) -> bool:
        """Whether a scrape now would show less than what is counted."""
        counted: Collection[_Records | DimensionKeys] = (*self._records.values(), *self._dimensions.values())
        return any(counters.holding for counters in counted)

    def top_rows(self, dimension: str, n: int) -> list[TopRow]:
        """The ``n`` shown keys with most events in the life of the process, without the reserved ones."""
        items = ((key, c) for key, c in self._dimensions[dimension].shown_items() if key not in RESERVED_KEYS)
        return [
            _top_row(key, counters)
            for key, counters in heapq.nsmallest(n, items, key=lambda item: (-item[1].traffic, item[0]))
        ]

    def unnamed_rows(self, dimension: str) -> list[TopRow]:
        """``(none)`` and ``(other)``, as far as they counted events."""
        return [
            _top_row(key, counters)
            for key, counters in sorted(self._dimensions[dimension].shown_items())
            if key in RESERVED_KEYS and counters.traffic
        ]

    def record_totals(self) -> dict[Labels, int]:
        """The true counts by (topic, outcome), for a live table; starts no hold, unlike a snapshot."""
        return {name: value for records in self._records.values() for name, value in records.cells[0].items()}

    def _advance(self, now_ms: int) -> int:
        """Time that has passed here; it stands still while the system's clock is set back."""
        if self._last_ms is not None:
            self._elapsed_ms += max(0, now_ms - self._last_ms)
        self._last_ms = now_ms
        return self._elapsed_ms

    def _warm(self, elapsed_ms: int) -> None:
        if self._warm_since_ms is None and any(keys.seen for keys in self._dimensions.values()):
            self._warm_since_ms = elapsed_ms
        since = self._warm_since_ms
        warming = since is None or elapsed_ms - since < self._settings.warmup_ms
        for keys in self._dimensions.values():
            keys.warming = warming

    def _turn_day(self, now_ms: int, elapsed_ms: int) -> None:
        """Begins a day once there is enough traffic measured to choose its keys by."""
        day = local_day(now_ms, self._settings.zone)
        if self._day is None:
            self._day = day
        since = self._warm_since_ms
        if day == self._day or since is None or elapsed_ms - since < self._settings.warmup_ms:
            return
        # A clock set back across midnight does not begin the day before again.
        if day == self._day - 1:
            return
        self._day = day
        self._compared_ms = elapsed_ms
        for keys in self._dimensions.values():
            keys.new_day(day, elapsed_ms)

    def _exchange(self, elapsed_ms: int) -> None:
        """Lets keys that surged after the day's were chosen take places, ten minutes into a measurement."""
        since = self._warm_since_ms
        warming = since is None or elapsed_ms - since < self._settings.warmup_ms
        if warming or elapsed_ms - self._compared_ms < EXCHANGE_MS:
            return
        self._compared_ms = elapsed_ms
        for keys in self._dimensions.values():
            keys.exchange(elapsed_ms)


class _Records(HeldCounters):
    """Records of one topic by outcome, and the shard that counts them, once that is known."""

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


def _limits(settings: KeySeriesSettings) -> Limits:
    nodes = tuple((node,) for node in settings.funnel.nodes)
    return Limits(
        # Visitors begin at the click. Currencies are not known before they are seen.
        zero=(nodes, nodes[1:], tuple((status,) for status in STATUSES), ()),
        vanish_hold_ms=settings.vanish_hold_ms,
        waiting_keys=settings.waiting_keys,
        retired_keys=2 * settings.max_keys,
    )


def _top_row(key: str, counters: KeyCounters) -> TopRow:
    events, visitors, orders, revenue = counters.cells
    return TopRow(
        key=key,
        events={labels[0]: value for labels, value in events.items()},
        visitors={labels[0]: value for labels, value in visitors.items()},
        orders={labels[0]: value for labels, value in orders.items()},
        revenue={(labels[0], labels[1]): value for labels, value in revenue.items()},
    )
