"""How far several workers may go on, so that none runs away from the others in event time.

Each worker interleaves the streams it reads, and all write into the same keyed partitions. So each
tells how far its streams are: the event time below which nothing of a stream will come any more.
Nobody goes further than ``slack`` ahead of the last that he has heard of the others' streams. What
was heard is old, but progress only grows, so it is a bound all the same: a record lies behind the
newest event time by no more than the slack beyond what it lay behind in its own stream.

A stream with nothing left to read holds nobody back, which is true at the moment it is said and of
what had come by then. So whoever hears it may go on to where he himself has read by then, and on from
there when he hears it again: what comes to it later lies behind by no more than the slack beyond what
it lay behind all that had come to anyone. If its owner dies instead, what nobody reads now is not
overtaken.

A stream that was not heard of for longer than ``patience`` holds nobody back any more. Patience is
for as long as Kafka takes to notice that an owner is gone and to give his streams to others, who
begin anew then; who is silent for longer though he is a member does not hear or is not heard, and
then order matters less than going on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from streams.core.interleaving import FOREVER
from streams.core.ordering import UNREAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

K = TypeVar("K")


class Pace(Generic[K]):
    """See the module; times ``now_ms`` are of any clock that does not jump.

    Args:
        slack_ms: how far ahead of the others is near enough, event time.
        patience_ms: how long a silent stream is waited for.
    """

    def __init__(self, slack_ms: int, patience_ms: int) -> None:
        self._slack = slack_ms
        self._patience = patience_ms
        self._others: dict[K, tuple[int, int]] = {}

    def begin(self, others: Iterable[K], now_ms: int) -> None:
        """Begin anew: these are the streams that others have, and nothing is known of them."""
        self._others = dict.fromkeys(others, (UNREAD, now_ms))

    @property
    def alone(self) -> bool:
        """Whether nobody else has streams."""
        return not self._others

    def hear(self, progress: Mapping[K, int], newest_ms: int, now_ms: int) -> None:
        """Take note of how far others say their streams are; streams that nobody else has are not noted.

        Args:
            progress: event time by stream; ``FOREVER`` for one with nothing left to read.
            newest_ms: event time that one's own streams have been read up to; ``UNREAD`` before they tell any.
            now_ms: see the class.
        """
        for stream, reached in progress.items():
            if stream in self._others:
                self._others[stream] = (newest_ms if reached == FOREVER else reached, now_ms)

    def limit(self, now_ms: int) -> int:
        """Event time beyond which nothing may leave yet; ``FOREVER`` if nobody has to be waited for."""
        heard = (reached for reached, at in self._others.values() if now_ms - at <= self._patience)
        slowest = min(heard, default=FOREVER)
        return slowest if slowest in (UNREAD, FOREVER) else slowest + self._slack
