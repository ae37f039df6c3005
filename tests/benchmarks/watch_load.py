"""Rollups of a large shop, made in columns: as fast as watching has to be, which a simulator of visitors is not.

Per bucket so many exposures, of keys by Zipf's law; each goes on from node to node with a node's share
and after an exponential delay, its visitor alone. One shard, one source partition, what is late told in
its own rollups, as a worker tells it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from alerts.expectation.lags import EDGES_S
from streams.closed import BUCKET_MS, COMBINATION, LAG, PAYMENT_METHOD, VISITORS
from streams.codec import encode_rollup
from streams.core.vocabulary import Stages
from streams.funnel import ALL, Funnel
from streams.results import VERSION, KeyCounts, MoneyCounts, Rollup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    I64 = NDArray[np.int64]

START_MS: Final = 1_762_689_600_000
STAGES: Final = Stages.of(Funnel())
CLICK, ORDER, PAID = 1, 5, 6
# From each node to the next: share that goes on, and seconds in the mean.
_GOES_ON: Final = ((0.1, 5.0), (0.9, 10.0), (0.3, 60.0), (0.6, 60.0), (0.7, 90.0), (0.92, 15.0))
_LATE_SHARE: Final = 0.02
_LATE_BUCKETS: Final = 30
_COMBINED: Final = (CLICK, ORDER, PAID)
_METHODS: Final = ("card", "wallet", "invoice", "transfer")


@dataclass(frozen=True, slots=True)
class Size:
    """How large the shop is, and events of the first node per second."""

    slots: int = 200
    banners: int = 1_000
    skus: int = 20_000
    per_s: float = 2_000.0
    combinations: int = 60_000


class WatchLoad:
    """See the module; the shop's keys and who is on his way.

    Args:
        size: of the shop.
        seed: of everything.
    """

    def __init__(self, size: Size, seed: int = 1) -> None:
        self._size = size
        self._rng = np.random.default_rng(seed)
        keys = (size.slots, size.banners, size.skus)
        # Every key is in some combination; the first ones are the busiest.
        rows = np.arange(size.combinations)[:, None]
        self._places = np.where(rows < np.array(keys), rows, self._rng.integers(0, keys, (rows.size, 3)))
        weights = 1.0 / (np.arange(rows.size) + 50.0) ** 0.8
        self._shares = np.cumsum(weights / weights.sum())
        self._names = {
            name: [f"{name}-{number:05}" for number in range(count)]
            for name, count in zip(("slot", "banner", "sku"), keys, strict=True)
        }
        self._joined = [
            f"slot-{slot:05}\x1fbanner-{banner:05}\x1fsku-{sku:05}"
            for slot, banner, sku in self._places.tolist()
        ]
        # By bucket number and node: combinations, and seconds since the node before.
        self._coming: dict[tuple[int, int], list[tuple[I64, I64]]] = {}
        self._sequence = 0
        # By node: factor on the share that goes on from there.
        self.broken: dict[int, float] = {}

    def bucket(self, number: int) -> Iterator[bytes]:
        """The rollups that end a bucket."""
        arrived = self._arrivals(number)
        late_of = number - int(self._rng.integers(1, _LATE_BUCKETS))
        parts: dict[int, dict[int, tuple[I64, I64]]] = {number: {}, late_of: {}}
        for node, (who, lag_s) in arrived.items():
            is_late = self._rng.random(who.size) < _LATE_SHARE
            parts[number][node] = who[~is_late], lag_s[~is_late]
            parts[late_of][node] = who[is_late], lag_s[is_late]
        for start, nodes in sorted(parts.items()):
            yield encode_rollup(self._rollup(start, number, nodes))

    def _arrivals(self, number: int) -> dict[int, tuple[I64, I64]]:
        count = self._rng.poisson(self._size.per_s * BUCKET_MS / 1_000)
        who = np.searchsorted(self._shares, self._rng.random(count))
        arrived = {0: (who, np.zeros(count, np.int64))}
        self._go_on(number, 0, who)
        for node in range(1, len(_GOES_ON) + 1):
            parts = self._coming.pop((number, node), [])
            columns = zip(*parts, strict=True) if parts else ([np.zeros(0, np.int64)],) * 2
            who, lag_s = (np.concatenate(column) for column in columns)
            arrived[node] = who, lag_s
            if node < len(_GOES_ON):
                self._go_on(number, node, who)
        return arrived

    def _go_on(self, number: int, node: int, who: I64) -> None:
        share, mean_s = _GOES_ON[node]
        going = who[self._rng.random(who.size) < share * self.broken.get(node, 1.0)]
        lag_s = self._rng.exponential(mean_s, going.size)
        # Who is at this node now goes on in this bucket at the earliest, and is seen there in the next.
        buckets = number + 1 + (lag_s * 1_000 // BUCKET_MS).astype(np.int64)
        for at in np.flatnonzero(np.bincount(buckets - number)).tolist():
            mine = buckets == number + at
            self._coming.setdefault((number + at, node + 1), []).append(
                (going[mine], lag_s[mine].astype(np.int64) + BUCKET_MS // 1_000)
            )

    def _rollup(self, start: int, told: int, nodes: Mapping[int, tuple[I64, I64]]) -> Rollup:
        self._sequence += 1
        # Only the last one of a flush says what is new.
        end_ms = START_MS + (told + (start == told)) * BUCKET_MS
        return Rollup(
            VERSION,
            0,
            1,
            1,
            0,
            self._sequence,
            START_MS + start * BUCKET_MS,
            end_ms,
            end_ms,
            end_ms + 1_000,
            False,  # its fields are in order
            STAGES.names,
            STAGES.nodes,
            [*self._counts(nodes)],
            [MoneyCounts(ALL, ALL, "EUR", "paid", nodes[PAID][0].size, nodes[PAID][0].size * 5_000)],
        )

    def _counts(self, nodes: Mapping[int, tuple[I64, I64]]) -> Iterator[KeyCounts]:
        columns = {
            node: (who, (node, VISITORS + node) if node else (node,)) for node, (who, _) in nodes.items()
        }
        yield _counted(ALL, [ALL], [(np.zeros_like(who), each) for who, each in columns.values()])
        for dimension, (name, names) in enumerate(self._names.items()):
            keys = self._places[:, dimension]
            yield _counted(name, names, [(keys[who], each) for who, each in columns.values()])
        combined = [(nodes[node][0], (VISITORS + node,)) for node in _COMBINED]
        yield _counted(COMBINATION, self._joined, combined)
        edges = [str(edge) for edge in EDGES_S]
        bins = {node: np.searchsorted(EDGES_S, lag_s, side="right") - 1 for node, (_, lag_s) in nodes.items()}
        lags = [(bins[node], (VISITORS + node,)) for node in nodes if node > CLICK]
        # A payment's lag since its attempt stands in the column of events.
        yield _counted(LAG, edges, [*lags, (bins[PAID], (PAID,))])
        paid = nodes[PAID][0] % len(_METHODS)
        attempt = STAGES.names.index("payment_attempt")
        yield _counted(PAYMENT_METHOD, _METHODS, [(paid, (PAID, attempt))])


def _counted(dimension: str, names: Sequence[str], parts: Sequence[tuple[I64, tuple[int, ...]]]) -> KeyCounts:
    cells = np.concatenate([keys << 5 | column for keys, columns in parts for column in columns])
    distinct, counts = np.unique(np.sort(cells), return_counts=True)
    numbers, index = np.unique(distinct >> 5, return_inverse=True)
    return KeyCounts(
        dimension,
        [names[number] for number in numbers.tolist()],
        index.astype("<u4").tobytes(),
        (distinct & 31).astype(np.uint8).tobytes(),
        counts.astype("<u8").tobytes(),
    )
