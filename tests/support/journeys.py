"""Traffic of one total with slots under it, as closed buckets see it: entries, arrivals, delays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alerts.expectation.lags import BINS, BUCKET_S, EDGES_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    # From how many are wanted to so many delays, s.
    Delays = Callable[[np.random.Generator, int], F64]


class Second(NamedTuple):
    """A bucket: entries and arrivals by row and step, arrivals of the total by delay and step."""

    entered: F64
    reached: F64
    lags: F64


def checkout_delays(rng: np.random.Generator, count: int) -> F64:
    """70 % within minutes, the others within hours."""
    long = rng.random(count) < 0.3
    return np.where(long, rng.exponential(2_400.0, count), rng.exponential(240.0, count))


@dataclass
class Shop:
    """A shop of which everything is known; two steps, and the first one is over at once.

    Attributes:
        rng: makes all of it.
        shares: of traffic, by slot; the rows after the total.
        rate: entries by bucket number, of the total.
        conversion: by bucket number of the entry.
        delays: how long conversions take.
        slowed: factor on delays by bucket number of the entry.
        attribution_s: slots count conversions that take at most so long.
    """

    rng: np.random.Generator
    rate: Callable[[int], float]
    shares: tuple[float, ...] = (1.0,)
    conversion: Callable[[int], float] = lambda _: 0.03
    delays: Delays = checkout_delays
    slowed: Callable[[int], float] = lambda _: 1.0
    attribution_s: float = 1_800.0
    _to_come: dict[int, list[tuple[F64, NDArray[np.int64]]]] = field(default_factory=dict)

    def buckets(self, count: int) -> Iterator[Second]:
        """So many buckets, from number 0."""
        for number in range(count):
            clicks = self.rng.poisson(self.rate(number) * np.array(self.shares))
            self._convert(number, clicks)
            yield self._closed(number, clicks)

    def _convert(self, number: int, clicks: NDArray[np.int64]) -> None:
        orders = self.rng.binomial(clicks, self.conversion(number))
        slot = np.repeat(np.arange(len(self.shares)), orders)
        delay = self.delays(self.rng, slot.size) * self.slowed(number)
        at = number + ((self.rng.random(slot.size) * BUCKET_S + delay) // BUCKET_S).astype(np.int64)
        for bucket in np.unique(at).tolist():
            mine = at == bucket
            self._to_come.setdefault(bucket, []).append((delay[mine], slot[mine]))

    def _closed(self, number: int, clicks: NDArray[np.int64]) -> Second:
        arrived = self._to_come.pop(number, [])
        delay = np.concatenate([np.zeros(0), *(part[0] for part in arrived)])
        slot = np.concatenate([np.zeros(0, np.int64), *(part[1] for part in arrived)])
        inside = slot[delay <= self.attribution_s]
        orders = np.append(slot.size, np.bincount(inside, minlength=len(self.shares)))
        by_row = np.append(clicks.sum(), clicks).astype(np.float64)
        lags = np.zeros((BINS, 2))
        bins = np.searchsorted(EDGES_S, delay, side="right") - 1
        lags[:, 1] = np.bincount(bins, minlength=BINS)
        # Ten exposures a click, all clicked at once.
        entered = np.stack([10.0 * by_row, by_row], axis=1)
        return Second(entered, np.stack([by_row, orders], axis=1), lags)
