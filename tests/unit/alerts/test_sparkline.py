"""The small picture of an incident: pixels where the numbers say, and nothing else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from alerts.incident import CoursePart
from alerts.sparkline import HEIGHT, WIDTH, sparkline
from tests.support.pngs import pixels_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WHITE, BAND, TINT = (255, 255, 255), (200, 220, 245), (250, 205, 205)
RED, BLUE = (200, 40, 50), (60, 110, 190)
# Expected 50 of 100 high; the band from 40 to 60. Nothing is seen in the second half.
HALF: Final = CoursePart(0, 60_000, (50.0,) * 15 + (0.0,) * 15, (50.0,) * 30, (40.0,) * 30, (60.0,) * 30)
LOW, HIGH = 10.0, HEIGHT - 10.0


def y_of(value: float, top: float) -> float:
    """Pixels from above."""
    return HIGH - value / top * (HIGH - LOW)


def at(found: NDArray[np.uint8], x: float, y: float) -> tuple[int, ...]:
    """The colour of the pixel at a point."""
    return tuple(found[int(y), int(x)].tolist())


def test_each_thing_is_where_its_number_is() -> None:
    """Line, band, expectation, and the room that was lost."""
    found, top = pixels_of(sparkline(HALF)), 60.0 * 1.08
    assert found.shape == (HEIGHT, WIDTH, 3)
    left, right = WIDTH * 0.25, WIDTH * 0.75
    assert at(found, left, y_of(50, top)) == RED
    assert at(found, right, y_of(50, top)) == BLUE
    assert at(found, right, y_of(0, top)) == RED
    assert at(found, right, y_of(45, top)) == at(found, left, y_of(57, top)) == BAND
    assert at(found, right, y_of(20, top)) == TINT
    assert at(found, left, y_of(20, top)) == at(found, left, y_of(63, top)) == WHITE


def test_a_surge_is_tinted_above() -> None:
    """What was seen beyond the band, up to the line."""
    surge = msgspec.structs.replace(HALF, observed=(50.0,) * 15 + (100.0,) * 15)
    found, top = pixels_of(sparkline(surge)), 100.0 * 1.08
    assert at(found, WIDTH * 0.75, y_of(80, top)) == TINT
    assert at(found, WIDTH * 0.25, y_of(80, top)) == WHITE


def test_a_steep_line_has_no_holes() -> None:
    """Where it falls from one column to the next it is drawn all the way."""
    found, top = pixels_of(sparkline(HALF)), 60.0 * 1.08
    red = (found[:, :, 0] > 180) & (found[:, :, 1] < 120)
    assert red[int(y_of(49, top)) : int(y_of(1, top))].any(axis=1).all()


def test_the_margin_is_white() -> None:
    """Nothing is drawn beyond the frame, even where numbers go from 0 to the top."""
    found = pixels_of(sparkline(msgspec.structs.replace(HALF, observed=(0.0, 1e6) * 15)))
    assert (found[:, :10] == 255).all()
    assert (found[:, -10:] == 255).all()
    assert (found[:8] == 255).all()


def test_the_same_course_is_the_same_picture() -> None:
    """To the byte, and small enough for any chat."""
    assert sparkline(HALF) == sparkline(HALF)
    assert len(sparkline(HALF)) < 10_000


@pytest.mark.parametrize("values", [(0.0,), (0.0, 0.0), (1e-9,) * 3, (1e12, 0.0)])
def test_any_numbers_make_a_picture(values: tuple[float, ...]) -> None:
    """One point, nothing at all, very little, very much."""
    course = CoursePart(0, 60_000, values, values, values, values)
    assert pixels_of(sparkline(course)).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    "values",
    [
        ((), (), (), ()),
        ((1.0,), (1.0, 2.0), (1.0,), (1.0,)),
        ((math.nan,), (1.0,), (1.0,), (1.0,)),
        ((1.0,), (1.0,), (1.0,), (math.inf,)),
        ((1.0,) * 1_001,) * 4,
    ],
)
def test_what_is_no_course_is_refused(values: tuple[tuple[float, ...], ...]) -> None:
    """No point, lists of different length, numbers that are none."""
    with pytest.raises(ValueError, match=r"lists|finite"):
        sparkline(CoursePart(0, 60_000, *values))


@pytest.mark.parametrize("size", [(20, 100), (100, 0), (5_000, 100)])
def test_what_is_no_size_is_refused(size: tuple[int, int]) -> None:
    """Smaller than its margins, or immense."""
    with pytest.raises(ValueError, match="pixels"):
        sparkline(HALF, *size)
