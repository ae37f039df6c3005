"""How many records an hour of the week usually brings, so that a shop that closes at ten is no outage."""

from __future__ import annotations

from typing import Final

import msgspec

_HOUR_MS: Final = 3_600_000
_HOURS: Final = 168
# Of an hour of which less was seen nothing is learned, in buckets.
_LEAST_SPAN: Final = 180.0


class UsualFlow(msgspec.Struct):
    """Records per bucket by hour of the week (UTC); None for an hour that was not seen yet."""

    means: list[float | None] = msgspec.field(default_factory=lambda: [None] * _HOURS)
    hour: int = -1
    records: float = 0.0
    span: float = 0.0

    def add(self, records: int, span: float, at_ms: int) -> None:
        """Take in what came in a span, in buckets."""
        hour = at_ms // _HOUR_MS
        if hour != self.hour:
            self._keep()
            self.hour, self.records, self.span = hour, 0.0, 0.0
        self.records += records
        self.span += span

    def _keep(self) -> None:
        if self.span >= _LEAST_SPAN:
            mean, before = self.records / self.span, self.means[self.hour % _HOURS]
            self.means[self.hour % _HOURS] = mean if before is None else (mean + before) / 2

    def fall(self, before_ms: int, now_ms: int) -> float:
        """What is usually left now of what came before, at most 1; 1 if that is not known."""
        before = self.means[before_ms // _HOUR_MS % _HOURS]
        now = self.means[now_ms // _HOUR_MS % _HOURS]
        if not before or now is None or before_ms // _HOUR_MS == now_ms // _HOUR_MS:
            return 1.0
        return min(1.0, now / before)
