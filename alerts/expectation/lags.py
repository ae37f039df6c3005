"""Bins of delays, and a delay law as what arrives in each second since entry.

A law's mass is one: what arrives within half an hour, second by second, and the rest beyond. A tap is
what arrives so many buckets after entry; entries and arrivals are thought to be spread evenly within
their bucket, so a delay of 14 s is 0.6 of one bucket and 0.4 of two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

EDGES_S: Final = (0, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800)
BINS: Final = len(EDGES_S)
# Bins that end; the last is "1800 s and more".
WITHIN: Final = BINS - 1
SECONDS: Final = EDGES_S[-1]
BUCKET_S: Final = BUCKET_MS // 1000
TAPS: Final = SECONDS // BUCKET_S + 1
# Buckets after entry at which all delays of a bin are over.
MATURE: Final = -(-np.array(EDGES_S[1:]) // BUCKET_S)

_EDGES = np.array(EDGES_S)
_WIDTHS = np.diff(_EDGES)
_CENTRES = (_EDGES[:-1] + _EDGES[1:]) / 2
BIN_OF_SECOND: Final = np.repeat(np.arange(WITHIN), _WIDTHS)
# Share of a second's mass that arrives one bucket later than the second's own number of buckets.
_LATER = (np.arange(BUCKET_S) + 0.5) / BUCKET_S
# Density falls or rises within a bin by at most this factor per bin width.
_STEEPEST = 3.0
_TINY = 1e-300


class Law(NamedTuple):
    """When those who arrive do: mass by second since entry, shape (1800,), and beyond.

    ``beyond_s`` is the mean delay after half an hour of those who take longer.
    """

    seconds: F64
    beyond: float
    beyond_s: float


def taps(seconds: F64) -> F64:
    """Mass by buckets since entry, shape (..., 181), of mass by seconds, shape (..., 1800)."""
    tens = seconds.reshape(*seconds.shape[:-1], TAPS - 1, BUCKET_S)
    later = tens @ _LATER
    found = np.zeros((*seconds.shape[:-1], TAPS))
    found[..., :-1] = tens.sum(axis=-1) - later
    found[..., 1:] += later
    return found


def shapes(masses: F64) -> F64:
    """How each bin's mass lies within it, as every law does that has ``masses``, shape (18,).

    Density is exponential within a bin and changes from bin to bin as its neighbours say. Returns
    shares of shape (1800,); those of a bin sum to one.
    """
    density = np.log(np.maximum(masses / _WIDTHS, 1e-12))
    slopes = np.gradient(density, _CENTRES)
    limit = _STEEPEST / _WIDTHS
    slopes = np.clip(slopes, -limit, limit)
    since = np.arange(SECONDS) + 0.5 - _CENTRES[BIN_OF_SECOND]
    weights = np.exp(slopes[BIN_OF_SECOND] * since)
    sums = np.bincount(BIN_OF_SECOND, weights, minlength=WITHIN)
    return np.asarray(weights / sums[BIN_OF_SECOND])


def bin_taps(shares: F64) -> F64:
    """Of entries so many buckets ago, how much is at risk of each bin; shape (18, 181)."""
    apart = np.zeros((WITHIN, SECONDS))
    apart[BIN_OF_SECOND, np.arange(SECONDS)] = shares
    return taps(apart)


def law(masses: F64, beyond_s: float) -> Law:
    """The law whose bins have the given masses, shape (19,); they need not sum to one."""
    part = masses / masses.sum()
    return Law(part[BIN_OF_SECOND] * shapes(part[:-1]), float(part[-1]), beyond_s)


def bins(of: Law) -> F64:
    """Mass by bin, shape (19,)."""
    return np.append(np.bincount(BIN_OF_SECOND, of.seconds, minlength=WITHIN), of.beyond)


def scaled(of: Law, factor: float) -> Law:
    """The same law with everything taking ``factor`` times as long."""
    ends = np.arange(SECONDS + 1)
    done = np.append(0.0, np.cumsum(of.seconds))
    wanted = ends / factor
    inside = np.interp(np.minimum(wanted, SECONDS), ends, done)
    late = of.beyond * -np.expm1(-np.maximum(wanted - SECONDS, 0.0) / of.beyond_s)
    reached = inside + late
    return Law(np.diff(reached), float(1.0 - reached[-1]), of.beyond_s * factor)


def exponential(mean_s: float) -> Law:
    """Exponential delays."""
    left = np.exp(-np.arange(SECONDS + 1) / mean_s)
    return Law(-np.diff(left), float(left[-1]), mean_s)


def mixed(first: Law, second: Law, share: float) -> Law:
    """``share`` of the first, the rest of the second."""
    rest = 1.0 - share
    beyond = share * first.beyond + rest * second.beyond
    part = share * first.beyond / beyond if beyond else 0.5
    return Law(
        share * first.seconds + rest * second.seconds,
        beyond,
        part * first.beyond_s + (1.0 - part) * second.beyond_s,
    )


def quantile_s(of: Law, share: float) -> float:
    """Delay within which ``share`` of all arrive, seconds."""
    return float(quantiles_s(of, np.array([share]))[0])


def quantiles_s(of: Law, shares: F64) -> F64:
    """Delays within which these shares of all arrive, seconds; ``shares`` are above 0 and below 1."""
    done = np.append(0.0, np.cumsum(of.seconds))
    within = np.interp(shares, done, np.arange(SECONDS + 1))
    left = np.minimum((1.0 - shares) / max(of.beyond, _TINY), 1.0)
    return np.where(shares > done[-1], SECONDS - of.beyond_s * np.log(left), within)
