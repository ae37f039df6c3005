"""One channel's lane: what is to be sent through it leaves one at a time, the most urgent first, at its pace.

Promises: whatever becomes of a message is told once; a message that cannot be worded, and an error of ours,
are a refusal, so that nothing else waits behind them. Nothing leaves while the gate is closed. Lanes know
nothing of each other: one that waits for its vendor keeps nobody waiting.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from alerts.message import MessageState
from alerts.notify.base import Outcome, Why, refused
from alerts.pace import Pace
from alerts.stages.stage import Haste

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from alerts.message import Message
    from alerts.notify.base import Carrier
    from alerts.stages.stage import Parcel
    from streams.clock import Clock

    Word = Callable[[Parcel], Awaitable[Message]]
    Sleep = Callable[[float], Awaitable[None]]

_LOG: Final = logging.getLogger(__name__)
# These change what stands there; of all else people are to hear, and of an edit nobody does.
_EDITING: Final = frozenset(
    {MessageState.ACKNOWLEDGED, MessageState.RESOLVED, MessageState.WIDER, MessageState.NARROWER}
)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a parcel, and when."""

    parcel: Parcel
    outcome: Outcome
    at_ms: int


class Gate:
    """Closed, nothing new leaves; it is known when all that was leaving has been told of."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._under_way = 0

    def open(self) -> None:
        """Let things leave."""
        self._open.set()

    def close(self) -> None:
        """Let nothing leave."""
        self._open.clear()

    async def enter(self) -> None:
        """Wait until it is open; one more is under way then."""
        await self._open.wait()
        self._under_way += 1
        self._idle.clear()

    def leave(self, many: int = 1) -> None:
        """So many have been told of."""
        self._under_way -= many
        if self._under_way <= 0:
            self._idle.set()

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._under_way > 0

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        await self._idle.wait()


class Lane:
    """See the module.

    Args:
        carrier: takes messages to people.
        word: makes messages.
        gate: of all lanes.
        clock: tells when something was sent.
        tell: is told what became of each parcel.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        carrier: Carrier,
        word: Word,
        gate: Gate,
        clock: Clock,
        tell: Callable[[Sent], None],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._carrier = carrier
        self._word = word
        self._gate = gate
        self._clock = clock
        self._tell = tell
        self._sleep = sleep
        self._pace = Pace(carrier.traits)
        self._waiting: list[tuple[tuple[object, ...], int, Parcel]] = []
        self._numbers = count()
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, parcel: Parcel) -> None:
        """Send it when its turn comes."""
        heapq.heappush(self._waiting, (parcel.order, next(self._numbers), parcel))
        self._some.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._some.wait()
            await self._wait()
            await self._gate.enter()
            *_, parcel = heapq.heappop(self._waiting)
            if not self._waiting:
                self._some.clear()
            self._pace.sent(self._clock.now_ms())
            outcome = await self._outcome(parcel)
            now_ms = self._clock.now_ms()
            if outcome.retry_after_ms is not None:
                self._pace.close(now_ms + outcome.retry_after_ms)
            self._tell(Sent(parcel, outcome, now_ms))

    async def _wait(self) -> None:
        """For the vendor; whoever comes meanwhile and is more urgent goes first."""
        while wait_ms := self._pace.wait_ms(self._clock.now_ms(), urgent=self._urgent):
            await self._sleep(wait_ms / 1000)

    @property
    def _urgent(self) -> bool:
        return self._waiting[0][2].haste in (Haste.PAGE, Haste.CLOSING)

    async def _outcome(self, parcel: Parcel) -> Outcome:
        try:
            message = await self._word(parcel)
            handle = parcel.receipt if parcel.state in _EDITING else ""
            return await self._carrier.deliver(message, handle or None)
        except Exception as error:  # noqa: BLE001  # the edge: one bad message must not stop the others
            # Its text may hold what is secret.
            _LOG.error(  # likewise its trace
                "message not sent", extra={"channel": parcel.channel, "error": type(error).__name__}
            )
            return refused(Why.OTHER)
