"""Expected conversions of windows to date, and of rows that are asked for."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from alerts.expectation.readiness import Code
from alerts.expectation.series import Expected
from alerts.expected_windows import MOST_ROWS, ExpectedWindows

MIDNIGHT = 1_762_819_200_000
BUCKET = 10_000
DAY = {"day": MIDNIGHT}


def judged(mean: list[float], code: Code = Code.MONITORED) -> Expected:
    """What was expected of one step of some rows; the rest is not looked at."""
    shape = (len(mean), 1)
    column, nothing = np.array(mean).reshape(shape), np.zeros(shape)
    readiness = np.full(shape, code, dtype=np.int8)
    doubt = np.zeros(1, dtype=np.bool_)
    return Expected(
        column, column, column, nothing, nothing, readiness, nothing, nothing, np.zeros(1), doubt, ()
    )


def add(
    windows: ExpectedWindows, number: int, entered: list[float], mean: list[float], **more: object
) -> None:
    """A bucket after midnight."""
    at_ms = MIDNIGHT + number * BUCKET
    code = more.get("code", Code.MONITORED)
    assert isinstance(code, Code)
    windows.add(at_ms, np.array(entered).reshape(-1, 1), judged(mean, code), DAY)


def rows(*numbers: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Rows of the table."""
    return np.array(numbers, dtype=np.int64)


def test_a_day_from_its_beginning() -> None:
    """Of all rows, also those that come later; of one that nobody entered, and of one to come, nothing is known."""
    windows = ExpectedWindows(1)
    add(windows, 0, [100.0, 0.0], [10.0, 0.0])
    add(windows, 1, [100.0, 0.0, 50.0], [30.0, 0.0, 10.0])
    found = windows.to_date("day", rows(0, 1, 2, 3), 0)
    assert found is not None
    assert found[[0, 2]] == pytest.approx([0.2, 0.2])
    assert np.isnan(found[[1, 3]]).all()


def test_a_day_whose_beginning_was_missed_is_not_known() -> None:
    """Rather nothing than half a day beside a whole one."""
    windows = ExpectedWindows(1)
    add(windows, 1, [100.0], [10.0])
    assert windows.to_date("day", rows(0), 0) is None
    assert windows.to_date("promotion:D11", rows(0), 0) is None


def test_the_next_day_begins_anew() -> None:
    """And what is over is let go."""
    windows = ExpectedWindows(1)
    add(windows, 0, [100.0], [10.0])
    tomorrow = MIDNIGHT + 86_400_000
    windows.add(tomorrow, np.array([[10.0]]), judged([5.0]), {"day": tomorrow})
    assert windows.to_date("day", rows(0), 0) == pytest.approx([0.5])


def test_while_it_learns_nothing_is_summed_up() -> None:
    """What was expected then was a guess."""
    windows = ExpectedWindows(1)
    add(windows, 0, [100.0], [90.0], code=Code.LEARNING)
    add(windows, 1, [100.0], [10.0])
    assert windows.to_date("day", rows(0), 0) == pytest.approx([0.1])


def test_a_row_is_kept_from_when_it_is_asked_for() -> None:
    """And known once the window is whole, as it slides on."""
    windows, found = ExpectedWindows(1), []
    for number in range(12):
        add(windows, number, [1.0, 100.0], [1.0, float(number)])
        found.append(float(windows.sliding(60_000, rows(1), 0)[0]))
    assert np.isnan(found[:6]).all()
    assert found[6:] == pytest.approx([sum(range(at - 5, at + 1)) / 600 for at in range(6, 12)])


def test_there_is_room_for_so_many() -> None:
    """More are not known; who was not asked for in an hour makes room."""
    windows, many = ExpectedWindows(1), np.arange(MOST_ROWS)
    values = [1.0] * (MOST_ROWS + 1)
    windows.sliding(60_000, many, 0)
    found = []
    for number in range(400):
        add(windows, number, values, values)
        found.append(float(windows.sliding(60_000, rows(MOST_ROWS), 0)[0]))
    assert np.isnan(found[:300]).all()
    assert found[-1] == pytest.approx(1.0)


def test_a_snapshot_has_the_day() -> None:
    """As plain data; it goes on from there."""
    windows, heir = ExpectedWindows(1), ExpectedWindows(1)
    add(windows, 0, [100.0], [10.0])
    heir.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(windows.snapshot())))
    add(heir, 1, [100.0], [30.0])
    assert heir.to_date("day", rows(0), 0) == pytest.approx([0.2])
