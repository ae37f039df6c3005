"""Which times a report looks at."""

from __future__ import annotations

from itertools import pairwise

import pytest

from streams.promotions import Calendar
from streams.report.outline import edges_of, outline_of, steps_of
from tests.support.reported import D9, D11, DAY, HOUR, MINUTE, START, sale


def test_the_last_promotion_and_the_days_before() -> None:
    """A week before nothing was on, nor was the day before; every phase has its counterpart."""
    outline = outline_of(D11, Calendar([D9, D11]), "UTC")
    assert outline.last == D9
    for days in (7, 1):
        for span, times in zip(D11.spans, outline.earlier[days], strict=True):
            assert times == (span.start_ms - days * DAY, span.end_ms - days * DAY)


def test_a_day_with_a_promotion_is_no_measure() -> None:
    """What lifted that day would be taken for the usual; only the phases that it touches are left out."""
    busy = sale("other", START - DAY + 5 * MINUTE, minutes=40, scope={"slot": frozenset({"a"})})
    outline = outline_of(D11, Calendar([busy, D11]), "UTC")
    assert outline.last is None
    assert [times is None for times in outline.earlier[1]] == [True, True, True, False]
    assert None not in outline.earlier[7]


def test_the_same_time_is_that_of_the_wall_clock() -> None:
    """Clocks went back an hour in between: seven days before at noon was 169 hours ago."""
    noon = sale(start_ms=1_761_562_800_000)  # Monday 2025-10-27 12:00 in Berlin
    outline = outline_of(noon, Calendar([noon]), "Europe/Berlin")
    times = outline.earlier[7][1]
    assert times is not None
    assert noon.start_ms - times.start_ms == 169 * HOUR


@pytest.mark.parametrize(
    ("minutes", "step_ms"),
    [(10, 10_000), (60, 30_000), (180, 2 * MINUTE), (24 * 60, 15 * MINUTE), (100 * 24 * 60, DAY)],
)
def test_steps_are_round_and_not_many(minutes: int, step_ms: int) -> None:
    """From ten seconds to days, so that a chart has at most some 150 of them."""
    outline = outline_of(promotion := sale(minutes=minutes), Calendar([promotion]), "UTC")
    assert outline.step_ms == step_ms
    assert len(steps_of(promotion, step_ms)) <= 150


def test_steps_are_counted_from_the_start() -> None:
    """So that two promotions lie side by side; before the start and at the end one may be shorter."""
    edges = steps_of(D11, 25 * MINUTE)
    assert [edge - START for edge in edges] == [n * MINUTE for n in (-10, 0, 25, 50, 60)]
    assert {span.start_ms for span in D11.spans} <= {*edges_of(D11, 25 * MINUTE)}
    assert all(first < second for first, second in pairwise(edges_of(D11, 25 * MINUTE)))
