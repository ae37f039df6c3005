"""How far topic-partitions are read, told truthfully: "nothing is left" is never said on a guess.

The consumer thread takes records while the main thread asks, and a broker that does not answer may
have any number of them; both are "not known".
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.structs import TopicPartition

from streams.worker.log_breaks import position_state

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiokafka
    from faust.types import TP

    from streams.worker.fetching import BatchConsumerThread

# Beyond its longest wait for news, a broker that has not answered for this long is not heard any more.
_UNHEARD_SECONDS = 1.0


class Position(NamedTuple):
    """How far a topic-partition is read: next offset to fetch, its end, and the end of what agents got.

    ``next_offset`` is None while it is not known whether anything is left: not read yet, something
    is on its way from the consumer thread, or all was read but the broker does not answer any more.
    ``end_offset`` is the end of what may be read, without a transaction still open; None at first.
    """

    next_offset: int | None
    end_offset: int | None
    handed_out: int | None


UNKNOWN = Position(None, None, None)


class Positions:
    """The position of every topic-partition that a consumer has.

    Args:
        thread: which fetches.
        monotonic: seconds that never run backwards.
    """

    def __init__(self, thread: BatchConsumerThread, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._thread = thread
        self._monotonic = monotonic
        self._handed_out: dict[TP, int] = {}
        self._heard: dict[TopicPartition, tuple[int | None, float]] = {}

    def hand_out(self, tp: TP, behind: int) -> None:
        """Take note of a batch on its way to an agent, by the offset behind it."""
        self._handed_out[tp] = behind

    def handed_out(self, tp: TP) -> bool:
        """Whether agents got anything of a partition; also called from the consumer thread."""
        return tp in self._handed_out

    def forget(self) -> None:
        """Reading begins anew, elsewhere."""
        self._handed_out.clear()
        self._heard.clear()
        self._thread.taken.clear()

    def of(self, topic: str, partition: int) -> Position:
        """Where reading stands, as the last fetch response left it."""
        tp = TopicPartition(topic, partition)
        consumer = self._thread.aiokafka_consumer
        state = position_state(consumer, tp) if consumer is not None else None
        if consumer is None or state is None:
            return UNKNOWN
        # In this order: the thread notes what it takes before it moves the position.
        position, end, handed_out = state._position, state.lso, self._handed_out.get(tp)  # noqa: SLF001  # aiokafka has no public way
        unheard = self._unheard_seconds(tp, state.timestamp) > _UNHEARD_SECONDS + _longest_wait_seconds(
            consumer
        )
        on_its_way = position is None or end is None or tp in self._thread.taken
        if on_its_way or (position >= end and unheard):
            return Position(None, end, handed_out)
        return Position(position, end, handed_out)

    def _unheard_seconds(self, tp: TopicPartition, answered_at: int | None) -> float:
        """Seconds since this was first seen as the time of the last fetch response."""
        seen, since = self._heard.get(tp, (None, 0.0))
        now = self._monotonic()
        if seen is None or seen != answered_at:
            self._heard[tp] = (answered_at, now)
            return 0.0
        return now - since


def _longest_wait_seconds(consumer: aiokafka.AIOKafkaConsumer) -> float:
    return float(consumer._fetch_max_wait_ms) / 1000  # noqa: SLF001  # likewise
