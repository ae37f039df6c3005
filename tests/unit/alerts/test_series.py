"""Rows of watched series: keys get rows once, and counts come out by row and step."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.model import Place, Step
from alerts.series import SeriesTable, steps_of
from streams.closed import VISITORS, Cells, ClosedBucket
from streams.funnel import DEFAULT_NODES, OTHER

NAMES = {"all": ["all"], "slot": ["top", OTHER, "list"]}
EXPOSURE, CLICK, VIEW, PAID = 0, 1, VISITORS + 2, VISITORS + 6


def cells(*triples: tuple[int, int, int]) -> Cells:
    """Key numbers, columns and counts."""
    keys, columns, counts = zip(*triples, strict=True)
    return Cells(np.array(keys), np.array(columns), np.array(counts))


def closed(
    counts: dict[str, Cells], late: tuple[tuple[int, dict[str, Cells]], ...] = (), start_ms: int = 60_000
) -> ClosedBucket:
    """A closed bucket of the default funnel."""
    return ClosedBucket(start_ms, start_ms + 15_000, True, DEFAULT_NODES, 7, NAMES, counts, late)


@pytest.fixture
def table() -> SeriesTable:
    """A table of the default funnel."""
    return SeriesTable(("all", "slot"), 6)


def test_first_step_is_of_events_and_the_others_of_visitors(table: SeriesTable) -> None:
    """Exposures have no visitors; from the click on, like is compared with like."""
    counts = table.take(
        closed(
            {
                "all": cells(
                    (0, EXPOSURE, 100), (0, CLICK, 9), (0, VISITORS + 1, 8), (0, VIEW, 7), (0, PAID, 1)
                ),
                "slot": cells((2, EXPOSURE, 40), (2, CLICK, 5)),
            }
        )
    )
    assert [table.place(row) for row in range(len(table))] == [Place("all", "all"), Place("slot", "list")]
    assert counts.entered.tolist() == [[100, 8, 7, 0, 0, 0], [40, 0, 0, 0, 0, 0]]
    assert counts.reached.tolist() == [[9, 7, 0, 0, 0, 1], [5, 0, 0, 0, 0, 0]]
    assert table.levels.tolist() == [0, 1]


def test_what_comes_late_arrives_now_but_entered_then(table: SeriesTable) -> None:
    """A late arrival counts when it is heard of, a late entry in its own bucket."""
    late = (30_000, {"slot": cells((0, EXPOSURE, 3), (0, CLICK, 2))})
    counts = table.take(closed({"slot": cells((0, EXPOSURE, 10), (0, CLICK, 1))}, (late,)))
    assert counts.entered[0, 0] == 10
    assert counts.reached[0, 0] == 3
    assert [column.tolist() for column in counts.late] == [[30_000], [0], [0], [3.0]]


def test_other_is_not_watched_and_rows_are_bounded() -> None:
    """Keys in (other) come and go; beyond the limit keys are only counted."""
    table = SeriesTable(("all", "slot"), 6, max_rows=1)
    counts = table.take(closed({"slot": cells((1, EXPOSURE, 5), (0, EXPOSURE, 4), (2, EXPOSURE, 3))}))
    assert [table.place(row) for row in range(len(table))] == [Place("slot", "top")]
    assert counts.entered[:, 0].tolist() == [4]
    assert table.unwatched == 1


def test_rows_survive(table: SeriesTable) -> None:
    """Restored from a snapshot, a key has the row it had, and new ones come behind."""
    table.take(closed({"slot": cells((2, EXPOSURE, 1))}))
    again = SeriesTable(("all", "slot"), 6)
    again.restore(table.snapshot())
    counts = again.take(closed({"slot": cells((0, EXPOSURE, 2), (2, EXPOSURE, 3))}))
    assert counts.entered[:, 0].tolist() == [3, 2]
    assert again.row(Place("slot", "top")) == 1
    assert again.row(Place("slot", "nowhere")) is None


def test_steps_are_pairs_of_nodes() -> None:
    """Outcomes of orders stand among the stages, but are of no step."""
    stages = (*DEFAULT_NODES, "payment_attempt")
    bucket = ClosedBucket(0, 0, True, stages, 7, {}, {})
    assert steps_of(bucket)[0] == Step("exposure", "click")
    assert steps_of(bucket)[-1] == Step("order", "paid")
    assert len(steps_of(bucket)) == 6
