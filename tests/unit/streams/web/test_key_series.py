"""What one key had, bucket by bucket, from the windows."""

from __future__ import annotations

from streams.web.key_series import key_series
from streams.web.queries import SeriesQuery
from tests.support.live import T0, windows_of
from tests.support.window_oracle import BUCKET


def asked(
    key: str = "SKU_1", minutes: int = 60, from_node: str = "click", to_node: str = "view"
) -> SeriesQuery:
    """Of a SKU."""
    return SeriesQuery(dimension="sku", key=key, from_node=from_node, to_node=to_node, minutes=minutes)


def test_every_bucket_since_it_began() -> None:
    """From the first bucket that there was, oldest first."""
    found = key_series(windows_of(9), asked())
    assert found is not None
    assert [point.start_ms for point in found.points] == [T0 + at * BUCKET for at in range(9)]
    assert {(point.entered, point.reached) for point in found.points} == {(100, 90)}


def test_the_last_minutes() -> None:
    """No more than were asked for; of the first step events."""
    found = key_series(windows_of(30), asked(minutes=1, from_node="exposure", to_node="click"))
    assert found is not None
    assert [(point.entered, point.reached) for point in found.points] == [(300, 100)] * 6


def test_what_is_not_there() -> None:
    """A key that nobody has seen, nodes that are no step."""
    windows = windows_of(2)
    assert key_series(windows, asked("nobody")) is None
    assert key_series(windows, asked(from_node="click", to_node="paid")) is None
