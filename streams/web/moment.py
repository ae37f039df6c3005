"""All that an answer is made of, copied on the event loop in no time; the answer is made in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.promotions import Calendar
    from streams.web.board import Incident, Silence, Watcher
    from streams.web.handed import Judgement
    from streams.web.picture import Picture

_RETRY_S = "10"
# As long as names of machines are.
_NAME = 253


@dataclass(frozen=True, slots=True)
class Standing:
    """How the worker stands: whether it watches, whether it counts, and if not, what it waits for.

    ``here`` is the name of its machine and the address of its page.
    """

    watching: bool
    ready: bool
    reasons: tuple[str, ...] = ()
    here: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Moment:
    """See the module; ``now_ms`` is the time of day."""

    now_ms: int
    picture: Picture | None
    incidents: Sequence[Incident]
    silences: Sequence[Silence]
    calendar: Calendar
    standing: Standing
    judgement: Judgement
    told_watcher: Watcher | None = None

    @property
    def watcher(self) -> Watcher | None:
        """The other worker that watches, as it said itself; None if this one does, or nobody said."""
        told = self.told_watcher
        if told is None or self.standing.watching or (told.host, told.url) == self.standing.here:
            return None
        return told

    def counted(self) -> Picture:
        """What was counted. Raises Problem (503) in a worker that does not watch, or did not see a bucket yet."""
        if self.picture is not None:
            return self.picture
        if self.standing.watching:
            raise Problem(503, "no bucket is closed yet", {"Retry-After": _RETRY_S})
        other = self.watcher
        where = (
            "its metric funnelwatch_watching is 1"
            if other is None
            else f"it is on {other.host[:_NAME]}, at {other.url}"
        )
        raise Problem(
            503,
            "this worker does not watch, another one of its group does and answers this: "
            f"{where}; incidents and silences are answered here",
            {"Retry-After": _RETRY_S},
        )
