"""Cells in little memory, exact whatever their counts."""

from __future__ import annotations

import numpy as np
import pytest

from streams.core.packed_cells import COLUMNS, CellSums, PackedCells, pack, total, unpack


def packed(**counts: int) -> PackedCells:
    """Cells written as ``k3c1=5``: five in column 1 of key 3."""
    cells = {
        int(name[1 : name.index("c")]) * COLUMNS + int(name[name.index("c") + 1 :]): n
        for name, n in counts.items()
    }
    return pack(np.array(sorted(cells)), np.array([cells[cell] for cell in sorted(cells)]))


@pytest.mark.parametrize("count", [255, 256, 65_535, 65_536, (1 << 32) - 1, 1 << 32, 1 << 60])
def test_counts_of_any_size(count: int) -> None:
    """They are what they were, there and back, and added up without overflow."""
    one = packed(k0c1=count, k7c31=1)
    again = unpack(one.state())
    assert (again.cells.tolist(), again.counts.tolist()) == (one.cells.tolist(), one.counts.tolist())
    assert total([one, again]).row(0)[1] == 2 * count


def test_a_row() -> None:
    """Counts of one key by column; 0 where it has none."""
    one = packed(k1c0=1, k2c0=2, k2c31=3, k3c5=4)
    assert one.row(2).nonzero()[0].tolist() == [0, 31]
    assert one.row(2)[[0, 31]].tolist() == [2, 3]
    assert not one.row(9).any()


def test_damaged() -> None:
    """What no packing wrote is refused."""
    kind, cells, counts = packed(k1c1=1).state()
    for state in (("<f8", cells, counts), (kind, cells + cells, counts)):
        with pytest.raises(ValueError, match=r"type|length"):
            unpack(state)


def test_sums_grow_with_the_keys() -> None:
    """A key that was not there yet has counted nothing; what is taken away again leaves nothing."""
    sums, one, other = CellSums(), packed(k1c1=5), packed(k1c1=2, k400c3=7)
    sums.add("sku", one)
    sums.add("sku", other)
    assert sums.row("sku", 1)[1] == 7
    assert sums.rows("sku", np.array([400, 1, 9_999]))[:, [1, 3]].tolist() == [[0, 7], [7, 0], [0, 0]]
    assert CellSums.restore(sums.state()).row("sku", 400)[3] == 7
    sums.subtract("sku", other)
    sums.subtract("sku", one)
    assert not sums.state()["sku"][1]
    assert not sums.row("slot", 0).any()
