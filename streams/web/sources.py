"""What the page and the API stand on: a worker, as far as they can see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from streams.web.moment import Moment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streams.clock import Clock
    from streams.core.windows import Windows
    from streams.promotions import Calendar
    from streams.web.bell import Bell
    from streams.web.board import Board, Incident
    from streams.web.handed import Judgement
    from streams.web.moment import Standing
    from streams.web.picture import Picture

T = TypeVar("T")


class Ask(Protocol):
    """Looks at the windows in the watcher's thread; None if there are none."""

    async def __call__(self, ask: Callable[[Windows], T]) -> T | None:
        """What ``ask`` returns."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """See the module.

    Attributes:
        picture: what was counted; None in a worker that does not watch.
        board: incidents and silences.
        calendar: of promotions.
        standing: of the worker.
        clock: wall clock.
        judgement: that the composition root hands in.
        ask: looks at the windows.
        say: writes a record, by key, to the topic of controls. Raises TopicError.
        bell: is rung when picture or board change.
        zone: IANA name of the time zone that times are shown in.
    """

    picture: Callable[[], Picture | None]
    board: Board
    calendar: Callable[[], Calendar]
    standing: Callable[[], Standing]
    clock: Clock
    judgement: Judgement
    ask: Ask
    say: Callable[[bytes, bytes], Awaitable[None]]
    bell: Bell
    zone: str = "UTC"

    def moment(self) -> Moment:
        """All that an answer is made of, now. Call it on the event loop."""
        now_ms, picture = self.clock.now_ms(), self.picture()
        told = self.board.incidents()
        return Moment(
            now_ms=now_ms,
            picture=picture,
            incidents=told if picture is None else [_as_it_is(one, picture) for one in told],
            silences=self.board.silences(now_ms),
            calendar=self.calendar(),
            standing=self.standing(),
            judgement=self.judgement,
            told_watcher=self.board.watcher,
        )


def _as_it_is(told: Incident, picture: Picture) -> Incident:
    """With the numbers of the picture: what is lost grows between two records of it."""
    now = picture.going_on.get(told.id)
    return now if now is not None and now.revision == told.revision else told
