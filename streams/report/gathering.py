"""The fold of a promotion's closed buckets into what its report says.

Promises: every bucket is looked at once and let go; what is kept is bounded by keys and by steps of the
charts, not by how long or how much was recorded. Buckets of other times may come in between.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from streams.closed import BUCKET_MS
from streams.durations import HOUR
from streams.report.keyed import KeyedSums
from streams.report.outline import Times, edges_of
from streams.report.track import Track, money_by_start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.closed import ClosedBucket
    from streams.promotions import Promotion
    from streams.report.outline import Outline

TOTAL: Final = {"all": frozenset({"all"})}
_MOST_GAPS: Final = 50


class Health:
    """What is to be said of the data of a time: records by outcome, and which buckets there were."""

    def __init__(self, times: Times) -> None:
        self.times = times
        self.records: Counter[tuple[int, str]] = Counter()
        self.buckets = 0
        self.incomplete = 0
        # Times without buckets, the first ones; and how long all of them are.
        self.gaps: list[Times] = []
        self.missing_ms = 0
        self.until_ms = times.start_ms

    def take(self, closed: ClosedBucket) -> None:
        """Take in a closed bucket."""
        if not self.times.start_ms <= closed.start_ms < self.times.end_ms:
            return
        self._miss(closed.start_ms)
        self.until_ms = closed.end_ms
        self.buckets += 1
        self.incomplete += not closed.complete
        for (_, topic, outcome), records in closed.records.items():
            self.records[topic, outcome] += records

    def _miss(self, until_ms: int) -> None:
        # The first bucket may have begun before the promotion did.
        if until_ms - self.until_ms >= BUCKET_MS:
            self.missing_ms += until_ms - self.until_ms
            if len(self.gaps) < _MOST_GAPS:
                self.gaps.append(Times(self.until_ms, until_ms))


class Gathering:
    """See the module.

    Args:
        outline: the times that are looked at.
        lateness_ms: how late an event may come.
        last_apart: the last promotion is handed in by itself (:meth:`take_last`), not among the others.
    """

    def __init__(self, outline: Outline, lateness_ms: int, *, last_apart: bool = False) -> None:
        promotion, last = outline.promotion, outline.last
        self.outline = outline
        self._last_apart = last_apart
        self.stages: tuple[str, ...] = ()
        self.nodes = 0
        # A source partition that was not waited for brings what it has when it is back.
        self._late_ms = lateness_ms + HOUR
        self.keys_of = promotion.scope or TOTAL
        self.now = self._track(promotion)
        self.then = None if last is None else self._track(last)
        self.earlier = {days: Track(_edges(times), self.keys_of) for days, times in outline.earlier.items()}
        self.keyed = KeyedSums(_sale(promotion), promotion.scope)
        self.keyed_then = None if last is None else KeyedSums(_sale(last), last.scope)
        self.health = Health(Times(promotion.begins_ms, promotion.end_ms))
        self.end_ms = 0

    def _track(self, promotion: Promotion) -> Track:
        return Track(edges_of(promotion, self.outline.step_ms), self.keys_of)

    @property
    def done(self) -> bool:
        """Whether nothing that comes now can be of the promotion."""
        return self.end_ms >= self.outline.promotion.end_ms + self._late_ms

    def passing(self, buckets: Iterator[ClosedBucket]) -> Iterator[ClosedBucket]:
        """The buckets, each taken in before it is handed on; until :attr:`done`."""
        for closed in buckets:
            self.take(closed)
            yield closed
            if self.done:
                return

    def take(self, closed: ClosedBucket) -> None:
        """Take in a closed bucket."""
        self.end_ms = max(self.end_ms, closed.end_ms)
        if closed.nodes:
            self.stages, self.nodes = closed.stages, closed.nodes
        self.health.take(closed)
        sinks = self._sinks(self.now, self.keyed, closed)
        if not self._last_apart:
            sinks += self._sinks(self.then, self.keyed_then, closed)
        for track in self.earlier.values():
            sinks += self._sinks(track, None, closed)
        _pour(closed, sinks)

    def take_last(self, closed: ClosedBucket) -> None:
        """Take in a closed bucket of the last promotion; keys may have other numbers in these."""
        _pour(closed, self._sinks(self.then, self.keyed_then, closed))

    def _sinks(
        self, track: Track | None, keyed: KeyedSums | None, closed: ClosedBucket
    ) -> list[Track | KeyedSums]:
        """Both, if a closed bucket may have something for them."""
        if track is None or not track.edges or not self._touches(track, closed):
            return []
        return [track] if keyed is None else [track, keyed]

    def _touches(self, track: Track, closed: ClosedBucket) -> bool:
        return track.edges[0] < closed.end_ms and closed.start_ms < track.edges[-1] + self._late_ms


def _pour(closed: ClosedBucket, sinks: list[Track | KeyedSums]) -> None:
    for sink in sinks:
        sink.take(closed)
    if sinks:
        for start_ms, key, orders, amount in money_by_start(closed):
            for sink in sinks:
                sink.pay(start_ms, key, orders, amount)


def _edges(times: tuple[Times | None, ...]) -> list[int]:
    return sorted({edge for each in times if each is not None for edge in each})


def _sale(promotion: Promotion) -> Times:
    return Times(promotion.start_ms, promotion.end_ms)
