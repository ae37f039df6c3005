"""All that an answer is made of, copied on the event loop in no time; the answer is made in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.promotions import Calendar
    from streams.web.board import Incident, Silence
    from streams.web.handed import Judgement
    from streams.web.picture import Picture

_RETRY_S = "10"


@dataclass(frozen=True, slots=True)
class Standing:
    """How the worker stands: whether it watches, whether it counts, and if not, what it waits for."""

    watching: bool
    ready: bool
    reasons: tuple[str, ...] = ()


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

    def counted(self) -> Picture:
        """What was counted. Raises Problem (503) in a worker that does not watch, or did not see a bucket yet."""
        if self.picture is not None:
            return self.picture
        if self.standing.watching:
            raise Problem(503, "no bucket is closed yet", {"Retry-After": _RETRY_S})
        raise Problem(
            503,
            "this worker does not watch, another one of its group does and answers this: "
            "its metric funnelwatch_watching is 1; incidents and silences are answered here",
            {"Retry-After": _RETRY_S},
        )
