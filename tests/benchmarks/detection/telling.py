"""From a shop's events to closed buckets, as COUNT and the merge would make them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from streams.closed import (
    BUCKET_MS,
    COMBINATION,
    LAG,
    PAYMENT_METHOD,
    VISITORS,
    Cells,
    ClosedBucket,
    Progress,
)
from streams.core.sorting import stable_order, summed
from tests.benchmarks.detection import laws
from tests.benchmarks.detection.books import money_of, records_of
from tests.benchmarks.detection.catalogue import (
    METHODS,
    NODES,
    NONE,
    ORDERS_TOPIC,
    PARTITIONS,
    STAGES,
    Events,
    joined,
)
from tests.benchmarks.detection.effects import Effect, What
from tests.benchmarks.detection.lateness import Waiting
from tests.benchmarks.detection.shop import ATTEMPT_AFTER_MS, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from streams.core.merge import MoneyKey
    from tests.benchmarks.detection.lateness import LateCounts, Whole

    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]
    # Rows of events, key numbers, columns. Where visitors are counted, theirs stands for the event as well.
    Keyed = tuple[I64, I64, I64]

_PAID: Final = STAGES.index("paid")
_ATTEMPT: Final = STAGES.index("payment_attempt")
_FAILED: Final = STAGES.index("payment_failed")
_EXPOSURES_PER_CLICK: Final = 20
_ORDERS_ONLY: Final = (("topic", ORDERS_TOPIC),)
_CLOSE_AFTER_MS: Final = 6_000
_COLUMNS: Final = 2 * VISITORS
# Counting runs over all cells there can be: worth it while those are not many more than events.
_DENSE: Final = 16


@dataclass(slots=True)
class Teller:
    """Closes a shop's buckets one after the other; ``copy.deepcopy`` forks it."""

    shop: Shop
    names: Mapping[str, Sequence[str]] = field(init=False)
    prices: I64 = field(init=False)
    _early: list[Events] = field(init=False, default_factory=list)
    _waiting: Waiting = field(init=False, default_factory=Waiting)
    _rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        chosen = self.shop.settings
        self._rng = np.random.default_rng((chosen.seed, 1))
        self.prices = (100 * self._rng.lognormal(4.5, 0.8, chosen.skus)).astype(np.int64)
        self.names = _names(self.shop)

    def reseed(self, seed: int) -> None:
        """Go on with other chance."""
        self.shop.reseed(seed)
        self._rng = np.random.default_rng((self.shop.settings.seed, seed, 1))

    def closed(self, ticks: int, effects: Sequence[Effect] = ()) -> Iterator[ClosedBucket]:
        """The next buckets."""
        end = self.shop.now_ms + ticks * BUCKET_MS
        while self.shop.now_ms < end:
            start = self.shop.now_ms
            self._early.append(self.shop.journeys(end, effects))
            yield from self._close(start, self.shop.now_ms, effects)

    def _close(self, start: int, until: int, effects: Sequence[Effect]) -> Iterator[ClosedBucket]:
        known = joined(self._early)
        due = known.due < until
        self._early = [known.take(~due)]
        events = known.take(due)
        in_time = events.time // BUCKET_MS * BUCKET_MS == events.due
        counts = self._counts(events.take(in_time), start, until, effects)
        self._hold(events.take(~in_time))
        money = money_of(events, start, self.shop, self.names, self.prices)
        records = records_of(events, start, until, repeated=self.shop.settings.realistic)
        for tick, bucket in enumerate(range(start, until, BUCKET_MS)):
            come = self._waiting.come(bucket, counts[tick])
            yield self._bucket(bucket, counts[tick], come, money.get(tick, {}), records[tick], effects)

    def _counts(
        self, events: Events, start: int, until: int, effects: Sequence[Effect]
    ) -> list[dict[str, Cells]]:
        out: list[dict[str, Cells]] = [{} for _ in range(start, until, BUCKET_MS)]
        exposed = self._exposures(start, len(out), effects)
        ticks = (events.due - start) // BUCKET_MS
        for dimension, (rows, keys, columns) in self._keyed(events).items():
            span = len(self.names[dimension]) * _COLUMNS
            packed = ticks.take(rows)
            packed *= span
            packed += keys << 5
            packed += columns
            cells, sums = _distinct(packed, exposed.get(dimension), span * len(out), dimension)
            edges = np.searchsorted(cells, np.arange(len(out) + 1) * span)
            for tick, counts in enumerate(out):
                part = slice(edges[tick], edges[tick + 1])
                codes = cells[part] - tick * span
                counts[dimension] = Cells(codes >> 5, codes & 31, sums[part])
        return out

    def _exposures(self, start: int, ticks: int, effects: Sequence[Effect]) -> dict[str, I64]:
        """Counts by dimension, shape (ticks, keys); only what is on the page, no visitors."""
        parts, weight = self.shop.combinations, self.shop.weights(start, effects)
        times = start + BUCKET_MS * np.arange(ticks, dtype=np.int64)
        rate = self.shop.settings.clicks_per_minute * BUCKET_MS / 60_000 * _EXPOSURES_PER_CLICK
        mean = rate * laws.traffic_at((times % (laws.DAY_S * 1000) / 1000).astype(np.float64))
        out = {"all": self._rng.poisson(mean[:, None] * weight.sum())}
        for name in ("slot", "banner", "sku"):
            share = np.bincount(parts.part(name), weight, len(self.names[name]))
            out[name] = self._rng.poisson(mean[:, None] * share)
        for effect in effects:
            if effect.what is What.FEED and effect.where != _ORDERS_ONLY:
                self._stall(out, times, effect)
        return out

    def _stall(self, exposed: dict[str, I64], times: I64, effect: Effect) -> None:
        """Exposures of a feed that stands still come when it is over."""
        share = 1 / PARTITIONS if "partition" in dict(effect.where) else 1.0
        stalled = np.flatnonzero((times >= effect.start_ms) & (times < effect.end_ms))
        for dimension, counts in exposed.items():
            held = self._rng.binomial(counts[stalled], share)
            counts[stalled] -= held
            for tick, row in zip(stalled.tolist(), held, strict=True):
                keys = np.flatnonzero(row)
                self._waiting.hold(effect.end_ms, int(times[tick]), dimension, keys << 5, row[keys])

    def _keyed(self, events: Events) -> dict[str, Keyed]:
        """Cells of each dimension, one for an event and its visitor, if he counts."""
        parts, combination = self.shop.combinations, events.combination
        everything = np.arange(events.time.size)
        columns = events.stage + VISITORS * events.mark
        out: dict[str, Keyed] = {"all": (everything, np.zeros(everything.size, np.int64), columns)}
        for dimension in ("slot", "banner"):
            none = len(self.names[dimension]) - 1
            keys = np.where(events.within, parts.part(dimension).take(combination), none)
            out[dimension] = everything, keys, columns
        out["sku"] = everything, parts.sku.take(combination), columns
        joint = np.flatnonzero(events.within)
        out[COMBINATION] = joint, combination.take(joint), columns.take(joint)
        out[PAYMENT_METHOD] = _paying(events)
        out[LAG] = _lags(events)
        return out

    def _hold(self, late: Events) -> None:
        own = late.time // BUCKET_MS * BUCKET_MS
        for dimension, (who, keys, columns) in self._keyed(late).items():
            cells, visitors = _spelled_out(keys << 5 | columns, dimension)
            rows = np.concatenate([who, who.take(visitors)])
            order = stable_order(late.due.take(rows))
            cells, rows = cells.take(order), rows.take(order)
            due, mine = late.due.take(rows), own.take(rows)
            cuts = np.flatnonzero(due[1:] != due[:-1]) + 1
            for start, end in pairwise((0, *cuts.tolist(), rows.size)):
                if start < end:
                    part = slice(start, end)
                    self._waiting.hold(int(due[start]), mine[part], dimension, cells[part])

    def _bucket(
        self,
        start: int,
        counts: Mapping[str, Cells],
        come: tuple[LateCounts, Whole],
        money: Mapping[MoneyKey, tuple[int, int]],
        records: Mapping[tuple[int, int, str], int],
        effects: Sequence[Effect],
    ) -> ClosedBucket:
        at = start + BUCKET_MS + _CLOSE_AFTER_MS
        progress = {partition: _progress(partition, start, at, effects) for partition in range(PARTITIONS)}
        return ClosedBucket(
            start_ms=start,
            closed_at_ms=at,
            complete=True,  # who had read all there was is not waited for
            stages=STAGES,
            nodes=len(NODES),
            names=self.names,
            counts=counts,
            late=come[0],
            whole=come[1],
            money=money,
            records=records,
            progress=progress,
        )


