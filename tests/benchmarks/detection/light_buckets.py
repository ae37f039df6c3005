"""The light world as closed buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from streams.closed import BUCKET_MS, LAG, VISITORS, Cells, ClosedBucket, Progress
from tests.benchmarks.detection import laws
from tests.benchmarks.detection.lateness import Waiting
from tests.benchmarks.detection.light import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tests.benchmarks.detection.effects import Effect
    from tests.benchmarks.detection.lateness import LateCounts, Whole
    from tests.benchmarks.detection.light import World

    I64 = NDArray[np.int64]
    Counts = dict[str, Cells]

STAGES: Final = ("exposure", "click", "order")
_CLICK, _ORDER = 1, 2
_CLOSE_AFTER_MS: Final = 6_000


def closed_buckets(world: World, ticks: int, effects: Sequence[Effect] = ()) -> Iterator[ClosedBucket]:
    """The next ticks as closed buckets. What is late and not yet due at the end is left out."""
    names = {
        "all": ("all",),
        "slot": world.names,
        LAG: tuple(str(edge) for edge in laws.LAG_EDGES),
    }
    waiting = Waiting()
    rng = np.random.default_rng((world.settings.seed, world.now_ms // 1000))
    while ticks > 0:
        size = min(ticks, AT_ONCE)
        block = world.block(size, effects)
        clicks, orders = block.clicks, block.orders
        if world.settings.realistic:
            clicks = waiting.thin(rng, block.start_ms, clicks, _CLICK)
            orders = waiting.thin(rng, block.start_ms, orders, _ORDER)
        for tick in range(size):
            start = block.start_ms + tick * BUCKET_MS
            counts = _cells(clicks[tick], orders[tick], block.lags[tick])
            late, whole = waiting.come(start, counts)
            events = int(clicks[tick].sum() + orders[tick].sum())
            yield _closed(start, names, counts, late, whole, events)
        ticks -= size


def _cells(clicks: I64, orders: I64, lags: I64) -> Counts:
    """Every click and order is another visitor's."""
    pairs = ((_CLICK, clicks), (_ORDER, orders), (VISITORS + _CLICK, clicks), (VISITORS + _ORDER, orders))
    return {
        "all": _some([(column, np.array([counts.sum()])) for column, counts in pairs]),
        "slot": _some(pairs),
        LAG: _some([(VISITORS + _ORDER, lags)]),
    }


def _some(pairs: Sequence[tuple[int, I64]]) -> Cells:
    """Cells of (column, counts by key), zeros left out."""
    found = [(np.flatnonzero(counts), column, counts) for column, counts in pairs]
    return Cells(
        np.concatenate([keys for keys, _, _ in found]),
        np.concatenate([np.full(keys.size, column, np.int64) for keys, column, _ in found]),
        np.concatenate([counts[keys] for keys, _, counts in found]).astype(np.int64),
    )


def _closed(
    start: int,
    names: Mapping[str, Sequence[str]],
    counts: Counts,
    late: LateCounts,
    whole: Whole,
    events: int,
) -> ClosedBucket:
    at = start + BUCKET_MS + _CLOSE_AFTER_MS
    return ClosedBucket(
        start_ms=start,
        closed_at_ms=at,
        complete=True,
        stages=STAGES,
        nodes=len(STAGES),
        names=names,
        counts=counts,
        late=late,
        records={(p, topic, "accepted"): max(events // 8, 1) for p in range(4) for topic in (0, 1)},
        progress={p: Progress(start + BUCKET_MS, at, idle=False) for p in range(4)},
        whole=whole,
    )
