"""Placing panels."""

from __future__ import annotations

from grafana.mixin.dashboard import Board, Row
from grafana.mixin.panels import Link, Panel, Query, stat
from grafana.mixin.variables import JOB

LINK = Link("elsewhere", "/d/elsewhere")


def of(width: int, height: int) -> Panel:
    """A panel of a size."""
    return stat("n", "A number.", "short", LINK, Query("up"), width=width, height=height)


def places(*rows: Row) -> list[tuple[int, int, int, int]]:
    """Number, x, y and height of everything."""
    panels = Board("b", "B", "", (), rows).json()["panels"]
    return [(one["id"], one["gridPos"]["x"], one["gridPos"]["y"], one["gridPos"]["h"]) for one in panels]


def test_panels_fill_a_row_and_go_on_below() -> None:
    """From left to right, then below the highest of those above; a heading is one high."""
    found = places(Row("a", (of(12, 4), of(12, 8), of(8, 3))), Row("b", (of(24, 2),)))
    assert found == [(1, 0, 0, 1), (2, 0, 1, 4), (3, 12, 1, 8), (4, 0, 9, 3), (5, 0, 12, 1), (6, 0, 13, 2)]


def test_a_uid_follows_from_the_name() -> None:
    """Links know it without asking."""
    assert Board("slots", "Slots", "", (), ()).uid == "funnelwatch-slots"


def test_a_board_without_variables_has_no_marks() -> None:
    """Annotations ask for a deployment, which such a board does not know."""
    assert Board("b", "B", "", (), ()).json()["annotations"]["list"] == []
    assert len(Board("b", "B", "", (JOB,), ()).json()["annotations"]["list"]) == 2
