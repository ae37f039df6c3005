"""A way to a broker for tests that need none: the :class:`streams.worker.publishing.Sender` of an outbox."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.worker.publishing import Outgoing

if TYPE_CHECKING:
    from collections.abc import Sequence

LOST = "lost"


class Arrival(NamedTuple):
    """What a broker says of a message that has arrived."""

    offset: int


@dataclass
class Wire:
    """What arrived, and what becomes of what comes next.

    Attributes:
        fate: of each message to come: an error, ``LOST`` for no answer ever, None for arrival.
        closed: the error with which handing over fails.
        discarded: how often what was under way was given up.
    """

    arrived: list[Outgoing] = field(default_factory=list)
    under_way: list[asyncio.Future[Any]] = field(default_factory=list)
    fate: list[Exception | str | None] = field(default_factory=list)
    closed: Exception | None = None
    discarded: int = 0

    async def send(
        self,
        topic: str,
        *,
        value: bytes | None,
        key: bytes | None,
        partition: int | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> asyncio.Future[Any]:
        """Decide a message's fate."""
        if self.closed is not None:
            raise self.closed
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        fate = self.fate.pop(0) if self.fate else None
        if isinstance(fate, Exception):
            future.set_exception(fate)
        elif fate is None:
            self.arrived.append(Outgoing(topic, partition, key, value, headers))
            future.set_result(Arrival(len(self.held(topic, partition)) - 1))
        self.under_way.append(future)
        return future

    async def discard(self) -> None:
        """Take note of it."""
        self.discarded += 1

    def held(self, topic: str, partition: int | None) -> list[Outgoing]:
        """What one topic-partition holds, by offset."""
        return [m for m in self.arrived if (m.topic, m.partition) == (topic, partition)]

    def texts(self) -> list[bytes | None]:
        """The values that arrived."""
        return [message.value for message in self.arrived]
