"""The scorecard as a table: rows of the most exposed keys, lines and totals of all."""

from __future__ import annotations

import msgspec
import pytest

from alerts.diagnosis.scorecard import scorecard
from streams.closed import VISITORS
from streams.core.score_table import ScoreTable, score_table
from streams.core.windows import Windows
from tests.support.window_oracle import Buckets, Counts

T0 = 1_762_819_200_000
CLICK, PAID = VISITORS + 1, VISITORS + 6


def slot(key: str, exposures: int, entries: int, conversions: int) -> Counts:
    """Counts of a slot."""
    cells = {0: exposures, CLICK: entries, PAID: conversions}
    return {("slot", key, column): count for column, count in cells.items() if count}


def table(counts: Counts, most: int = 10, dimension: str = "slot") -> ScoreTable:
    """The table of one bucket."""
    windows = Windows()
    windows.take(Buckets().close(T0, counts))
    return score_table(windows, "1h", dimension, scorecard, most)


SHOP = (
    slot("star", 9_000, 900, 180)
    | slot("gem", 900, 400, 80)
    | slot("middle", 900, 2_000, 200)
    | slot("waste", 8_000, 900, 9)
)
SHOP |= slot("tail", 800, 300, 3) | slot("few", 10, 0, 0)


def test_every_key_has_its_place() -> None:
    """Much exposed or little, converting better or worse; and one of which nobody can tell."""
    found = {row.key: row.quadrant for row in table(SHOP).rows}
    assert found == {
        "star": "star",
        "gem": "hidden_gem",
        "waste": "wasted_traffic",
        "tail": "tail",
        "middle": "unclear",
        "few": "unclear",
    }


def test_rates_stand_beside_their_counts() -> None:
    """A key that nobody clicked has none."""
    rows = {row.key: row for row in table(SHOP).rows}
    assert (rows["star"].conversions, rows["star"].entries, rows["star"].rate) == (180, 900, 0.2)
    assert rows["star"].lower < 0.2 < rows["star"].upper
    assert rows["few"].rate is None


def test_rows_are_bounded_and_totals_are_not() -> None:
    """The most exposed keys have rows; all of them draw the lines and are summed up."""
    whole, part = table(SHOP), table(SHOP, most=2)
    assert [row.key for row in part.rows] == ["star", "waste"]
    assert part.keys == whole.keys
    assert whole.keys == {"star": 1, "hidden_gem": 1, "wasted_traffic": 1, "tail": 1, "unclear": 2}
    assert (part.conversion_line, part.exposure_line) == (whole.conversion_line, whole.exposure_line)


def test_it_is_plain_data() -> None:
    """JSON and back."""
    found = table(SHOP)
    assert msgspec.json.decode(msgspec.json.encode(found), type=ScoreTable) == found


def test_what_there_is_not_is_refused() -> None:
    """A dimension of our own as well as one that nobody has."""
    with pytest.raises(KeyError, match="nothing"):
        table(SHOP, dimension="nothing")
