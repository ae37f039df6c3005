"""A clock that stands still until a test moves it; only a jump takes it backwards."""

from __future__ import annotations


class ManualClock:
    """A :class:`streams.clock.Clock` set by hand, in milliseconds since the epoch."""

    def __init__(self, now_ms: int = 1_762_689_600_000) -> None:
        self._now_ms = now_ms
        self._monotonic_ms = 0

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self._now_ms

    def monotonic_ms(self) -> int:
        """Milliseconds by which time has really gone on."""
        return self._monotonic_ms

    def jump(self, by_ms: int) -> None:
        """Somebody sets the time of day, forwards or back; no time goes by."""
        self._now_ms += by_ms

    def advance(self, by_ms: int) -> int:
        """Moves the clock on and returns the new time; raises ValueError for a negative step."""
        if by_ms < 0:
            msg = "a clock does not run backwards"
            raise ValueError(msg)
        self._now_ms += by_ms
        self._monotonic_ms += by_ms
        return self._now_ms

    def move_to(self, now_ms: int) -> int:
        """Moves the clock to ``now_ms`` and returns it; raises ValueError for an earlier time."""
        return self.advance(now_ms - self._now_ms)
