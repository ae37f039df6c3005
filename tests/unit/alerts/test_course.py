"""How an incident's counts went lately."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from jsonschema import Draft202012Validator

import alerts
from alerts.course import course_of, drawn
from alerts.incident import ScopePart, StepPart, record_of
from alerts.lifecycle import Change
from alerts.model import Kind, Reason, Step
from alerts.recent import RecentCounts
from tests.support.messages import incident

STEPS = (Step("order", "paid"), Step("paid", "kept"))
ROWS = {("all", "all"): 0, ("slot", "home.top.1"): 2, ("sku", "S1"): 3}
STILL = np.zeros((4, 2), dtype=np.bool_)


class Table:
    """Four rows, the last a SKU."""

    def row(self, place: tuple[str, str]) -> int | None:
        """By place."""
        return ROWS.get((place[0], place[1]))


TABLE: Any = Table()


def recent(buckets: int = 200) -> RecentCounts:
    """Each bucket n has n reached and 10 expected in the slot, nothing elsewhere; two series of steps."""
    counts = RecentCounts(2)
    counts.resize(np.array([0, 1, 2]))
    for number in range(buckets):
        entered, reached, expected = np.zeros((3, 4, 2))
        reached[2, 0], expected[2, 0] = number, 10.0
        counts.add(entered, reached, expected, (number + 1) * 10_000, STILL)
        counts.note_scatter(np.full((4, 2), 4.0), np.full((4, 2), 0.1))
    return counts


def found(**fields: Any) -> Any:
    """An incident of order>paid at the slot, unless told otherwise."""
    known: dict[str, Any] = {"step": StepPart("order", "paid"), "scope": (ScopePart("slot", "home.top.1"),)}
    return msgspec.structs.replace(incident(), **known | fields)


def test_half_an_hour_by_the_minute() -> None:
    """The newest minute is whole and ends with the newest bucket; the band is what counts scatter by."""
    course = course_of(found(), recent(), TABLE, STEPS)
    assert course is not None
    assert (course.end_ms, course.span_ms, len(course.observed)) == (2_000_000, 60_000, 30)
    assert course.observed[-1] == sum(range(194, 200))
    assert course.observed[0] == sum(range(20, 26))
    assert set(course.expected) == {60.0}
    apart = 1.96 * np.sqrt(60.0 * 4.0 + 36.0)
    assert course.low[0] == pytest.approx(60 - apart, abs=0.01)
    assert course.high[0] == pytest.approx(60 + apart, abs=0.01)


def test_as_much_as_there_is() -> None:
    """After a start fewer minutes, before the first whole one none."""
    course = course_of(found(), recent(17), TABLE, STEPS)
    assert course is not None
    assert list(course.observed) == [sum(range(5, 11)), sum(range(11, 17))]
    assert course_of(found(), recent(5), TABLE, STEPS) is None
    assert course_of(found(), RecentCounts(2), TABLE, STEPS) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"step": None},
        {"step": StepPart("order", "lost")},
        {"scope": (ScopePart("slot", "unheard of"),)},
        {"scope": (ScopePart("sku", "S1"),)},
        {"scope": (ScopePart("slot", "home.top.1"), ScopePart("banner", "b"))},
        {"kind": Kind.SLOWER},
        {"kind": Kind.RULE},
        {"kind": Kind.DATA_OUTAGE},
        {"detail": "method:card"},
    ],
)
def test_what_is_not_kept_has_no_course(fields: dict[str, Any]) -> None:
    """SKUs, combinations, and what is no count of a step."""
    assert course_of(found(**fields), recent(), TABLE, STEPS) is None


def test_it_goes_on_from_a_snapshot() -> None:
    """The same course, and none of its band from a snapshot that knew no scatter."""
    counts, again, older = recent(), RecentCounts(2), RecentCounts(2)
    state = counts.snapshot()
    again.restore(state)
    assert course_of(found(), again, TABLE, STEPS) == course_of(found(), counts, TABLE, STEPS)
    older.restore({name: value for name, value in state.items() if name != "scatter"})
    course = course_of(found(), older, TABLE, STEPS)
    assert course is not None
    assert course.high[0] == pytest.approx(60 + 1.96 * np.sqrt(60.0), abs=0.01)


def test_it_stands_in_what_is_told() -> None:
    """As the schema says."""
    (change,) = drawn([Change(found(), Reason.OPENED)], recent(), TABLE, STEPS)
    assert change.incident.course is not None
    schema = json.loads((Path(alerts.__file__).parent / "schema" / "incident-v1.json").read_text())
    Draft202012Validator(schema).validate(json.loads(json.dumps(record_of(change.incident))))
