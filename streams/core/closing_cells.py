"""Rollups that fall to one closed bucket, as cells of numbered keys.

Keys get their numbers when a bucket closes, new ones in the order of their names: so numbers do not
depend on which shard's rollups came first. They only grow, up to a bound; what comes beyond is counted
as ``(other)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain, compress, islice, pairwise, repeat
from typing import TYPE_CHECKING, TypeVar, overload

import numpy as np

from streams.closed import NO_CELLS, Cells
from streams.core.buckets import COLUMN_BITS, COLUMN_MASK
from streams.core.merge import MoneyKey
from streams.core.sorting import summed
from streams.funnel import OTHER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from streams.results import KeyCounts, MoneyCounts, Rollup

T = TypeVar("T")

_NOTHING = (0, 0)
# ``MoneyKey._make`` without the count of its parts.
_named = tuple.__new__


class Names(Sequence[str]):
    """The first so many of a list of names that only grows: each bucket has its own without a copy."""

    __slots__ = ("_all", "_size")

    def __init__(self, names: list[str]) -> None:
        self._all = names
        self._size = len(names)

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> list[str]: ...

    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            places = range(self._size)[at]
            if places.step == 1:
                return self._all[places.start : places.stop]
            return [self._all[place] for place in places]
        if 0 <= at < self._size:
            return self._all[at]
        raise IndexError(at)

    def __iter__(self) -> Iterator[str]:
        return islice(self._all, self._size)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # like a list

    def __repr__(self) -> str:
        return repr(tuple(self))


class KeyNumbers(dict[str, int]):
    """Number of each key of one dimension."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        super().__init__({name: number for number, name in enumerate(names)})
        self._names = [*self]
        self.names = Names(self._names)

    def learn(self, keys: Collection[str], max_keys: int) -> dict[str, int]:
        """Number keys that have no number yet, each named once; the numbers of those that got one."""
        room = max(max_keys - len(self), 0)
        if not keys or (not room and OTHER in self):
            return {}
        new = sorted(keys)
        if len(new) > room:
            new = [*new[:room], *([] if OTHER in self or OTHER in new[:room] else [OTHER])]
        fresh = dict(zip(new, range(len(self), len(self) + len(new)), strict=True))
        self.update(fresh)
        self._names += new
        self.names = Names(self._names)
        return fresh

    def admit(self, keys: Sequence[str], others: Iterable[str], max_keys: int) -> NDArray[np.int64]:
        """Numbers of keys, shape (keys,), given now if they have none, like those of ``others``.

        Of those beyond the bound, the number of ``(other)``. Known ones are looked up once, for that is
        what it costs: there are many, and they lie all over memory.
        """
        numbers = np.fromiter(map(self.get, keys, repeat(-1)), np.int64, len(keys))
        missing = numbers < 0
        unknown = [*compress(keys, missing.tolist())] if missing.any() else []
        fresh = self.learn({*unknown, *(key for key in others if key not in self)}, max_keys)
        if unknown:
            other = self.get(OTHER, 0)
            numbers[missing] = np.fromiter(map(fresh.get, unknown, repeat(other)), np.int64, len(unknown))
        return numbers


class Counted:
    """Cells of groups of rollups; those of a dimension and group ascend by key and column.

    Args:
        groups: how many.
        dimensions: in which something may have been counted.
        cells: of all, by dimension, then by group.
        edges: where those of each dimension and group begin, and the end.
    """

    __slots__ = ("_cells", "_dimensions", "_edges", "_groups")

    def __init__(
        self, groups: int, dimensions: Sequence[str], cells: Cells, edges: NDArray[np.int64]
    ) -> None:
        self._groups = groups
        self._dimensions = dimensions
        self._cells = cells
        self._edges = edges

    @classmethod
    def of(
        cls,
        groups: int,
        parts: Mapping[str, Sequence[KeyCounts]],
        whose: Mapping[str, Sequence[int]],
        numbered: Sequence[tuple[str, NDArray[np.int64]]],
    ) -> Counted:
        """All parts of all dimensions at once, for most are small and numpy's price is per call.

        Args:
            groups: how many.
            parts: by dimension.
            whose: the group of each.
            numbered: dimensions, and the numbers of their parts' keys.
        """
        dimensions = [dimension for dimension, _ in numbered]
        every = [part for dimension in dimensions for part in parts.get(dimension, ())]
        layers = [
            rank * groups + group
            for rank, dimension in enumerate(dimensions)
            for group in whose.get(dimension, ())
        ]
        keys = np.concatenate([NO_CELLS.keys, *(numbers for _, numbers in numbered)])
        bits = int(keys.max(initial=0)).bit_length() + COLUMN_BITS
        sizes = [len(part.column) for part in every]
        firsts = accumulate([len(part.keys) for part in every], initial=0)
        shared = np.array([layers, [*islice(firsts, len(every))]], dtype=np.int64)
        layer, first = np.repeat(shared, sizes, axis=1)
        index = np.frombuffer(b"".join([part.index for part in every]), dtype="<u4")
        columns = np.frombuffer(b"".join([part.column for part in every]), dtype=np.uint8)
        # Checked when they were read: none is so large that it would be another number with a sign.
        counts = np.frombuffer(b"".join([part.count for part in every]), dtype="<i8")
        places = keys.take(first + index)
        places <<= COLUMN_BITS
        places |= columns
        places |= layer << bits
        cells, sums = summed(places, counts)
        edges = np.searchsorted(cells, np.arange(len(dimensions) * groups + 1) << bits)
        cells &= (1 << bits) - 1
        return cls(groups, dimensions, Cells(cells >> COLUMN_BITS, cells & COLUMN_MASK, sums), edges)

    def group(self, number: int) -> dict[str, Cells]:
        """Those of one group, by dimension; one that it has nothing of is not there."""
        starts = self._edges[number :: self._groups].tolist()
        ends = self._edges[number + 1 :: self._groups].tolist()
        spans = zip(self._dimensions, starts, ends, strict=False)
        return {dimension: self._part(start, end) for dimension, start, end in spans if start < end}

    def whole(self, starts: Sequence[int]) -> dict[str, tuple[Cells, NDArray[np.int64]]]:
        """Those of all groups, by dimension, and beside each what stands in ``starts`` for its group."""
        of_each = np.repeat(np.tile(starts, len(self._dimensions)), np.diff(self._edges))
        borders = self._edges[:: self._groups].tolist()
        return {
            dimension: (self._part(start, end), of_each[start:end])
            for dimension, (start, end) in zip(self._dimensions, pairwise(borders), strict=True)
            if start < end
        }

    def _part(self, start: int, end: int) -> Cells:
        return Cells(*(column[start:end] for column in self._cells))


