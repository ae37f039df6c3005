"""How much more than Poisson counts scatter about what is expected.

Two parts per level and step: a factor seen within a minute (duplicates, bursts), and a relative
variance seen over 15 minutes (conversion that wanders), which matters the more the larger a series is.
Both from squared residuals, winsorised at two standard deviations, so that an incident that was not
yet found hardly moves them; both are shrunk to what is
common.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.packing import pack, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    F64 = NDArray[np.float64]
    I16 = NDArray[np.int16]

SHORT: Final = 6
LONG: Final = 90
BOUNDS: Final = (1.0, 10.0)
_WINSOR: Final = 4.0
# Mean of a squared standard normal deviate cut off there.
_CUT_MEAN: Final = 0.9205
# Below so many expected in a block, its residual says more of chance than of scatter.
_LEAST: Final = 1.0
# The opinion that counts are Poisson and conversion wanders by 2 %, and how many blocks it is worth.
_OPINION: Final = 12.0
_WANDERING: Final = 0.02**2
# A series tells of wandering as far as Poisson scatter does not drown at least so much of it.
_TELLING: Final = 0.03**2
_OPINIONS: Final = _OPINION * np.array([[1.0, 1.0], [_WANDERING, 1.0]])[:, :, None, None]
# What wanders with an hour's memory is about as far off in the next 15 minutes: over an hour its mean has
# half of its variance more than if each 15 minutes had a chance of their own.
_SLOW: Final = 0.5
_TINY: Final = 1e-12


class _Block:
    """Sums since a block began, shape (rows, steps); a series that was frozen in it is left out."""

    def __init__(self, buckets: int, steps: int) -> None:
        self._buckets = buckets
        self._gone = 0
        self._seen = np.zeros((2, 0, steps))
        self._spoilt = np.zeros((0, steps), dtype=bool)

    def resize(self, rows: int) -> None:
        missing = rows - self._spoilt.shape[0]
        steps = self._spoilt.shape[1]
        self._seen = np.concatenate((self._seen, np.zeros((2, missing, steps))), axis=1)
        self._spoilt = np.concatenate((self._spoilt, np.zeros((missing, steps), dtype=bool)))

    def add(self, counts: F64, expected: F64, frozen: Bools) -> bool:
        """A bucket; whether the block is full."""
        self._seen[0] += counts
        self._seen[1] += expected
        self._spoilt |= frozen
        self._gone += 1
        return self._gone == self._buckets

    def take(self) -> tuple[F64, F64, Bools]:
        """Counts, what was expected, and which are to be used; a new block begins."""
        counts, expected = self._seen
        usable = ~self._spoilt & (expected >= _LEAST)
        self._seen = np.zeros_like(self._seen)
        self._spoilt = np.zeros_like(self._spoilt)
        self._gone = 0
        return counts, expected, usable

    def snapshot(self) -> list[Any]:
        return [self._gone, pack(self._seen), pack(self._spoilt)]

    def restore(self, state: list[Any]) -> None:
        self._gone, self._seen, self._spoilt = state[0], unpack(state[1]), unpack(state[2])


class Dispersion:
    """See the module.

    Args:
        levels: how many dimensions there are.
        steps: of the funnel.
        kept: share of memory that a bucket leaves.
    """

    def __init__(self, levels: int, steps: int, kept: float) -> None:
        self._kept = kept
        self._take_levels(np.zeros(0, dtype=np.int16))
        self._blocks = (_Block(SHORT, steps), _Block(LONG, steps))
        # Weighted sum of estimates, and of weights: factor, relative variance.
        self._sums = np.zeros((2, 2, levels, steps))
        self._sums += _OPINIONS
        # Counts expected in the last 15 minutes or so.
        self._recent = np.zeros((0, steps))

    @property
    def factor(self) -> F64:
        """Variance within a minute by mean, shape (levels, steps)."""
        return np.asarray(np.clip(self._sums[0, 0] / self._sums[0, 1], *BOUNDS))

    @property
    def wandering(self) -> F64:
        """Relative variance over 15 minutes beyond that, shape (levels, steps)."""
        return np.asarray(np.maximum(self._sums[1, 0] / self._sums[1, 1], 0.0))

    def resize(self, level_of: I16) -> None:
        """Make room for more rows; their dimension numbers, shape (rows,)."""
        missing = level_of.size - self._level_of.size
        self._recent = np.concatenate((self._recent, np.zeros((missing, self._recent.shape[1]))))
        self._take_levels(level_of.astype(np.int16))
        for block in self._blocks:
            block.resize(level_of.size)

    def _take_levels(self, level_of: I16) -> None:
        self._level_of = level_of
        # The same as numpy wants them for looking up.
        self._at = level_of.astype(np.intp)

    def now(self) -> F64:
        """Variance of 15 minutes' counts by their mean, shape (rows, steps)."""
        total = self.wandering.take(self._at, axis=0)
        total *= self._recent
        total += self.factor.take(self._at, axis=0)
        np.maximum(total, BOUNDS[0], out=total)
        return np.minimum(total, BOUNDS[1], out=total)

    def slow(self) -> F64:
        """Relative variance of hours' ratios beyond what ``now`` bears, shape (rows, steps): see ``_SLOW``."""
        return (_SLOW * self.wandering).take(self._at, axis=0)

    def learn(self, counts: F64, expected: F64, frozen: Bools) -> None:
        """A bucket's counts and what was expected of it, shape (rows, steps)."""
        self._recent += expected - self._recent / LONG
        short, long = self._blocks
        if short.add(counts, expected, frozen):
            self._take(0, SHORT, *self._short(*short.take()))
        if long.add(counts, expected, frozen):
            self._take(1, LONG, *self._long(*long.take()))

    def _short(self, counts: F64, expected: F64, usable: Bools) -> tuple[F64, F64]:
        factor = self.factor[self._level_of]
        squares = (counts - expected) ** 2 / np.maximum(expected, _TINY)
        return np.minimum(squares, _WINSOR * factor) / _CUT_MEAN, usable.astype(np.float64)

    def _long(self, counts: F64, expected: F64, usable: Bools) -> tuple[F64, F64]:
        factor, wandering = self.factor[self._level_of], self.wandering[self._level_of]
        known = np.maximum(expected, _TINY)
        per_mean = np.minimum((counts - expected) ** 2 / known, _WINSOR * (factor + wandering * known))
        least = np.maximum(wandering, _TELLING) * known
        weight = usable * (least / (factor + least)) ** 2
        return (per_mean / _CUT_MEAN - factor) / known, weight

    def _take(self, which: int, buckets: int, values: F64, weights: F64) -> None:
        sums = self._sums[which]
        sums -= (sums - _OPINIONS[which]) * (1.0 - self._kept**buckets)
        for level in range(sums.shape[1]):
            mine = self._level_of == level
            sums[0, level] += (values[mine] * weights[mine]).sum(axis=0)
            sums[1, level] += weights[mine].sum(axis=0)

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        arrays = (self._level_of, self._sums, self._recent)
        return {
            "arrays": [pack(array) for array in arrays],
            "blocks": [block.snapshot() for block in self._blocks],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        level_of, self._sums, self._recent = (unpack(packed) for packed in state["arrays"])
        self._take_levels(level_of)
        for block, blocked in zip(self._blocks, state["blocks"], strict=True):
            block.restore(blocked)
