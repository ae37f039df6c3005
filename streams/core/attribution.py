"""To which slot and banner an event after the click is owed, by one of three models.

What a line carries itself wins, field by field. What it lacks it takes from the visitor's clicks
on the same SKU at most the window before it, or from those on anything if there are none: from
the newest click (``last``), from the earliest touch (``first``), or in equal shares from all of
them (``linear``). A click without a slot gives none; no other click fills in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.core.clicks import Clicks
from streams.core.credit import Asking, FirstTouch, LastClick, LinearTouches
from streams.core.hashing import combine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from streams.core.credit import Model
    from streams.core.lines import Lines
    from streams.core.rows import Rows
    from streams.core.settings import AttributionModel
    from streams.core.slots import TimedSlots
    from streams.core.vocabulary import Vocabulary

    U64 = NDArray[np.uint64]
    I64 = NDArray[np.int64]
    I32 = NDArray[np.int32]
    I16 = NDArray[np.int16]

MODELS: Mapping[AttributionModel, Callable[[int], Model]] = {
    "last": LastClick,
    "first": FirstTouch,
    "linear": LinearTouches,
}


class Attribution:
    """Visitors' clicks, and the lines that are owed to them.

    Args:
        vocabulary: stages and key numbers.
        model: ``last``, ``first`` or ``linear``.
        window_ms: how long before an event a click may lie, inclusive.
    """

    def __init__(self, vocabulary: Vocabulary, model: AttributionModel, window_ms: int) -> None:
        self._sku = vocabulary.sku
        self._click = vocabulary.stages.click
        self._model = MODELS[model](window_ms)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(table.nbytes for table in self.tables().values())

    def tables(self) -> dict[str, TimedSlots]:
        """The state, for a snapshot."""
        by_visitor, by_sku = self._model.memories
        return {"clicks": by_visitor.slots, "clicks_by_sku": by_sku.slots}

    def attribute(self, rows: Rows, lines: Lines, cutoff_ms: int) -> Lines:
        """The lines with slots and banners they owe to clicks; takes in the clicks among the rows.

        Lines are filled in in place, or split into shares. Clicks from before ``cutoff_ms`` may
        be forgotten.
        """
        node = rows.node[lines.row]
        visitor = rows.visitor[lines.row]
        sku = self._sku.identities(lines.keys[2])
        # Not by the SKU's number: the next owner of this state numbers others, or not this one.
        keys = visitor, combine(visitor, sku.astype(np.uint64))
        asking = self._asking(rows, lines, node, sku, keys)
        return self._model.attribute(lines, asking, self._clicks(rows, lines, node, sku, keys), cutoff_ms)

    def _asking(self, rows: Rows, lines: Lines, node: I16, sku: I32, keys: tuple[U64, U64]) -> Asking:
        visitor, by_sku = keys
        at = np.flatnonzero((node > self._click) & ((lines.keys[0] == 0) | (lines.keys[1] == 0)))
        # A line without a SKU of its own asks under a key that no click answers to.
        own = np.where(sku[at] < 0, by_sku[at], ~visitor[at])
        row = lines.row[at]
        return Asking(at, (visitor[at], own), row, rows.time[row])

    def _clicks(
        self, rows: Rows, lines: Lines, node: I16, sku: I32, keys: tuple[U64, U64]
    ) -> tuple[Clicks, Clicks]:
        at = np.flatnonzero(node == self._click)
        on_sku = at[sku[at] < 0]
        return _columns(rows, lines, at, keys[0]), _columns(rows, lines, on_sku, keys[1])


def _columns(rows: Rows, lines: Lines, at: I64, keys: U64) -> Clicks:
    row = lines.row[at]
    return Clicks(keys[at], row, rows.time[row], lines.keys[0, at], lines.keys[1, at])
