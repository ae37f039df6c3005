"""What changes in a source partition, flush by flush, so that another process can follow.

A flush gives the entries that were written since the one before, and a part of all others: so
every rotation through the parts is a whole copy, and whoever applies the flushes from the beginning
of a rotation that was finished has everything that is still needed. No flush is large, nothing
stands still for a copy, and what has expired is not copied any more. (A fuzzy checkpoint beside a
redo log: Gray and Reuter, "Transaction Processing", 1993, 11.4.)

Keys travel by name, once per rotation, under the writer's numbers; the reader has its own.
Rows that wait are not in it: they are read again from the source (:meth:`SourcePartition.rewind`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from streams.core.orders import PaidOrder
from streams.core.rows import Line
from streams.core.slots import SWEEP, TableState
from streams.core.vocabulary import NONE_CODE, OTHER_CODE, REJECTED
from streams.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from streams.core.pipeline import SourcePartition
    from streams.core.vocabulary import KeyTable, Vocabulary

    I32 = NDArray[np.int32]

# A rotation takes at least so many flushes, and at most so many while anything changes at all.
_FEWEST = 8
_MOST = 1200
SLOT, BANNER, SKU, METHOD = 0, 1, 2, 3
# Whose names a table's payload columns need.
_COLUMNS = {"clicks": (SLOT, BANNER), "clicks_by_sku": (SLOT, BANNER), "attempts": (METHOD,)}
_SLOWEST, _FASTEST = -(-SWEEP // _MOST), SWEEP // _FEWEST
_BYTES_PER_KEY = 8
_UNKNOWN = -1
# No vocabulary has a key of such a number.
_NO_CODE = 1 << 26


class Progress(msgspec.Struct, array_like=True):
    """How far counting has come.

    Attributes:
        limit_ms: ordering time below which all that was read is counted.
        counted_until_ms: newest event time counted.
        line_ms: event time before which nothing happens any more, lateness allowed for.
    """

    limit_ms: int
    counted_until_ms: int
    line_ms: int


class Changes(msgspec.Struct, array_like=True):
    """One flush's worth. ``names`` are (code, key) of slots, banners, SKUs and payment methods."""

    progress: Progress
    names: list[list[tuple[int, str]]]
    tables: dict[str, TableState]
    paid: list[tuple[int, int, PaidOrder]]

    @property
    def entries(self) -> int:
        """How many entries of tables, and orders."""
        return sum(len(table.keys) // _BYTES_PER_KEY for table in self.tables.values()) + len(self.paid)


class Taken(NamedTuple):
    """Changes, and whether a rotation begins or ends with them."""

    changes: Changes
    begins: bool
    ends: bool


class ChangeWriter:
    """Takes changes out of one source partition, for one life of it.

    Args:
        counts: the source partition.
        vocabulary: its names.
    """

    def __init__(self, counts: SourcePartition, vocabulary: Vocabulary) -> None:
        self._counts = counts
        self._swept = 0
        self._orders = range(0)
        self._named = _named(vocabulary)
        self._written = [np.zeros(0, dtype=np.bool_) for _ in self._named]
        self._step = _SLOWEST

    def take(self) -> Taken:
        """Changes since the last call, and the next part of a copy of everything."""
        begins = self._swept == 0
        if begins:
            self._orders = self._counts.paid.serials
            self._written = [np.zeros(0, dtype=np.bool_) for _ in self._written]
        part = range(self._swept, min(self._swept + self._step, SWEEP))
        changes = self._counts.changes(part, self._part_of_orders(part))
        self._step = self._next_step(part, changes)
        changes.names = [
            self._names(table, codes) for table, codes in enumerate(_codes(changes, self._named))
        ]
        self._swept = part.stop % SWEEP
        return Taken(changes, begins, part.stop == SWEEP)

    def _next_step(self, part: range, changes: Changes) -> int:
        """As many parts as have about as many entries as were written lately.

        So a rotation is about half copies, and what has to be read of it twice what there is.
        """
        written = self._counts.written
        copied = max(changes.entries - written, 1)
        return min(max(written * len(part) // copied, _SLOWEST), _FASTEST)

    def _part_of_orders(self, part: range) -> range:
        start, size = self._orders.start, len(self._orders)
        return range(start + part.start * size // SWEEP, start + part.stop * size // SWEEP)

    def _names(self, table: int, used: NDArray[np.bool_]) -> list[tuple[int, str]]:
        """Names of codes that this rotation has not written yet."""
        written = np.zeros(used.size, dtype=np.bool_)
        written[: self._written[table].size] = self._written[table]
        new = np.flatnonzero(used & ~written)
        self._written[table] = written | used
        names = self._named[table].names
        return [(code, names[code]) for code in new.tolist()]


def _named(vocabulary: Vocabulary) -> tuple[KeyTable, ...]:
    return (*vocabulary.tables[: SKU + 1], vocabulary.methods)


def _codes(changes: Changes, tables: Sequence[KeyTable]) -> Iterator[NDArray[np.bool_]]:
    """Per dimension, which numbers of keys stand in these changes; those of everybody left out."""
    used = [np.zeros(len(table.names), dtype=np.bool_) for table in tables]
    for name, state in changes.tables.items():
        for table, column in zip(_COLUMNS.get(name, ()), state.payload, strict=True):
            used[table][np.frombuffer(column, dtype=np.int32)] = True
    for _, _, paid in changes.paid:
        for line in paid.lines:
            used[SLOT][line.slot] = used[BANNER][line.banner] = True
            if line.sku > 0:
                used[SKU][line.sku] = True
    for mask in used:
        mask[[NONE_CODE, OTHER_CODE]] = False
    yield from used


class ChangeReader:
    """Applies the changes of one source partition after each other.

    Args:
        counts: a copy of the source partition, or a new one.
        vocabulary: the reader's own names.
    """

    def __init__(self, counts: SourcePartition, vocabulary: Vocabulary) -> None:
        self.counts = counts
        self._tables = _named(vocabulary)
        self.begin_life()

    def begin_life(self) -> None:
        """What comes now is another writer's, with numbers of its own."""
        self._codes = [np.array([NONE_CODE, OTHER_CODE], dtype=np.int32) for _ in self._tables]

    def apply(self, changes: Changes) -> None:
        """Take up what one flush gave.

        Raises:
            CodecError: a key has no name, or this is no partition's state.
        """
        if len(changes.names) != len(self._tables):
            raise CodecError("names of other dimensions")
        for table, names in enumerate(changes.names):
            self._learn(table, names)
        for name, state in changes.tables.items():
            columns = _COLUMNS.get(name, ())
            _check(state, len(columns))
            state.payload[:] = [
                self._renumber(table, np.frombuffer(column, dtype=np.int32)).tobytes()
                for table, column in zip(columns, state.payload, strict=True)
            ]
        paid = [(serial, order, self._order(order_paid)) for serial, order, order_paid in changes.paid]
        self.counts.apply(Changes(changes.progress, [], changes.tables, paid))

    def _learn(self, table: int, names: Sequence[tuple[int, str]]) -> None:
        if not names:
            return
        codes, highest = self._codes[table], max(code for code, _ in names)
        if highest >= _NO_CODE or min(code for code, _ in names) <= OTHER_CODE:
            raise CodecError("a name has no number")
        if highest >= codes.size:
            more = np.full(2 * highest - codes.size + 2, _UNKNOWN, dtype=np.int32)
            codes = self._codes[table] = np.concatenate((codes, more))
        for code, name in names:
            own = self._tables[table][name]
            codes[code] = OTHER_CODE if own == REJECTED else own

    def _renumber(self, table: int, codes: I32) -> I32:
        known = self._codes[table]
        if codes.size and (int(codes.max()) >= known.size or int(codes.min()) < 0):
            raise CodecError("a key has no name")
        own: I32 = known[codes]
        if (own == _UNKNOWN).any():
            raise CodecError("a key has no name")
        return own

    def _order(self, paid: PaidOrder) -> PaidOrder:
        lines = tuple(
            Line(self._sku(sku), self._code(SLOT, slot), self._code(BANNER, banner), amount)
            for sku, slot, banner, amount in paid.lines
        )
        return paid._replace(lines=lines)

    def _sku(self, code: int) -> int:
        # One that the writer had no number for carries what it is in its code.
        return code if code < 0 else self._code(SKU, code)

    def _code(self, table: int, code: int) -> int:
        known = self._codes[table]
        if not 0 <= code < known.size or known[code] == _UNKNOWN:
            raise CodecError("a key has no name")
        return int(known[code])


def _check(state: TableState, columns: int) -> None:
    entries, rest = divmod(len(state.keys), _BYTES_PER_KEY)
    sizes = {len(state.times), *(len(column) for column in state.payload)}
    if rest or sizes != {4 * entries} or (entries and state.base_ms is None):
        raise CodecError("columns differ in length")
    if len(state.payload) != columns:
        raise CodecError("columns of another layout")
