"""Expected conversion by key, for what is shown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from alerts.expectation.readiness import Code
from alerts.expected_ratios import expected_ratios
from alerts.recent import RecentCounts
from alerts.series import SeriesTable
from streams.closed import BUCKET_MS, Cells, ClosedBucket
from streams.funnel import DEFAULT_NODES

if TYPE_CHECKING:
    from alerts.expectation.series import Expected


@pytest.fixture
def table() -> SeriesTable:
    """Rows: all, top, list."""
    table = SeriesTable(("all", "slot"), 2)
    names = {"all": ["all"], "slot": ["top", "list"]}
    one, two = Cells(*np.array([[0], [0], [1]])), Cells(*np.array([[0, 1], [0, 0], [1, 1]]))
    table.take(ClosedBucket(0, 0, True, DEFAULT_NODES, 7, names, {"all": one, "slot": two}))
    return table


def monitored(codes: list[list[int]]) -> Expected:
    """All that is asked of what was expected."""
    return cast("Expected", SimpleNamespace(readiness=np.array(codes)))


def test_of_what_is_monitored_and_was_entered(table: SeriesTable) -> None:
    """Sums of the window, by dimension and step."""
    recent, nobody = RecentCounts(2), np.zeros((3, 2), np.bool_)
    recent.resize(np.arange(3))
    entered = np.array([[10.0, 4.0], [6.0, 0.0], [4.0, 4.0]])
    for bucket in (1, 2):
        recent.add(entered, entered, entered / 2, bucket * BUCKET_MS, nobody)
    codes = monitored([[Code.MONITORED] * 2, [Code.MONITORED] * 2, [Code.LEARNING, Code.MONITORED]])
    found = expected_ratios(table, recent, codes, 60_000)
    assert found == {
        ("all", 0): {"all": 0.5},
        ("all", 1): {"all": 0.5},
        ("slot", 0): {"top": 0.5},
        ("slot", 1): {"list": 0.5},
    }


def test_nothing_is_known_before_the_first_bucket(table: SeriesTable) -> None:
    """Nor before anything was expected."""
    assert expected_ratios(table, RecentCounts(2), None, 60_000) == {}
