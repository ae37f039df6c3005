"""What nothing is learnt of."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.frozen import frozen
from alerts.identity import Identity, family_of
from alerts.model import EVERYWHERE, Kind, Place, Step
from alerts.series import SeriesTable
from streams.closed import Cells, ClosedBucket
from streams.funnel import DEFAULT_NODES

STEPS = (Step("exposure", "click"), Step("click", "view"))
TOP, LIST = Place("slot", "top"), Place("slot", "list")
DROP = family_of(Kind.CONVERSION_DROP)


@pytest.fixture
def table() -> SeriesTable:
    """Rows: all, top, list."""
    table = SeriesTable(("all", "slot"), len(STEPS))
    names = {"all": ["all"], "slot": ["top", "list"]}
    one, two = Cells(*np.array([[0], [0], [1]])), Cells(*np.array([[0, 1], [0, 0], [1, 1]]))
    table.take(ClosedBucket(0, 0, True, DEFAULT_NODES, 7, names, {"all": one, "slot": two}))
    return table


@pytest.mark.parametrize(
    ("identity", "rows"),
    [
        (Identity(DROP, (LIST,), STEPS[1], ""), [False, False, True]),
        (Identity(DROP, (TOP, LIST), STEPS[1], ""), [False, True, True]),
        (Identity(DROP, EVERYWHERE, STEPS[1], ""), [True, True, True]),
        (Identity(DROP, (Place("slot", "gone"),), STEPS[1], ""), [False, False, False]),
        (Identity(Kind.RULE, EVERYWHERE, STEPS[1], "line"), [False, False, False]),
        (Identity(DROP, EVERYWHERE, None, ""), [False, False, False]),
        (Identity(DROP, EVERYWHERE, Step("a", "b"), ""), [False, False, False]),
    ],
)
def test_open_incidents_freeze_their_series(table: SeriesTable, identity: Identity, rows: list[bool]) -> None:
    """At their step, on the rows that are watched; a line that somebody drew freezes none."""
    found = frozen(table, STEPS, np.array([True, True]), [identity])
    assert found.T.tolist() == [[False] * 3, rows]


def test_what_is_not_believed_is_frozen(table: SeriesTable) -> None:
    """A step of every row."""
    assert frozen(table, STEPS, np.array([False, True]), []).T.tolist() == [[True] * 3, [False] * 3]
