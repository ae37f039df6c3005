"""What the worker writes to Kafka: rollups, dead letters and handed-over state.

Nothing written is forgotten before the broker has it: a message that could not be sent is sent
again at the next flush, before anything newer. Nothing waits for ever either: when the broker does
not get on with it, :meth:`Outbox.send` says so. A message that it refuses for good is an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidTimestampError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from streams.errors import TopicError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_LOG = logging.getLogger(__name__)
# Without any message getting through.
_PATIENCE_SECONDS = 10.0
# Sent again they would be refused again.
REFUSALS = (
    ClusterAuthorizationFailedError,
    InvalidTimestampError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)


class Outgoing(NamedTuple):
    """One message on its way out.

    ``arrived`` is told its offset when the broker has it, below zero if nobody knows.
    """

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    arrived: Callable[[int], object] | None = None


class Sender(Protocol):
    """Where messages leave: :class:`streams.worker.kafka.Producer`."""

    async def send(
        self,
        topic: str,
        *,
        value: bytes | None,
        key: bytes | None,
        partition: int | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> asyncio.Future[Any]:
        """Hand one message over; the future is done when the broker has it."""
        ...

    async def discard(self) -> None:
        """Give up what is under way."""
        ...


class Outbox:
    """Messages in order, until the broker has acknowledged them.

    Args:
        producer: where messages leave.
        patience_seconds: how long :meth:`send` waits without getting any message through.

    Attributes:
        problem: why the last :meth:`send` did not get everything through; None if it did.
    """

    def __init__(self, producer: Sender, *, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._producer = producer
        self._patience = patience_seconds
        self._waiting: deque[Outgoing] = deque()
        self._under_way: deque[tuple[Outgoing, asyncio.Future[Any]]] = deque()
        self.problem: Exception | None = None

    @property
    def failing(self) -> bool:
        """Whether the last :meth:`send` did not get everything through."""
        return self.problem is not None

    def __len__(self) -> int:
        return len(self._waiting) + len(self._under_way)

    def put(self, message: Outgoing) -> None:
        """Take in a message; it leaves with the next :meth:`send`."""
        self._waiting.append(message)

    async def send(self) -> bool:
        """Send all that waits; False if the broker did not take it (yet), and it still waits.

        Raises:
            TopicError: the broker refuses a message, and would do so again.
        """
        try:
            while self._waiting:
                await self._hand_over(self._waiting[0])
            while self._under_way:
                await self._be_acknowledged()
        except TimeoutError as error:
            # The producer goes on trying, and what is with it stays there.
            self._note(error)
        except KafkaError as error:
            await self._take_back()
            self._note(error)
        else:
            self._note(None)
        return not self.failing

    async def _hand_over(self, message: Outgoing) -> None:
        with _refusals([message]):
            async with asyncio.timeout(self._patience):
                future = await self._producer.send(
                    message.topic,
                    value=message.value,
                    key=message.key,
                    partition=message.partition,
                    headers=message.headers,
                )
        future.add_done_callback(_look_at)
        self._under_way.append((message, future))
        self._waiting.popleft()

    async def _be_acknowledged(self) -> None:
        message, future = self._under_way[0]
        # Kafka refuses whole batches: look for the culprit among all of that topic.
        together = (other for other, _ in self._under_way if other.topic == message.topic)
        with _refusals(together):
            async with asyncio.timeout(self._patience):
                await asyncio.shield(future)
        self._under_way.popleft()
        _tell(message, future)

    async def _take_back(self) -> None:
        """What has not arrived is sent again, in order, by a new producer: this one is spent."""
        await self._producer.discard()
        while self._under_way:
            message, future = self._under_way.pop()
            if not future.done() or _failed(future):
                self._waiting.appendleft(message)
            else:
                _tell(message, future)

    def _note(self, error: Exception | None) -> None:
        if error is not None and not self.failing:
            next_one = self._under_way[0][0] if self._under_way else self._waiting[0]
            _LOG.warning(
                "kafka does not take messages",
                extra={"topic": next_one.topic, "error": type(error).__name__, "messages": len(self)},
            )
        elif error is None and self.failing:
            _LOG.info("kafka takes messages again")
        self.problem = error


@contextlib.contextmanager
def _refusals(messages: Iterable[Outgoing]) -> Iterator[None]:
    """Tell an error that will come again from one that may pass."""
    try:
        yield
    except REFUSALS as error:
        largest, name = max(messages, key=_size), type(error).__name__
        raise TopicError(
            f"{largest.topic}: kafka refuses a message of {_size(largest)} bytes: {name}"
        ) from error


def _size(message: Outgoing) -> int:
    return len(message.value or b"")


def _tell(message: Outgoing, future: asyncio.Future[Any]) -> None:
    if message.arrived is not None:
        message.arrived(future.result().offset)


def _failed(future: asyncio.Future[object]) -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)


def _look_at(future: asyncio.Future[object]) -> None:
    """Asyncio reports errors at which nobody has looked; ours are dealt with when their turn comes."""
    _failed(future)
