"""Conversion of every series: its own where it has data, its dimension's and the total's otherwise.

A Gamma-Poisson posterior of conversions per expected arrival (per arrival if all converted), forgotten
exponentially. The prior of a key is its dimension, with as many conversions as the scatter between the
dimension's keys says (empirical Bayes, moments weighted by how much each key knows); that of a
dimension is the total.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from alerts.expectation.memory import faded
from alerts.packing import pack, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    F64 = NDArray[np.float64]
    I16 = NDArray[np.int16]

TOTAL: Final = 0
# Relative variance between a dimension's keys, before any is known, and its bounds; so many keys'
# worth is that opinion.
_SCATTER: Final = 1 / 30
_SCATTER_BOUNDS: Final = (1 / 2_000, 2.0)
_OPINION_KEYS: Final = 5.0
# Conversions of the total that a dimension is thought to have seen.
_DIMENSION_PRIOR: Final = 20.0
_TINY: Final = 1e-12


class Level(NamedTuple):
    """Arrays of shape (rows, steps).

    Attributes:
        mean: conversion per arrival.
        error: its relative standard error, were counts Poisson.
        seen: conversions that were to be expected of what is remembered.
    """

    mean: F64
    error: F64
    seen: F64


class Levels:
    """See the module.

    Args:
        levels: how many dimensions there are, the total's included.
        steps: of the funnel.
        kept: share of memory that a bucket leaves.
    """

    def __init__(self, levels: int, steps: int, kept: float) -> None:
        self._kept = kept
        self._take_levels(np.zeros(0, dtype=np.int16))
        self._counts = np.zeros((0, steps))
        self._base = np.zeros((0, steps))
        self._scatter = np.full((levels, steps), _SCATTER)
        self._pooled = np.zeros((levels, steps))

    def resize(self, level_of: I16) -> None:
        """Make room for more rows; their dimension numbers, shape (rows,)."""
        missing = level_of.size - self._level_of.size
        empty = np.zeros((missing, self._counts.shape[1]))
        self._take_levels(level_of.astype(np.int16))
        self._counts = np.concatenate((self._counts, empty))
        self._base = np.concatenate((self._base, empty))

    def _take_levels(self, level_of: I16) -> None:
        self._level_of = level_of
        # The same as numpy wants them for looking up.
        self._at = level_of.astype(np.intp)

    def now(self) -> Level:
        """Present levels."""
        prior = 1.0 / self._scatter
        prior[TOTAL] = _TINY
        entries = prior / np.maximum(self._pooled, _TINY)
        counts = self._counts + prior.take(self._at, axis=0)
        mean = counts / (self._base + entries.take(self._at, axis=0))
        return Level(mean, 1.0 / np.sqrt(np.maximum(counts, 1.0)), self._base * mean)

    def learn(self, counts: F64, base: F64, frozen: Bools) -> None:
        """Conversions, and arrivals times all that is known to change conversion; (rows, steps)."""
        self._counts = faded(self._counts, self._kept, counts, frozen)
        self._base = faded(self._base, self._kept, base, frozen)

    def rescale(self, factor: F64) -> None:
        """What was learnt is of so many times the arrivals, shape (rows, steps), as is known by now."""
        self._base = self._base * factor

    def compare(self, dispersion: F64) -> None:
        """Look anew at how keys of a dimension differ; ``dispersion`` of shape (levels, steps)."""
        for level in range(len(self._scatter)):
            rows = self._level_of == level
            counts, base = self._counts[rows], self._base[rows]
            self._pooled[level] = self._pool(level, counts.sum(axis=0), base.sum(axis=0))
            self._scatter[level] = _scatter(
                counts, base * self._pooled[level], self._scatter[level], dispersion[level]
            )

    def _pool(self, level: int, counts: F64, base: F64) -> F64:
        if level == TOTAL:
            return counts / np.maximum(base, _TINY)
        total = np.maximum(self._pooled[TOTAL], _TINY)
        pooled: F64 = (counts + _DIMENSION_PRIOR) / (base + _DIMENSION_PRIOR / total)
        return pooled

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        arrays = (self._level_of, self._counts, self._base, self._scatter, self._pooled)
        return {"arrays": [pack(array) for array in arrays]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        arrays = [unpack(packed) for packed in state["arrays"]]
        level_of, self._counts, self._base, self._scatter, self._pooled = arrays
        self._take_levels(level_of)


def _scatter(counts: F64, normal: F64, before: F64, dispersion: F64) -> F64:
    """Relative variance between keys, shape (steps,)."""
    known = np.maximum(normal, _TINY)
    noise = dispersion / known
    weight = np.where(normal > 0, (before / (before + noise)) ** 2, 0.0)
    found = (counts / known - 1.0) ** 2 - noise
    total = (weight * np.where(weight > 0, found, 0.0)).sum(axis=0) + _OPINION_KEYS * _SCATTER
    return np.asarray(np.clip(total / (weight.sum(axis=0) + _OPINION_KEYS), *_SCATTER_BOUNDS))