def _names(shop: Shop) -> dict[str, Sequence[str]]:
    chosen, parts = shop.settings, shop.combinations
    slots = [f"slot.{number:02d}" for number in range(chosen.slots)]
    banners = [f"banner_{number:03d}" for number in range(chosen.banners)]
    skus = [f"SKU_{number:04d}" for number in range(chosen.skus)]
    triples = zip(parts.slot.tolist(), parts.banner.tolist(), parts.sku.tolist(), strict=True)
    return {
        "all": ("all",),
        "slot": (*slots, NONE),
        "banner": (*banners, NONE),
        "sku": skus,
        LAG: tuple(str(edge) for edge in laws.LAG_EDGES),
        PAYMENT_METHOD: METHODS,
        COMBINATION: [f"{slots[s]}\x1f{banners[b]}\x1f{skus[k]}" for s, b, k in triples],
    }


def _distinct(packed: I64, exposed: I64 | None, size: int, dimension: str) -> tuple[I64, I64]:
    """Cells, ascending, and how often each is there; exposures stand in column 0."""
    if exposed is None and size > _DENSE * packed.size:
        every, _ = _spelled_out(packed, dimension)
        return summed(every, np.ones_like(every))
    table = np.bincount(packed, minlength=size)
    by_column = table.reshape(-1, _COLUMNS)
    if dimension != LAG:
        by_column[:, :VISITORS] += by_column[:, VISITORS:]
    if exposed is not None:
        by_column[:, 0] += exposed.reshape(-1)
    cells = np.flatnonzero(table)
    return cells, table.take(cells)


