"""What arrives later waits for its block, and comes out in order."""

from __future__ import annotations

import numpy as np

from streams.demo.calendar_queue import Calendar
from streams.demo.event_rows import ROW

START_MS = 1_762_689_600_000


def test_the_calendar_hands_out_every_row_once_in_order() -> None:
    """A block's rows come sorted by arrival, equal arrivals as they were added; nothing stays behind."""
    calendar, rng = Calendar(START_MS, 1_000), np.random.default_rng(3)
    rows = np.zeros(5_000, ROW)
    rows["arrival"] = START_MS + rng.integers(-2_000, 8_000, 5_000)
    rows["number"] = np.arange(5_000)
    calendar.add(rows[:0])
    for part in np.split(rows, 7 * np.arange(1, 700)):
        calendar.add(part)
    assert len(calendar) == 5_000
    taken = [row for block in range(-2, 8) for row in calendar.due(block).tolist()]
    assert taken == sorted(rows.tolist(), key=lambda row: (row[0], row[3]))
    assert len(calendar) == 0
    assert len(calendar.due(3)) == 0
