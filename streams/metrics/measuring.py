"""The periods by which keys are chosen: warming up, the local day, and what is compared within it.

Promises: keys are only compared over a time for which all of them were measured; a day begins once
there is enough traffic measured to choose its keys by, and never twice; places change hands no more
often than every ten minutes. Time never runs backwards here. Refuses to know the keys: it says when.
Pure: times are arguments, in milliseconds since the epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.metrics.labels import local_day

if TYPE_CHECKING:
    from datetime import tzinfo

# Keys may take each other's places so often: soon enough for a sale that opens at midnight, and long
# enough that both sides were measured over many rollups of every shard.
EXCHANGE_MS: Final = 600_000


class Measuring:
    """See the module.

    Args:
        warmup_ms: how long keys are watched before all places are given away.
        zone: whose days they are.

    Attributes:
        elapsed_ms: time that has passed here; it stands still while the system's clock is set back.
        day: whose keys are shown; None before the first.
    """

    def __init__(self, warmup_ms: int, zone: tzinfo) -> None:
        self.elapsed_ms = 0
        self.day: int | None = None
        self._warmup_ms = warmup_ms
        self._zone = zone
        self._last_ms: int | None = None
        self._warm_since_ms: int | None = None
        self._compared_ms = 0

    def advance(self, now_ms: int) -> int:
        """Lets time pass up to ``now_ms``; the time that has passed in all."""
        if self._last_ms is not None:
            self.elapsed_ms += max(0, now_ms - self._last_ms)
        self._last_ms = now_ms
        return self.elapsed_ms

    def restart(self) -> None:
        """Shards came: their keys are not measured yet."""
        self._warm_since_ms = None
        self._compared_ms = self.elapsed_ms

    def see(self) -> None:
        """There are keys to be measured."""
        if self._warm_since_ms is None:
            self._warm_since_ms = self.elapsed_ms

    @property
    def warming(self) -> bool:
        """Whether keys are not measured for long enough."""
        since = self._warm_since_ms
        return since is None or self.elapsed_ms - since < self._warmup_ms

    def turn_day(self, now_ms: int) -> int | None:
        """The day that begins, told once; to be asked as time passes. None while none does."""
        day = local_day(now_ms, self._zone)
        if self.day is None:
            self.day = day
        # A clock set back across midnight does not begin the day before again.
        if self.warming or day in {self.day, self.day - 1}:
            return None
        self.day = day
        self._compared_ms = self.elapsed_ms
        return day

    def turn_places(self) -> bool:
        """Whether keys that surged after the day's were chosen may take places; true once in ten minutes."""
        if self.warming or self.elapsed_ms - self._compared_ms < EXCHANGE_MS:
            return False
        self._compared_ms = self.elapsed_ms
        return True
