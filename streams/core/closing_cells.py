"""Rollups that fall to one closed bucket, as cells of numbered keys.

Keys get their numbers when a bucket closes, new ones in the order of their names: so numbers do not
depend on which shard's rollups came first. They only grow, up to a bound; what comes beyond is counted
as ``(other)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, overload

import numpy as np

from streams.closed import Cells
from streams.core.buckets import COLUMN_BITS, COLUMN_MASK
from streams.core.merge import MoneyKey
from streams.core.sorting import summed
from streams.funnel import OTHER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from streams.results import KeyCounts, Rollup


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
            return [self._all[place] for place in range(self._size)[at]]
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

    def learn(self, keys: Iterable[str], max_keys: int) -> None:
        """Number keys that have no number yet, each named once."""
        new = sorted(keys)
        room = max(max_keys - len(self), 0)
        if len(new) > room:
            new = [*new[:room], *([] if OTHER in self or OTHER in new[:room] else [OTHER])]
        if new:
            self.update(zip(new, range(len(self), len(self) + len(new)), strict=True))
            self._names += new
            self.names = Names(self._names)

    def admit(self, keys: Sequence[str], others: Iterable[str], max_keys: int) -> NDArray[np.int64]:
        """Numbers of keys, shape (keys,), given now if they have none, like those of ``others``.

        Of those beyond the bound, the number of ``(other)``. Most are known, and so are looked up once.
        """
        numbers = np.fromiter(map(self.get, keys, repeat(-1)), np.int64, len(keys))
        unknown = np.flatnonzero(numbers < 0).tolist()
        self.learn({keys[at] for at in unknown} | {key for key in others if key not in self}, max_keys)
        other = self.get(OTHER, 0)
        numbers[unknown] = [self.get(keys[at], other) for at in unknown]
        return numbers


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

    def cells(self, groups: Sequence[Iterable[Rollup]]) -> list[dict[str, Cells]]:
        """What was counted in groups of rollups, each ascending by key and column; new keys get numbers."""
        parts: dict[str, list[KeyCounts]] = {}
        whose: dict[str, list[int]] = {}
        paid: dict[str, set[str]] = {}
        for group, rollups in enumerate(groups):
            for rollup in rollups:
                for counts in rollup.counts:
                    parts.setdefault(counts.dimension, []).append(counts)
                    whose.setdefault(counts.dimension, []).append(group)
                for money in rollup.money:
                    paid.setdefault(money.dimension, set()).add(money.key)
        found: list[dict[str, Cells]] = [{} for _ in groups]
        for dimension in sorted({*parts, *paid}):
            numbers = self.setdefault(dimension, KeyNumbers())
            mine = parts.get(dimension, [])
            keys = [*chain.from_iterable(part.keys for part in mine)]
            numbered = numbers.admit(keys, paid.get(dimension, ()), self._max_keys)
            for group, cells in _cells(numbered, len(numbers), mine, whose.get(dimension, ())):
                found[group][dimension] = cells
        return found

    def money(self, rollups: Iterable[Rollup]) -> dict[MoneyKey, tuple[int, int]]:
        """Orders and amounts in rollups whose keys are known."""
        sums: dict[MoneyKey, tuple[int, int]] = {}
        for rollup in rollups:
            for item in rollup.money:
                key = item.key if item.key in self[item.dimension] else OTHER
                place = MoneyKey(item.dimension, key, item.currency, item.kind)
                orders, amount = sums.get(place, (0, 0))
                sums[place] = (orders + item.orders, amount + item.amount_minor)
        return dict(sorted(sums.items()))


def _cells(
    keys: NDArray[np.int64], known: int, parts: Sequence[KeyCounts], whose: Sequence[int]
) -> Iterator[tuple[int, Cells]]:
    """By group; all parts at once, for most are small and numpy's price is per call."""
    if not parts:
        return
    sizes = np.array([len(part.column) for part in parts])
    firsts = np.cumsum([0, *(len(part.keys) for part in parts)])[:-1]
    index = np.frombuffer(b"".join([part.index for part in parts]), dtype="<u4")
    columns = np.frombuffer(b"".join([part.column for part in parts]), dtype=np.uint8)
    counts = np.frombuffer(b"".join([part.count for part in parts]), dtype="<u8")
    bits = known.bit_length() + COLUMN_BITS
    above = np.repeat(np.array(whose, dtype=np.int64) << bits, sizes)
    places = keys[index + np.repeat(firsts, sizes)] << COLUMN_BITS | columns
    cells, sums = summed(above | places, counts.astype(np.int64))
    groups = sorted({*whose})
    edges = np.searchsorted(cells, np.array([*groups, groups[-1] + 1], dtype=np.int64) << bits).tolist()
    cells &= (1 << bits) - 1
    found = Cells(cells >> COLUMN_BITS, cells & COLUMN_MASK, sums)
    for group, start, end in zip(groups, edges[:-1], edges[1:], strict=True):
        yield group, Cells(*(column[start:end] for column in found))
