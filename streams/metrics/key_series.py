"""The counts of keys that this process made as the owner of their shards.

Promises: the sum over all workers of what Prometheus' ``increase()`` sees is the truth, to the unit,
also while shards move, keys come and go, and series are born. To that end a counter never goes down,
is first exported where it stood before (:mod:`streams.metrics.held`), stays exported for a while after
its shard left, and every increment stands in one series (:mod:`streams.metrics.dimension_keys`).
Increments for a shard that is not owned are ignored: its owner counts them. Pure: times are arguments,
in milliseconds since the epoch. Not thread-safe; a snapshot is a copy that any thread may read.
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

if TYPE_CHECKING:
    from collections.abc import Sequence

EVENTS: Final = Family.EVENTS
VISITORS: Final = Family.VISITORS
ORDERS: Final = Family.ORDERS
REVENUE: Final = Family.REVENUE
STATUSES: Final = ("paid", *REVERSALS)
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
        self._records = HeldCounters(1)
        for topic in settings.topics:
            for outcome in Outcome:
                self._records.start(0, (topic, outcome.value))
        limits = _limits(settings)
        self._dimensions = {name: DimensionKeys(limits) for name in settings.funnel.dimensions}
        for name, keys in self._dimensions.items():
            keys.prepare(ALL if name == ALL else OTHER)
        self._last_ms: int | None = None
        self._elapsed_ms = 0
        self._warm_since_ms: int | None = None
        self._compared_ms = 0
        self._day: int | None = None

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
            keys.other.add(index, labels, unshown)

    def add_records(self, shard: int, topic: str, outcome: str, value: int) -> None:
        """Counts records of a source topic by outcome. Raises ValueError for a negative value."""
        if value < 0:
            raise ValueError("a counter never goes down")
        if shard in self._owned:
            self._records.add(0, (topic, outcome), value)

    def own(self, shards: frozenset[int], now_ms: int) -> None:
        """Sets the shards that this process owns from now on.

        Raises ValueError for a shard that does not exist.
        """
        if any(not 0 <= shard < self._settings.total_shards for shard in shards):
            raise ValueError("no such shard")
        elapsed_ms = self._advance(now_ms)
        gained, lost = shards - self._owned, self._owned - shards
        self._owned = shards
        if gained:
            self._warm_since_ms = None
            self._compared_ms = elapsed_ms
        for keys in self._dimensions.values():
            # What is not yet judged would go to ``(other)``, though there was a place for it here.
            keys.settle_if_all_fit()
            keys.places = self._settings.places(len(shards))
            keys.lose(lost, elapsed_ms)
            if gained:
                keys.gain(gained)
        self._warm(elapsed_ms)
        for keys in self._dimensions.values():
            keys.settle_if_all_fit()
            keys.review()

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

        For scrapes only: a reader who is not Prometheus would let the holds run out unseen.
        """
        elapsed_ms, hold_ms = self._advance(now_ms), self._settings.zero_hold_ms
        for keys in self._dimensions.values():
            keys.settle_if_all_fit()
        capped = {name: keys for name, keys in self._dimensions.items() if name != ALL}
        return ExportSnapshot(
            keys=tuple(
                (name, key, cells)
                for name, keys in self._dimensions.items()
                for key, cells in keys.export(elapsed_ms, hold_ms)
            ),
            records=self._records.export(elapsed_ms, hold_ms)[0],
            tracked={name: keys.seen for name, keys in capped.items()},
            shown={name: keys.shown for name, keys in capped.items()},
        )

    @property
    def holding(self) -> bool:
        """Whether a scrape now would show less than what is counted."""
        return self._records.holding or any(keys.holding for keys in self._dimensions.values())

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
        return self._records.cells[0].copy()

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
