"""When a channel may be sent the next message: by all rates of its vendor, and what it asked for. Pure.

Promises: in no span of time more messages than the vendor takes, whoever asked for them (what is told, what is
tried again, what is sent again while it lasts). A clock that is set back makes nobody wait longer than a span.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from alerts.notify.base import Rate, Traits

_HALF_HOUR_MS: Final = 30 * 60_000
# Robots that speak at full hours are many, and gone after this.
_ROUND_MS: Final = 10_000
# What somebody asks for may be anything.
_LONGEST_MS: Final = 60 * 60_000


class Pace:
    """See the module.

    Args:
        traits: the vendor's.
    """

    def __init__(self, traits: Traits) -> None:
        self._rates = traits.rates
        self._avoids_round_times = traits.avoids_round_times
        self._sent: deque[int] = deque(maxlen=max((rate.messages for rate in traits.rates), default=1))
        self._closed_ms = 0

    def wait_ms(self, now_ms: int, *, urgent: bool = True) -> int:
        """How long to wait; 0 for not at all. Only what is not urgent waits for a round time to pass."""
        waits = [self._wait_ms(rate, now_ms) for rate in self._rates]
        waits.append(min(max(self._closed_ms - now_ms, 0), _LONGEST_MS))
        if self._avoids_round_times and not urgent:
            waits.append(max(_ROUND_MS - now_ms % _HALF_HOUR_MS, 0))
        return max(waits)

    def _wait_ms(self, rate: Rate, now_ms: int) -> int:
        if len(self._sent) < rate.messages:
            return 0
        oldest_ms = self._sent[-rate.messages]
        return min(max(oldest_ms + rate.span_ms - now_ms, 0), rate.span_ms)

    def sent(self, now_ms: int) -> None:
        """One leaves now."""
        self._sent.append(now_ms)

    def close(self, until_ms: int) -> None:
        """The vendor wants to hear nothing before."""
        self._closed_ms = max(self._closed_ms, until_ms)
