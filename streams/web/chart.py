"""The chart of conversion: observed against expected over the last hour, five minutes at a time. Pure.

Expected is the product, over the steps from click to payment, of what each let expect of what entered it.
The band holds 95 %: the variance of the logarithm is the sum over steps of dispersion over expected count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from streams.closed import BUCKET_MS
from streams.funnel import ALL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streams.web.picture import Picture

    F64 = NDArray[np.float64]

_CLICK: Final = 1
_BUCKETS: Final = 30
_Z: Final = 1.96
WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 8, 8, 22
_TICKS: Final = 4


@dataclass(frozen=True, slots=True)
class Chart:
    """Columns of the same length: ends of buckets in seconds, and ratios; None where they are not known."""

    at_s: tuple[int, ...] = ()
    observed: tuple[float | None, ...] = ()
    expected: tuple[float | None, ...] = ()
    lower: tuple[float | None, ...] = ()
    upper: tuple[float | None, ...] = ()

    @property
    def columns(self) -> list[Sequence[float | None]]:
        """As uPlot takes them."""
        return [self.at_s, self.observed, self.expected, self.lower, self.upper]


def chart(picture: Picture) -> Chart:
    """The last hour of the total; empty while too little is known."""
    judged = picture.judged
    if (ALL, ALL) not in judged.keys or len(judged.buckets) < _BUCKETS:  # a tuple of keys
        return Chart()
    row = judged.keys.index((ALL, ALL))
    sums = _sliding(judged.buckets[:, :, row, _CLICK:].astype(np.float64))
    entered, reached, expected = sums[:, 0], sums[:, 1], sums[:, 2]
    observed = _over(reached[:, -1], entered[:, 0])
    ends = [judged.end_ms - at * BUCKET_MS for at in range(len(sums) - 1, -1, -1)]
    at_s = tuple(end // 1000 for end in ends)
    if not judged.monitored[row, _CLICK:].all():
        nobody = (None,) * len(sums)
        return Chart(at_s, _known(observed), nobody, nobody, nobody)
    due = np.prod(_over(expected, entered), axis=1)
    # More than all who clicked: a law of delays that is not learnt yet.
    due[due > 1.0] = np.nan
    spread = np.sqrt((judged.dispersion[row, _CLICK:] / np.maximum(expected, 1e-9)).sum(axis=1))
    wide = np.exp(np.minimum(_Z * spread, 5.0))
    return Chart(at_s, _known(observed), _known(due), _known(due / wide), _known(np.minimum(due * wide, 1.0)))


def _sliding(buckets: F64) -> F64:
    """Sums of five minutes each, by the bucket they end with: shape (buckets - 29, 3, steps)."""
    sums = np.cumsum(np.concatenate([np.zeros_like(buckets[:1]), buckets]), axis=0)
    found: F64 = sums[_BUCKETS:] - sums[:-_BUCKETS]
    return found


def _over(upper: F64, lower: F64) -> F64:
    found: F64 = upper / np.where(lower > 0, lower, np.nan)
    return found


def _known(column: F64) -> tuple[float | None, ...]:
    return tuple(round(one, 6) if math.isfinite(one) else None for one in column.tolist())


@dataclass(frozen=True, slots=True)
class Drawing:
    """The chart as paths of an SVG of ``WIDTH`` by ``HEIGHT``, with labels of both axes (place, text)."""

    band: str
    expected: str
    observed: str
    levels: tuple[tuple[float, float], ...]
    times: tuple[tuple[float, int], ...]


def drawing(data: Chart) -> Drawing | None:
    """What can be drawn; None if there is nothing."""
    known = [one for column in (data.observed, data.upper) for one in column if one is not None]
    if len(data.at_s) < 2 or not known or max(known) <= 0:
        return None
    # Where the end of a rush is paid, more may pay than click just then; the axis ends at all.
    top = min(max(known) * 1.08, 1.0)
    begin, end = data.at_s[0], data.at_s[-1]
    along, up = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def x(at_s: float) -> float:
        return round(_LEFT + along * (at_s - begin) / (end - begin), 1)

    def y(value: float) -> float:
        return round(_TOP + up * (1 - min(value / top, 1.0)), 1)

    def points(column: Sequence[float | None]) -> list[str]:
        return [f"{x(at)},{y(one)}" for at, one in zip(data.at_s, column, strict=True) if one is not None]

    levels = [top * at / _TICKS for at in range(_TICKS + 1)]
    times = [begin + (end - begin) * at // _TICKS for at in range(_TICKS + 1)]
    return Drawing(
        band=" ".join(points(data.upper) + points(data.lower)[::-1]),
        expected=" ".join(points(data.expected)),
        observed=" ".join(points(data.observed)),
        levels=tuple((y(level), level) for level in levels),
        times=tuple((x(at), at) for at in times),
    )
