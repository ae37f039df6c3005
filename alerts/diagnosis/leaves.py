"""Counts by combination of keys, against what was expected of each.

A leaf is one combination that occurred (slot, banner, SKU and what else there is). Leaves are all
that diagnosis knows of where things happened: a scope's counts are sums over its leaves. A
combination that never occurred has no leaf, so nothing grows with the product of the dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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


class Grouping(NamedTuple):
    """How leaves lie in groups, whatever is expected of them.

    Attributes:
        keys: of each group, shape (groups, dimensions).
        numbers: of each leaf, shape (leaves,).
        present: which numbers are groups; None for all.
        observed: of each group.
    """

    keys: I64
    numbers: I64
    present: I64 | None
    observed: F64


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
    # Groupings that were asked for.
    _grouped: dict[tuple[int, ...], Grouping] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

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

    def expecting(self, expected: F64) -> Leaves:
        """The same leaves with another expectation; groupings need not be worked out anew."""
        other = replace(self, expected=expected)
        object.__setattr__(other, "_grouped", self._grouped)
        return other

    def groups(self, dimensions: tuple[int, ...]) -> Groups:
        """Sums by every combination of ``dimensions`` that occurs."""
        known = self._grouped.get(dimensions)
        if known is None:
            known = self._grouped[dimensions] = self._grouping(dimensions)
        expected = np.bincount(known.numbers, self.expected).astype(np.float64, copy=False)
        return Groups(
            dimensions,
            known.keys,
            known.observed,
            expected if known.present is None else expected[known.present],
        )

    def _grouping(self, dimensions: tuple[int, ...]) -> Grouping:
        radices = tuple(max(int(self.key_counts[dimension]), 1) for dimension in dimensions)
        combined = self._combined(dimensions)
        if prod(radices) <= MOST_COUNTED:
            present = np.flatnonzero(np.bincount(combined))
            keys = np.stack(np.unravel_index(present, radices), axis=1) if radices else self._no_keys(present)
            return Grouping(
                keys, combined, present, np.bincount(combined, self.observed)[present].astype(np.float64)
            )
        order = np.argsort(combined, kind="stable")
        ordered = combined[order]
        starts = np.append(True, ordered[1:] != ordered[:-1])[: ordered.size]
        numbers = np.empty_like(order)
        numbers[order] = np.cumsum(starts) - 1
        keys = self.codes[order[starts]][:, list(dimensions)]
        return Grouping(keys, numbers, None, np.bincount(numbers, self.observed).astype(np.float64))

    def inside(self, scope: tuple[Place, ...]) -> Bools:
        """Which leaves lie in ``scope``, shape (leaves,); none for a dimension or key that is unknown."""
        found = np.ones(len(self), np.bool_)
        if scope != EVERYWHERE:
            for place in scope:
                found &= self._at(place)
        return found

    def rows(self, scope: tuple[Place, ...]) -> I64:
        """Numbers of the leaves in ``scope``, ascending: ``flatnonzero(inside(scope))``, without a look at all."""
        if scope == EVERYWHERE or not scope:
            return np.arange(len(self))
        found = [self._rows_of(place) for place in scope]
        rows = min(found, key=len)
        for place in scope:
            at = self.number(place)
            if at is not None:
                rows = rows[self.codes[rows, at[0]] == at[1]]
        return rows

    def _rows_of(self, place: Place) -> I64:
        at = self.number(place)
        if at is None:
            return np.zeros(0, np.int64)
        order, starts = self._by_key[at[0]]
        return order[starts[at[1]] : starts[at[1] + 1]]

    @cached_property
    def _by_key(self) -> tuple[tuple[I64, I64], ...]:
        """Of each dimension the leaves in the order of their keys, and where each key's begin."""
        found = []
        for dimension, keys in enumerate(self.key_counts.tolist()):
            codes = self.codes[:, dimension]
            order = np.argsort(codes, kind="stable")
            found.append((order, np.searchsorted(codes[order], np.arange(keys + 1))))
        return tuple(found)

    @cached_property
    def by_key(self) -> tuple[F64, ...]:
        """What is expected of each key of each dimension."""
        return tuple(
            np.bincount(self.codes[:, dimension], self.expected, minlength=keys).astype(np.float64)
            for dimension, keys in enumerate(self.key_counts.tolist())
        )

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
