"""Counts by combination of keys, against what was expected of each.

A leaf is one combination that occurred (slot, banner, SKU and what else there is). Leaves are all
that diagnosis knows of where things happened: a scope's counts are sums over its leaves. A
combination that never occurred has no leaf, so nothing grows with the product of the dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alerts.model import EVERYWHERE, Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    I64 = NDArray[np.int64]
    F64 = NDArray[np.float64]
    Bools = NDArray[np.bool_]

# Combined codes must fit an int64.
MOST_CODES = 2**62
# Up to so many possible combinations counting is faster than sorting.
MOST_COUNTED = 2**21


class Groups(NamedTuple):
    """Leaves summed over some dimensions.

    Attributes:
        dimensions: which, as numbers.
        keys: key number in each of them, shape (groups, dimensions).
        observed: shape (groups,).
        expected: shape (groups,).
    """

    dimensions: tuple[int, ...]
    keys: I64
    observed: F64
    expected: F64


@dataclass(frozen=True)
class Leaves:
    """Counts of one step since its change point, by combination.

    Attributes:
        dimensions: their names, coarse ones first; ties between scopes go to the first.
        names: keys of each dimension, by number.
        codes: key numbers, shape (leaves, dimensions).
        observed: downstream counts, shape (leaves,).
        expected: what they should have been, shape (leaves,).
        entries: upstream counts, shape (leaves,).
    """

    dimensions: tuple[str, ...]
    names: tuple[Sequence[str], ...]
    codes: I64
    observed: F64
    expected: F64
    entries: F64

    def __post_init__(self) -> None:
        """Shapes and ranges must fit each other, else ValueError."""
        leaves = len(self.observed)
        if self.codes.shape != (leaves, len(self.dimensions)) or len(self.names) != len(self.dimensions):
            raise ValueError("codes must have a row per leaf and a column per dimension")
        if not len(self.expected) == len(self.entries) == leaves:
            raise ValueError("observed, expected and entries must have one number per leaf")
        if leaves and (self.codes.min() < 0 or bool((self.codes >= self.key_counts).any())):
            raise ValueError("a key number has no name")

    def __len__(self) -> int:
        return len(self.observed)

    @cached_property
    def key_counts(self) -> I64:
        """How many keys each dimension has a name for."""
        return np.array([len(names) for names in self.names], np.int64)

    def groups(self, dimensions: tuple[int, ...]) -> Groups:
        """Sums by every combination of ``dimensions`` that occurs."""
        radices = tuple(max(int(self.key_counts[dimension]), 1) for dimension in dimensions)
        combined = self._combined(dimensions)
        if prod(radices) <= MOST_COUNTED:
            present = np.flatnonzero(np.bincount(combined))
            keys = np.stack(np.unravel_index(present, radices), axis=1) if radices else self._no_keys(present)
            return Groups(dimensions, keys, *(sums[present] for sums in self._sums(combined)))
        _, first, inverse = np.unique(combined, return_index=True, return_inverse=True)
        return Groups(dimensions, self.codes[first][:, list(dimensions)], *self._sums(inverse))

    def inside(self, scope: tuple[Place, ...]) -> Bools:
        """Which leaves lie in ``scope``, shape (leaves,); none for a dimension or key that is unknown."""
        found = np.ones(len(self), np.bool_)
        if scope != EVERYWHERE:
            for place in scope:
                found &= self._at(place)
        return found

    def place(self, dimension: int, key: int) -> Place:
        """A key by its number, in words."""
        return Place(self.dimensions[dimension], self.names[dimension][key])

    def number(self, place: Place) -> tuple[int, int] | None:
        """Numbers of its dimension and its key; None for one that is unknown."""
        if place.dimension not in self.dimensions:
            return None
        dimension = self.dimensions.index(place.dimension)
        key = self._numbers[dimension].get(place.key)
        return None if key is None else (dimension, key)

    def _sums(self, groups: I64) -> tuple[F64, F64]:
        observed = np.bincount(groups, self.observed).astype(np.float64)
        return observed, np.bincount(groups, self.expected).astype(np.float64)

    @staticmethod
    def _no_keys(present: I64) -> I64:
        return np.zeros((len(present), 0), np.int64)

    def _at(self, place: Place) -> Bools:
        at = self.number(place)
        return np.zeros(len(self), np.bool_) if at is None else self.codes[:, at[0]] == at[1]

    @cached_property
    def _numbers(self) -> tuple[dict[str, int], ...]:
        return tuple({name: number for number, name in enumerate(names)} for names in self.names)

    def _combined(self, dimensions: tuple[int, ...]) -> I64:
        """One number per leaf that stands for its keys in ``dimensions``."""
        combined, size = np.zeros(len(self), np.int64), 1
        for dimension in dimensions:
            radix = max(int(self.key_counts[dimension]), 1)
            if size > MOST_CODES // radix:
                # What occurs is far less than what could: number it anew.
                _, combined = np.unique(combined, return_inverse=True)
                size = len(self) + 1
            combined = combined * radix + self.codes[:, dimension]
            size *= radix
        return combined
