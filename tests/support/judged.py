"""Windows and engine together over closed buckets, as the worker and the backtest have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerts.engine import Engine
from streams.core.windows import Sale, Windows, WindowsState
from streams.measures import WindowMeasures
from streams.promotions import Calendar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerts.lifecycle import Change
    from alerts.settings import EngineSettings
    from streams.closed import ClosedBucket


class Judged:
    """See the module.

    Args:
        settings: of the engine.
        calendar: of promotions.
    """

    def __init__(self, settings: EngineSettings, calendar: Calendar | None = None) -> None:
        self.settings = settings
        self.calendar = calendar or Calendar()
        self.engine = Engine(settings, self.calendar)
        sales = [Sale(p.name, p.start_ms, p.end_ms, p.scope) for p in self.calendar.promotions]
        self.windows = Windows(sales=sales)

    def over(self, buckets: Iterable[ClosedBucket]) -> list[Change]:
        """All that is told of some buckets."""
        told: list[Change] = []
        for closed in buckets:
            self.windows.take(closed)
            told += self.engine.observe(closed, measures=WindowMeasures(self.windows))
        return told

    def heir(self, settings: EngineSettings | None = None) -> Judged:
        """Another one that knows what this one has written down, perhaps with other settings."""
        other = Judged(settings or self.settings, self.calendar)
        other.engine.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(self.engine.snapshot())))
        windows = msgspec.msgpack.encode(self.windows.snapshot())
        other.windows.restore(msgspec.msgpack.decode(windows, type=WindowsState))
        return other
