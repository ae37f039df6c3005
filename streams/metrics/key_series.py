"""The counts of keys that this process made as the owner of their shards.

Promises: the sum over all workers of what Prometheus' ``increase()`` sees is the truth, to the unit,
also while shards move, keys come and go, and series are born. To that end a counter never goes down,
is first exported where it stood before (:mod:`streams.metrics.held`), stays exported for a while after
its shard left, and every increment stands in one series (:mod:`streams.metrics.dimension_keys`).
Increments for a shard that is not owned are ignored: its owner counts them. Pure: times are arguments,
in milliseconds since the epoch. Not thread-safe; a snapshot is a copy that any thread may read.

Counters may outlive the process (:meth:`KeySeries.outlive`): then a shard's part is written down now
and then, and comes back with the shard if its owner died (:mod:`streams.metrics.inheritance`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Final

from streams.errors import ConfigError
from streams.funnel import ALL, OTHER, REVERSALS, Funnel
from streams.metrics.catalog import Family
from streams.metrics.dimension_keys import DimensionKeys, Limits
from streams.metrics.inheritance import Inheritance, continued
from streams.metrics.measuring import Measuring
from streams.metrics.record_counts import RecordCounts
from streams.metrics.series_part import RECORDS, Carried, KeyPart, SeriesPart
from streams.metrics.top_rows import TopRow, busiest_rows, reserved_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.metrics.held import Cells, Labels
    from streams.metrics.inheritance import Continued

EVENTS: Final = Family.EVENTS
VISITORS: Final = Family.VISITORS
ORDERS: Final = Family.ORDERS
REVENUE: Final = Family.REVENUE
STATUSES: Final = ("paid", *REVERSALS)


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


class KeySeries:
    """Counters of every key of the owned shards, capped and safe to scrape."""

    def __init__(self, settings: KeySeriesSettings) -> None:
        self._settings = settings
        self._owned: frozenset[int] = frozenset()
        self._records = RecordCounts(settings.topics)
        limits = _limits(settings)
        self._dimensions = {name: DimensionKeys(limits) for name in settings.funnel.dimensions}
        for name, keys in self._dimensions.items():
            keys.prepare(ALL if name == ALL else OTHER)
        self._measuring = Measuring(settings.warmup_ms, settings.zone)
        self._inherited = Inheritance()
        self._tenure = 0

    def outlive(self) -> None:
        """From now on counters outlive the process; before anything is counted."""
        self._records.gate()
        for keys in self._dimensions.values():
            keys.gate()

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
        if shard in self._inherited.told:
            names, values = self._inherited.only_new(shard, dimension, names, values)
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
            keys.other.share(shard).add(index, labels, unshown)

    def add_records(self, shard: int, topic: str, outcome: str, value: int) -> None:
        """Counts records of a source topic by outcome. Raises ValueError for a negative value."""
        if value < 0:
            raise ValueError("a counter never goes down")
        self._records.know(topic)
        if shard in self._owned and self._inherited.is_new(shard, RECORDS, topic):
            self._records.add(shard, topic, outcome, value)

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
        elapsed_ms = self._measuring.advance(now_ms)
        gained, lost = shards - self._owned, self._owned - shards
        first = not self._tenure
        self._owned = shards
        self._tenure += 1
        self._inherited.lose(lost)
        self._records.leave(lost, disowned)
        if gained:
            self._measuring.restart()
        for keys in self._dimensions.values():
            # What is not yet judged would go to ``(other)``, though there was a place for it here.
            keys.settle_if_all_fit()
            keys.places = self._settings.places(len(shards))
            keys.disown(disowned)
            keys.lose(lost - disowned, elapsed_ms)
            if gained:
                keys.gain(gained)
        self._inherit(carried or {}, begins=first)
        self._warm()
        for keys in self._dimensions.values():
            keys.settle_if_all_fit()
            keys.review()

    def _inherit(self, carried: Mapping[int, Carried | None], *, begins: bool) -> None:
        goes_on = continued(self._owned, carried, begins=begins)
        if goes_on is not None:
            self._continue(goes_on)
        died = {shard: it.part for shard, it in carried.items() if it is not None}
        for shard in died.keys() - (goes_on.parts.keys() if goes_on is not None else set()):
            self._begin(shard, died[shard])

    def _continue(self, goes_on: Continued) -> None:
        parts, newest = goes_on
        self._tenure, self._measuring.day = newest.tenure + 1, newest.day
        self._inherited.go_on(goes_on)
        for shard, part in parts.items():
            for key in part.keys:
                if key.dimension in self._dimensions:
                    self._dimensions[key.dimension].take_up(shard, key, self._measuring.elapsed_ms)
            for records in part.records:
                self._records.take_up(shard, records)
        for dimension, keys in self._dimensions.items():
            found = [(s, other) for s, part in parts.items() for other in part.other]
            before = next((other.before for other in newest.other if other.dimension == dimension), [])
            keys.other.take_up([(s, o) for s, o in found if o.dimension == dimension], before)

    def _begin(self, shard: int, part: SeriesPart | None) -> None:
        """Counts what nobody was shown; what may have been is left out until it is read again."""
        if part is not None:
            for dimension, name, entries in part.untold():
                if dimension in self._dimensions:
                    for family, labels, value in entries:
                        self.add(shard, Family(family), dimension, name, labels, value)
            for records in part.records:
                for _, (topic, outcome), value in records.untold():
                    self.add_records(shard, topic, outcome, value)
        self._inherited.leave_out(shard, part)

    def caught_up(self, shard: int) -> None:
        """All that a dead owner had read of the shard is read again; from here on everything counts."""
        self._inherited.caught_up(shard)

    def write(self, shard: int) -> SeriesPart:
        """What is to be written down of a shard; :meth:`written` is to be called when that is safe."""
        keys: list[KeyPart] = []
        other = []
        for dimension, known in self._dimensions.items():
            parts, share = known.write(dimension, shard)
            keys += parts
            other.append(share)
        day, records = self._measuring.day, self._records.write(shard)
        return SeriesPart(self._tenure, sorted(self._owned), day, keys, other, records)

    def written(self, shard: int) -> None:
        """What was to be written down is safe: what depended on it is told from now on."""
        elapsed_ms = self._measuring.elapsed_ms
        for keys in self._dimensions.values():
            keys.written(shard, elapsed_ms)
        self._records.written(shard, elapsed_ms)

    def waits(self, shard: int) -> bool:
        """Whether anything of a shard can be told only after it is written down."""
        return self._records.waits(shard) or any(keys.waits(shard) for keys in self._dimensions.values())

    def tick(self, now_ms: int) -> None:
        """Admits keys, lets series vanish and days end; to be called every second."""
        elapsed_ms = self._measuring.advance(now_ms)
        self._warm()
        day = self._measuring.turn_day(now_ms)
        if day is not None:
            for keys in self._dimensions.values():
                keys.new_day(day, elapsed_ms)
        for keys in self._dimensions.values():
            keys.vanish(elapsed_ms)
            keys.settle()
        if self._measuring.turn_places():
            for keys in self._dimensions.values():
                keys.exchange(elapsed_ms)

    def snapshot(self, now_ms: int) -> ExportSnapshot:
        """Copies what a scrape at ``now_ms`` shows. The first one starts the holds of new series.

        While counters that continue are behind what was shown already, nothing is.
        For scrapes only: a reader who is not Prometheus would let the holds run out unseen.
        """
        elapsed_ms, hold_ms = self._measuring.advance(now_ms), self._settings.zero_hold_ms
        for keys in self._dimensions.values():
            keys.settle_if_all_fit()
        capped = {name: keys for name, keys in self._dimensions.items() if name != ALL}
        if self._inherited.behind:
            return ExportSnapshot((), {}, dict.fromkeys(capped, 0), dict.fromkeys(capped, 0))
        return ExportSnapshot(
            keys=tuple(
                (name, key, cells)
                for name, keys in self._dimensions.items()
                for key, cells in keys.export(elapsed_ms, hold_ms)
            ),
            records=self._records.export(elapsed_ms, hold_ms),
            tracked={name: keys.seen for name, keys in capped.items()},
            shown={name: keys.shown for name, keys in capped.items()},
        )

    @property
    def holding(self) -> bool:
        """Whether a scrape now would show less than what is counted."""
        return self._records.holding or any(keys.holding for keys in self._dimensions.values())

    def top_rows(self, dimension: str, n: int) -> list[TopRow]:
        """The ``n`` shown keys with most events in the life of the process, without the reserved ones."""
        return busiest_rows(self._dimensions[dimension].shown_items(), n)

    def unnamed_rows(self, dimension: str) -> list[TopRow]:
        """``(none)`` and ``(other)``, as far as they counted events."""
        return reserved_rows(self._dimensions[dimension].shown_items())

    def record_totals(self) -> dict[Labels, int]:
        """The true counts by (topic, outcome), for a live table; starts no hold, unlike a snapshot."""
        return self._records.totals()

    def _warm(self) -> None:
        if any(keys.seen for keys in self._dimensions.values()):
            self._measuring.see()
        for keys in self._dimensions.values():
            keys.warming = self._measuring.warming


def _limits(settings: KeySeriesSettings) -> Limits:
    nodes = tuple((node,) for node in settings.funnel.nodes)
    return Limits(
        # Visitors begin at the click. Currencies are not known before they are seen.
        zero=(nodes, nodes[1:], tuple((status,) for status in STATUSES), ()),
        vanish_hold_ms=settings.vanish_hold_ms,
        waiting_keys=settings.waiting_keys,
        retired_keys=2 * settings.max_keys,
    )