def _spelled_out(cells: I64, dimension: str) -> tuple[I64, I64]:
    """Cells with the events of visitors behind, and whose those are; delays are of visitors alone."""
    visitors = np.flatnonzero(cells & VISITORS) if dimension != LAG else np.zeros(0, np.int64)
    return np.concatenate([cells, cells.take(visitors) - VISITORS]), visitors


def _paying(events: Events) -> Keyed:
    rows = np.flatnonzero(np.isin(events.stage, (_PAID, _ATTEMPT, _FAILED)))
    return rows, events.method[rows], events.stage[rows]


def _lags(events: Events) -> Keyed:
    """Visitors by the time since the node before; resolved payments by the time since the attempt."""
    bins = np.searchsorted(laws.LAG_EDGES, events.lag / 1000, side="right") - 1
    marked = np.flatnonzero((events.lag >= 0) & events.mark)
    resolved = np.flatnonzero((events.stage == _PAID) | (events.stage == _FAILED))
    tried = (events.lag[resolved] - ATTEMPT_AFTER_MS) / 1000
    return (
        np.concatenate([marked, resolved]),
        np.concatenate([bins[marked], np.searchsorted(laws.LAG_EDGES, tried, side="right") - 1]),
        np.concatenate([VISITORS + events.stage[marked], events.stage[resolved]]),
    )


def _progress(partition: int, start: int, at: int, effects: Sequence[Effect]) -> Progress:
    """A partition of which both topics stand still gets no further."""
    for effect in effects:
        where = dict(effect.where)
        about = effect.what is What.FEED and where.get("partition", partition) == partition
        if about and "topic" not in where and effect.start_ms <= start < effect.end_ms:
            return Progress(effect.start_ms, at, idle=True)
    return Progress(start + BUCKET_MS, at, idle=False)
