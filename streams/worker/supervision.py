"""A worker's watch over itself: what is seen of it, once a second, and its end if it stands still."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from streams.worker.watchdog import Excuse, LastResort, Seen, Watchdog, refuses

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from streams.errors import Stalled
    from streams.metrics.pipeline import PipelineMetrics
    from streams.worker.batching import BatchConsumer

# For an orderly end: state written, commits made, the group left.
_END_SECONDS = 30.0


class Supervision:
    """See the module.

    Args:
        timeout_s: how long what should move may stand still.
        beaten: seconds since the event loop last came round.
        metrics: pipeline metrics.

    Attributes:
        flushes: how many flushes Kafka has taken wholly.
        joined: whether the group has assigned anything yet.
        recovering: whether state is being taken up.
    """

    def __init__(self, timeout_s: float, beaten: Callable[[], float], metrics: PipelineMetrics) -> None:
        self._watchdog = Watchdog(timeout_s)
        self._last_resort = LastResort(beaten, timeout_s)
        self._metrics = metrics
        self.flushes = 0
        self.joined = False
        self.recovering = False

    def start(self) -> None:
        """Watch the event loop, from a thread of its own."""
        self._last_resort.start()

    def stop(self) -> None:
        """The worker has ended in order."""
        self._last_resort.stop()

    def end_soon(self) -> None:
        """The worker is about to end; if it hangs over that, it is ended."""
        self._last_resort.end_within(_END_SECONDS)

    def look(
        self, consumer: BatchConsumer, *, rebalancing: bool, refusal: BaseException | None, progress: Hashable
    ) -> Stalled | None:
        """Look at the worker.

        Args:
            consumer: the app's.
            rebalancing: whether the group is.
            refusal: why Kafka did not take what was sent to it last; None if it did.
            progress: what changes as a rebalance or recovery goes on.

        Returns:
            What has stood still for too long, if anything.
        """
        now = time.monotonic()
        refused = refusal is not None and refuses(refusal)
        seen = Seen(
            self._excuse(rebalancing=rebalancing, away=refusal is not None and not refused),
            consumer.beats,
            self.flushes,
            consumer.unacknowledged,
            refused,
            consumer.readings(),
            progress,
        )
        stalled = self._watchdog.look(now, seen)
        for reason, seconds in self._watchdog.seconds(now).items():
            self._metrics.set_stalled(reason, seconds)
        self._metrics.set_fetched_bytes(consumer.fetched_bytes)
        return stalled

    def _excuse(self, *, rebalancing: bool, away: bool) -> Excuse | None:
        if not self.joined:
            return Excuse.STARTING
        if self.recovering:
            return Excuse.RECOVERING
        if rebalancing:
            return Excuse.REBALANCING
        return Excuse.KAFKA if away else None
