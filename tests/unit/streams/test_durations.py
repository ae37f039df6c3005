"""Rules of durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.durations import format_duration, parse_duration_ms


@pytest.mark.parametrize(
    ("text", "span_ms"),
    [
        ("250ms", 250),
        ("5s", 5_000),
        ("10m", 600_000),
        ("1h", 3_600_000),
        ("3d", 259_200_000),
        ("1h30m", 5_400_000),
        ("5 s", 5_000),
        ("0s", 0),
        ("1500", 1_500),
        (1500, 1_500),
    ],
)
def test_units(text: object, span_ms: int) -> None:
    """Number and unit, several of them, or a plain number, which is milliseconds."""
    assert parse_duration_ms(text) == span_ms


@pytest.mark.parametrize(
    "text",
    ["", "5 parsecs", "s", "-5s", "1.5s", "5S", "\u0661s", "²", "1:30", "9" * 16, True, 5.0, None, ["5s"]],
)
def test_refusals(text: object) -> None:
    """Anything else is refused, not guessed at; true is no number, and digits are ASCII."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration_ms(text)


@given(st.integers(min_value=0, max_value=10**13))
def test_round_trip(span_ms: int) -> None:
    """What is written is read back to the millisecond."""
    assert parse_duration_ms(format_duration(span_ms)) == span_ms


def test_shortest_text() -> None:
    """A span is written with the largest units that fit, and without empty ones."""
    assert [format_duration(span) for span in (0, 90_000, 86_400_001)] == ["0s", "1m30s", "1d1ms"]
