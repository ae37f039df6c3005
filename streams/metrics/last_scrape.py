"""The last scrape: when it was, and waiting for one more before a worker leaves.

What was counted since the last scrape is lost to whoever scrapes if the worker goes before the next
one. Nobody is waited for who has not come lately.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.clock import Clock
    from streams.config import Metrics
    from streams.metrics.key_series import ExportSnapshot, KeySeries

_LOOK_SECONDS = 0.1
_SCRAPED_LATELY = 3
# A series born just before the end is scraped, held, and scraped again.
_TWO_SCRAPES_MS = 30_000


class LastScrape:
    """See the module.

    Args:
        series: what is scraped.
        metrics: for how long series are held.
        clock: wall clock.
    """

    def __init__(self, series: KeySeries, metrics: Metrics, clock: Clock) -> None:
        self._series = series
        self._hold = (metrics.zero_hold_ms + min(metrics.vanish_hold_ms, _TWO_SCRAPES_MS)) / 1000
        self._clock = clock
        self._at: float | None = None

    def scrape(self) -> ExportSnapshot:
        """Somebody scrapes: what he is shown."""
        self._at = time.monotonic()
        return self._series.snapshot(self._clock.now_ms())

    async def wait(self) -> None:
        """Wait until whoever scrapes has seen the last counts."""
        asked = time.monotonic()
        if self._at is None or asked - self._at > _SCRAPED_LATELY * self._hold:
            return
        while self._unseen(asked) and time.monotonic() - asked < self._hold:  # noqa: ASYNC110  # two conditions
            await asyncio.sleep(_LOOK_SECONDS)

    def _unseen(self, since: float) -> bool:
        return self._series.holding or self._at is None or self._at <= since
