"""The chart: five minutes at a time, expected beside observed, with its band."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streams.web.chart import chart, drawing
from tests.support.live import picture_of, windows_of
from tests.support.window_oracle import BUCKET


def test_conversion_against_what_was_expected() -> None:
    """The product over the steps; the band is as wide as the counts of five minutes are uncertain."""
    picture = picture_of(windows_of(60))
    data = chart(picture)
    assert len(data.at_s) == 31
    assert data.at_s[-1] * 1000 == picture.end_ms
    assert data.at_s[1] - data.at_s[0] == BUCKET // 1000
    assert data.observed[0] == data.expected[0] == pytest.approx(0.1)
    # In five minutes: 2,700, 1,200, 600, 360 and 300 are expected.
    spread = sum(1 / count for count in (2_700, 1_200, 600, 360, 300)) ** 0.5
    assert data.upper[0] == pytest.approx(0.1 * np.exp(1.96 * spread), abs=1e-5)
    assert data.lower[0] == pytest.approx(0.1 / np.exp(1.96 * spread), abs=1e-5)


def test_nothing_is_drawn_of_less_than_five_minutes() -> None:
    """Nor of a shop that nobody judged."""
    assert drawing(chart(picture_of(windows_of(20)))) is None


def test_what_is_not_known_is_left_out() -> None:
    """While it is learning, and where more would have to pay than clicked."""
    picture = picture_of(windows_of(60))
    learning = replace(picture.judged, monitored=np.zeros_like(picture.judged.monitored))
    data = chart(replace(picture, judged=learning))
    assert set(data.expected) == {None}
    assert data.observed[0] == pytest.approx(0.1)
    buckets = picture.judged.buckets.copy()
    buckets[:, 2] *= 10
    data = chart(replace(picture, judged=replace(picture.judged, buckets=buckets)))
    assert set(data.expected) == set(data.upper) == {None}
    drawn = drawing(data)
    assert drawn is not None
    assert (drawn.band, drawn.expected) == ("", "")


def test_a_drawing_stays_within_its_frame() -> None:
    """Every point of every line."""
    drawn = drawing(chart(picture_of(windows_of(60))))
    assert drawn is not None
    for line in (drawn.band, drawn.expected, drawn.observed):
        for point in line.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 640
            assert 0 <= y <= 200
