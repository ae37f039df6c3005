"""What one who stands for election may do at present: act, hold still, or nothing at all.

Promises: whoever is elected is told one thing at a time, in order, and nothing twice. He acts only while
the group says that it is him *and* answers him: cut off from Kafka for nearly as long as a session lasts
he holds still, for another may be elected soon. If it may have been another between two of his
terms, he forgets the first one before he begins the second.
"""

from __future__ import annotations

import asyncio
import time
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Elected(Protocol):
    """Whose turn it is, or is not."""

    async def revoked(self) -> None:
        """Hold still until it is known whose turn it is next; called again, it changes nothing."""
        ...

    async def assigned(self, *, mine: bool) -> None:
        """Whether it is this one's turn from now on."""
        ...


class _Told(Enum):
    NOTHING = "nothing"
    ACT = "act"
    HOLD_STILL = "hold still"


class Mandate:
    """See the module.

    Args:
        elected: who is told.
        lease_s: for how long an answer of the group's holds.
        fail: is told of an error of ``elected``, who is of no use then.
        monotonic: seconds that never jump.
    """

    def __init__(
        self,
        elected: Elected,
        lease_s: float,
        fail: Callable[[Exception], object],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._elected = elected
        self._lease = lease_s
        self._fail = fail
        self._monotonic = monotonic
        self._heard_at = float("-inf")
        self._term: int | None = None
        self._given = False
        self._told = _Told.NOTHING
        self._turn = asyncio.Lock()

    @property
    def term(self) -> int | None:
        """The group's generation in which he was elected last; None once it was nobody or another."""
        return self._term

    @property
    def answered(self) -> bool:
        """Whether the group has answered lately enough that it still counts him in."""
        return self._monotonic() - self._heard_at < self._lease

    def heard(self, asked_at: float) -> None:
        """The group has answered what it was asked at that moment."""
        self._heard_at = max(self._heard_at, asked_at)

    async def give(self, term: int) -> None:
        """The group has elected him, in this generation of its."""
        if self._term is not None and term != self._term + 1:
            # There were generations without him, and so perhaps with another.
            await self.end()
        self._term, self._given = term, True
        await self.look()

    async def withhold(self) -> None:
        """The group is about to elect anew."""
        self._given = False
        await self.look()

    async def end(self) -> None:
        """It is another's turn, or he leaves."""
        self._term, self._given = None, False
        await self.look()

    async def look(self) -> None:
        """Tell him what he may do by now, if that has changed."""
        async with self._turn:
            due = self._due()
            if due is self._told or (due is _Told.HOLD_STILL and self._told is _Told.NOTHING):
                return
            try:
                await self._tell(due)
            except Exception as error:  # noqa: BLE001  # the edge: Kafka's group protocol would swallow it
                self._fail(error)
            self._told = due

    def _due(self) -> _Told:
        if self._term is None:
            return _Told.NOTHING
        return _Told.ACT if self._given and self.answered else _Told.HOLD_STILL

    async def _tell(self, due: _Told) -> None:
        if due is _Told.HOLD_STILL:
            await self._elected.revoked()
        else:
            await self._elected.assigned(mine=due is _Told.ACT)
