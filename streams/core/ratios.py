"""Ratios with their counts and a 95 % interval.

The interval is Wilson's score interval for a proportion (E. B. Wilson, "Probable inference, the law of
succession, and statistical inference", JASA 22, 1927), which holds for few trials and for none that
succeeded. In a short window more may arrive than went in, since orders follow clicks by minutes; that
is no proportion, and the interval is the score interval of a Poisson rate (Rao's), which is what
Wilson's becomes for small proportions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    I64 = NDArray[np.int64]
    F64 = NDArray[np.float64]

Z_95 = 1.96


class Ratio(NamedTuple):
    """One ratio, its counts, and its interval; NaN where nothing went in."""

    numerator: int
    denominator: int
    ratio: float
    lower: float
    upper: float


class Ratios(NamedTuple):
    """Many of them as columns of shape (n,)."""

    numerator: I64
    denominator: I64
    ratio: F64
    lower: F64
    upper: F64

    def at(self, index: int) -> Ratio:
        """One of them."""
        return Ratio(
            int(self.numerator[index]),
            int(self.denominator[index]),
            float(self.ratio[index]),
            float(self.lower[index]),
            float(self.upper[index]),
        )


def ratios(numerator: I64, denominator: I64, z: float = Z_95) -> Ratios:
    """Numerators over denominators, shape (n,) each; NaN where the denominator is 0."""
    entered = np.where(denominator > 0, denominator, np.nan)
    ratio = numerator / entered
    lower, upper = _wilson(np.minimum(ratio, 1.0), entered, z)
    beyond = numerator > denominator
    poisson_lower, poisson_upper = _poisson(numerator, entered, z)
    return Ratios(
        numerator,
        denominator,
        ratio,
        # Rounding must not put a ratio of 0 or 1 outside of its own interval.
        np.minimum(np.where(beyond, poisson_lower, lower), ratio),
        np.maximum(np.where(beyond, poisson_upper, upper), ratio),
    )


def ratio(numerator: int, denominator: int, z: float = Z_95) -> Ratio:
    """One numerator over its denominator."""
    return ratios(np.array([numerator]), np.array([denominator]), z).at(0)


def _wilson(share: F64, entered: F64, z: float) -> tuple[F64, F64]:
    spread = z * z / entered
    middle = (share + spread / 2) / (1 + spread)
    half = z * np.sqrt(share * (1 - share) / entered + spread / (4 * entered)) / (1 + spread)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def _poisson(count: I64, entered: F64, z: float) -> tuple[F64, F64]:
    middle = count + z * z / 2
    half = z * np.sqrt(count + z * z / 4)
    return (middle - half) / entered, (middle + half) / entered
