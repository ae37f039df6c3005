"""The one place that reads the time of day. Milliseconds, as integers.

The time of day may jump, forwards or back, when somebody sets the machine's clock; how long something took
is told by the monotonic time, which does not, and means nothing beyond this process.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Something that knows what time it is."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since some moment, the same for as long as the process lives; never runs backwards."""
        ...


class SystemClock:
    """The operating system's clock."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Milliseconds since some moment."""
        return time.monotonic_ns() // 1_000_000
