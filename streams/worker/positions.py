"""How far topic-partitions are read, told truthfully: "nothing is left" is never said on a guess.

The consumer thread takes records while the main thread asks, and a broker that does not answer may
have any number of them; both are "not known".
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.structs import TopicPartition

from streams.worker.log_breaks import position_state

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import aiokafka
    from faust.types import TP

    from streams.worker.fetching import BatchConsumerThread

# Beyond its longest wait for news, a broker that has not answered for this long is not heard any more.
_UNHEARD_SECONDS = 1.0
# A partition that was not asked for in this time is not asked for; one asked for so much later than it was
# answered for is not answered for.
_ASKED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Position:
    """How far a topic-partition is read: next offset to fetch, its end, and the end of what agents got.

    ``next_offset`` is None while it is not known whether anything is left: not read yet, something
    is on its way from the consumer thread, or all was read but the broker does not answer any more.
    ``end_offset`` is the end of what may be read, without a transaction still open; None at first.
    ``age_ms`` tells how long ago the broker said so: nobody knows what has come in since. Positions
    that differ in age alone are equal.
    """

    next_offset: int | None
    end_offset: int | None
    handed_out: int | None
    age_ms: int = field(default=0, compare=False)


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

    def hand_out(self, tp: TP, behind: int) -> None:
        """Take note of a batch on its way to an agent, by the offset behind it."""
        self._handed_out[tp] = behind

    def handed_out(self, tp: TP) -> bool:
        """Whether agents got anything of a partition; also called from the consumer thread."""
        return tp in self._handed_out

    def forget(self) -> None:
        """Reading begins anew, elsewhere."""
        self._handed_out.clear()
        self._thread.taken.clear()

    def of(self, topic: str, partition: int) -> Position:
        """Where reading stands, as the last fetch response left it."""
        tp = TopicPartition(topic, partition)
        consumer = self._thread.aiokafka_consumer
        state = position_state(consumer, tp) if consumer is not None else None
        if consumer is None or state is None:
            return UNKNOWN
        # In this order: news that comes meanwhile must not make old knowledge look young, and the thread
        # notes what it takes before it moves the position.
        heard_at = getattr(state, "heard_at", None)
        position, end, handed_out = state._position, state.lso, self._handed_out.get(tp)  # noqa: SLF001  # aiokafka has no public way
        if end is None or heard_at is None:
            return Position(None, None, handed_out)
        age = max(self._monotonic() - heard_at, 0.0)
        unheard = age > _UNHEARD_SECONDS + _longest_wait_seconds(consumer)
        on_its_way = position is None or tp in self._thread.taken
        known = not on_its_way and (position < end or not unheard)
        return Position(position if known else None, end, handed_out, int(1000 * age))

    def left(self, tp: TP) -> tuple[bool, Hashable]:
        """Whether records wait that could be read, and what changes whenever anything is read or asked for.

        Not so while the broker does not answer, or is asked where the log begins. A broker that is not
        even asked, though it could be, has records for all we know.
        """
        consumer = self._thread.aiokafka_consumer
        state = position_state(consumer, tp) if consumer is not None else None
        if consumer is None or state is None or state._position is None:  # noqa: SLF001  # aiokafka has no public way
            return False, None
        fetcher = consumer._fetcher  # noqa: SLF001  # likewise
        fetched = fetcher._records.get(tp)  # noqa: SLF001  # likewise
        mark = (state._position, self._handed_out.get(tp))  # noqa: SLF001  # likewise
        if fetched is not None:
            return type(fetched) is FetchResult, mark
        asked_at, heard_at = getattr(state, "asked_at", None), getattr(state, "heard_at", None)
        if asked_at is None or self._monotonic() - asked_at > _ASKED_SECONDS:
            leader = consumer._client.cluster.leader_for_partition(tp)  # noqa: SLF001  # likewise
            return leader not in {None, -1}, (*mark, asked_at)
        answered = heard_at is not None and asked_at - heard_at < _ASKED_SECONDS
        return answered and (state.lso is None or state._position < state.lso), mark  # noqa: SLF001  # likewise


def _longest_wait_seconds(consumer: aiokafka.AIOKafkaConsumer) -> float:
    return float(consumer._fetch_max_wait_ms) / 1000  # noqa: SLF001  # likewise
