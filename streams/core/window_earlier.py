"""With which time a window is compared.

That is the window before (环比), the same time on the wall a day or a week before (同比), or as long
after the start of the last promotion.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from streams.core.window_settings import DAY, SLIDING, Sale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.local_days import LocalDays


class Comparison(StrEnum):
    """With what a window is compared."""

    PREVIOUS = "previous"
    YESTERDAY = "yesterday"
    LAST_WEEK = "last_week"
    LAST_PROMOTION = "last_promotion"


_DAYS = {Comparison.YESTERDAY: 1, Comparison.LAST_WEEK: 7}


class Span(NamedTuple):
    """Event time, half-open."""

    start_ms: int
    end_ms: int

    @property
    def size_ms(self) -> int:
        """How long it is."""
        return self.end_ms - self.start_ms


def earlier(window: str, now: Span, with_: Comparison, days: LocalDays, sales: Sequence[Sale]) -> Span | None:
    """The span that a window is compared with; None if there is none.

    Args:
        window: its name.
        now: its span.
        with_: with what.
        days: of the time zone.
        sales: all promotions.
    """
    if with_ is Comparison.LAST_PROMOTION:
        return _last_promotion(window, now, sales)
    if with_ is Comparison.PREVIOUS:
        return (
            Span(*days.day(now.start_ms - 1))
            if window == DAY
            else Span(now.start_ms - now.size_ms, now.start_ms)
        )
    return _same_time(window, now, _DAYS[with_], days)


def _same_time(window: str, now: Span, ago: int, days: LocalDays) -> Span:
    end_ms = days.earlier(now.end_ms, ago)
    if window in SLIDING:
        return Span(end_ms - now.size_ms, end_ms)
    start_ms = days.earlier(now.start_ms, ago)
    return Span(days.day(start_ms).start_ms if window == DAY else start_ms, end_ms)


def _last_promotion(window: str, now: Span, sales: Sequence[Sale]) -> Span | None:
    present = [sale for sale in sales if sale.window == window] or [
        sale for sale in sales if sale.start_ms < now.end_ms <= sale.end_ms
    ]
    this = max(present, key=_in_time, default=None)
    last = max(
        (s for s in sales if this is not None and s.end_ms <= this.start_ms), key=_in_time, default=None
    )
    if this is None or last is None:
        return None
    ago_ms = this.start_ms - last.start_ms
    end_ms = now.end_ms - ago_ms
    if window == this.window:
        return Span(last.start_ms, min(end_ms, last.end_ms))
    return Span(now.start_ms - ago_ms, end_ms) if end_ms <= last.end_ms else None


def _in_time(sale: Sale) -> tuple[int, str]:
    return sale.start_ms, sale.name