class _WhenAsked(Sequence[tuple[int, T]]):
    """Something by the start of its bucket, put together when somebody asks, for few do."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[tuple[int, T]] | None = None

    def _put_together(self) -> Iterator[tuple[int, T]]:
        raise NotImplementedError

    @property
    def _all(self) -> list[tuple[int, T]]:
        if self._found is None:
            self._found = [*self._put_together()]
        return self._found

    def __len__(self) -> int:
        return len(self._all)

    @overload
    def __getitem__(self, at: int) -> tuple[int, T]: ...

    @overload
    def __getitem__(self, at: slice) -> list[tuple[int, T]]: ...

    def __getitem__(self, at: int | slice) -> tuple[int, T] | list[tuple[int, T]]:
        return self._all[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # like a list

    def __repr__(self) -> str:
        return repr(tuple(self))


class Late(_WhenAsked["Mapping[str, Cells]"]):
    """Late counts by the start of their bucket.

    Args:
        counted: the first group is of the bucket that closes.
        starts: of the others.
    """

    __slots__ = ("counted", "starts")

    def __init__(self, counted: Counted, starts: Sequence[int]) -> None:
        super().__init__()
        self.counted = counted
        self.starts = starts

    def _put_together(self) -> Iterator[tuple[int, Mapping[str, Cells]]]:
        each = ((start, self.counted.group(number)) for number, start in enumerate(self.starts, 1))
        return ((start, cells) for start, cells in each if cells)


class LateMoney(_WhenAsked["dict[MoneyKey, tuple[int, int]]"]):
    """Late orders and amounts by the start of their bucket.

    Args:
        numbering: that knows the keys; a key that is beyond its bound now will always be.
        items: by start of the bucket.
    """

    __slots__ = ("_items", "_numbering")

    def __init__(
        self, numbering: Numbering, items: Sequence[tuple[int, Sequence[Iterable[MoneyCounts]]]]
    ) -> None:
        super().__init__()
        self._numbering = numbering
        self._items = items

    def _put_together(self) -> Iterator[tuple[int, dict[MoneyKey, tuple[int, int]]]]:
        return ((start, self._numbering.money(items)) for start, items in self._items)


class Numbering(dict[str, KeyNumbers]):
    """Keys of all dimensions.

    Args:
        max_keys: of a dimension, beside ``(other)``.
        names: of each dimension, by number.
    """

    def __init__(self, max_keys: int, names: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__({dimension: KeyNumbers(keys) for dimension, keys in (names or {}).items()})
        self._max_keys = max_keys

    @property
    def names(self) -> dict[str, Names]:
        """Keys of each dimension, by number."""
        return {dimension: numbers.names for dimension, numbers in self.items()}

    def cells(self, groups: Sequence[Iterable[Rollup]]) -> Counted:
        """What was counted in groups of rollups; new keys get numbers."""
        parts: dict[str, list[KeyCounts]] = {}
        whose: dict[str, list[int]] = {}
        paid: dict[str, set[str]] = {}
        for group, rollups in enumerate(groups):
            for rollup in rollups:
                for counts in rollup.counts:
                    dimension = counts.dimension
                    if dimension not in parts:
                        parts[dimension], whose[dimension] = [], []
                    parts[dimension].append(counts)
                    whose[dimension].append(group)
                for money in rollup.money:
                    paid.setdefault(money.dimension, set()).add(money.key)
        numbered = []
        for dimension in sorted({*parts, *paid}):
            numbers = self.setdefault(dimension, KeyNumbers())
            keys = [*chain.from_iterable([part.keys for part in parts.get(dimension, ())])]
            numbered.append(numbers.admit(keys, paid.get(dimension, ()), self._max_keys))
        return Counted.of(len(groups), parts, whose, [*zip(sorted({*parts, *paid}), numbered, strict=True)])

    def money(self, items: Iterable[Iterable[MoneyCounts]]) -> dict[MoneyKey, tuple[int, int]]:
        """Orders and amounts of rollups whose keys are known."""
        # Plain tuples until the end: most sums are made of several items.
        sums: dict[tuple[str, str, str, str], tuple[int, int]] = {}
        for item in chain.from_iterable(items):
            dimension, key = item.dimension, item.key
            place = (dimension, key if key in self[dimension] else OTHER, item.currency, item.kind)
            orders, amount = sums.get(place, _NOTHING)
            sums[place] = (orders + item.orders, amount + item.amount_minor)
        return {_named(MoneyKey, place): sums[place] for place in sorted(sums)}
