"""Which times a report looks at.

Promises: a calendar without surprises. The phases of the promotion, its time cut into equal steps for
charts, the same wall-clock time on earlier days for what it lifted, and the last promotion with the same
scope cut into the same steps from its own start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.local_days import LocalDays
from streams.durations import DAY, HOUR, MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.promotions import Calendar, PhaseSpan, Promotion

_MOST_STEPS: Final = 144
_STEPS_MS: Final = (
    *(10_000, 30_000, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE),
    *(HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, DAY),
)
# What a promotion lifts is measured against the same time a week before, else the day before.
EARLIER_DAYS: Final = (7, 1)


class Times(NamedTuple):
    """A time, half-open, in ms."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Outline:
    """See the module.

    Attributes:
        promotion: whose report it is.
        last: the promotion it is compared with; None if there was none.
        step_ms: length of a step of the charts, counted from a promotion's start.
        earlier: by days before, the counterpart of each phase; None where a promotion was on then.
    """

    promotion: Promotion
    last: Promotion | None
    step_ms: int
    earlier: dict[int, tuple[Times | None, ...]]


def outline_of(promotion: Promotion, calendar: Calendar, zone: str) -> Outline:
    """The times of one promotion's report.

    Args:
        promotion: one of the calendar.
        calendar: all of them.
        zone: whose clocks say what the same time on another day is.
    """
    length_ms = promotion.end_ms - promotion.begins_ms
    step_ms = next((step for step in _STEPS_MS if step * _MOST_STEPS >= length_ms), _STEPS_MS[-1])
    days = LocalDays(zone)
    earlier = {
        number: tuple(_earlier(span, number, days, calendar) for span in promotion.spans)
        for number in EARLIER_DAYS
    }
    return Outline(promotion, calendar.before(promotion), step_ms, earlier)


def edges_of(promotion: Promotion, step_ms: int) -> list[int]:
    """Where one piece of a promotion's time ends and the next begins: phases, and steps from its start."""
    return sorted({*_edges(promotion), *steps_of(promotion, step_ms)})


def _edges(promotion: Promotion) -> Iterator[int]:
    for span in promotion.spans:
        yield from (span.start_ms, span.end_ms)
    yield from (promotion.start_ms, promotion.end_ms)


def steps_of(promotion: Promotion, step_ms: int) -> list[int]:
    """Edges of the steps; the first and the last step may be shorter."""
    begins_ms = promotion.begins_ms
    first_ms = promotion.start_ms - (promotion.start_ms - begins_ms) // step_ms * step_ms
    return sorted({begins_ms, promotion.end_ms, *range(first_ms, promotion.end_ms, step_ms)})


def _earlier(span: PhaseSpan, number: int, days: LocalDays, calendar: Calendar) -> Times | None:
    times = Times(days.earlier(span.start_ms, number), days.earlier(span.end_ms, number))
    busy = any(each.begins_ms < times.end_ms and times.start_ms < each.end_ms for each in calendar.promotions)
    return None if busy or times.end_ms <= times.start_ms else times
