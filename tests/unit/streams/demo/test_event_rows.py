"""Rows of simulated events: joined as they are, read out as a matrix, moved to a later node."""

from __future__ import annotations

import numpy as np

from streams.demo.event_rows import COLUMNS, ROW, joined, later, plain
from streams.demo.shop import CLICK, VIEW


def test_parts_are_joined_in_their_order_as_a_copy() -> None:
    """Also parts without rows; what happens to the whole does not happen to its parts."""
    first, second = np.zeros(2, ROW), np.ones(3, ROW)
    whole = joined(first, first[:0], second)
    assert whole["order"].tolist() == [0, 0, 1, 1, 1]
    whole["order"] = 7
    assert second["order"].tolist() == [1, 1, 1]


def test_the_matrix_has_a_column_for_every_name() -> None:
    """In the order of their names, so a row is read out at once; it is the rows themselves."""
    rows = np.zeros(2, ROW)
    for number, name in enumerate(COLUMNS):
        rows[name] = number
    matrix = plain(rows)
    assert matrix.tolist() == [list(range(len(COLUMNS)))] * 2
    matrix[0, COLUMNS.index("sku")] = -1
    assert rows["sku"].tolist() == [-1, COLUMNS.index("sku")]


def test_a_later_event_leaves_the_earlier_one_as_it_was() -> None:
    """It is of another kind and later by whole milliseconds; all else is as it was."""
    clicks = np.zeros(2, ROW)
    clicks["kind"], clicks["time"], clicks["sku"] = CLICK, 100, 5
    views = later(clicks, VIEW, np.array([0.9, 20.0]))
    assert [views[name].tolist() for name in ("kind", "time", "sku")] == [[VIEW] * 2, [100, 120], [5, 5]]
    assert [clicks[name].tolist() for name in ("kind", "time")] == [[CLICK] * 2, [100, 100]]
