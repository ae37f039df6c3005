"""How far one shard's log of rollups has come: which ten seconds of event time are over in it.

A bucket is over in a shard once every source partition that is waited for has said there that it has
counted past the bucket's end (it *reached* it), or once waiting ended. Which rollup falls to which
bucket is decided by the shard's log alone, message by message: a rollup falls to the first end that
its source partition had not reached before it and that was not over already. So a log read again
decides the same, however the logs of several shards are mixed; and while nobody is given up, it does
not even matter how the source partitions are mixed within a log.

Waiting for one that is behind ends ``patience_ms`` after the first other one reached the end, by what
they told in this log. If all are behind (a backlog is read after a stall), nobody is given up while
anyone gets ahead; if nobody does for ``patience_ms``, event time goes on with the clock.

While counting is under way each shard is told something every ten seconds, by everybody. So when
nobody at all tells anything for longer (partitions change hands, all workers are away), that is no
news of the sources: of such a silence only the first ``silence_ms`` are waited through, and who speaks
first after it is not ahead of the others by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.closed import Progress


@dataclass(frozen=True, slots=True)
class ClosingSettings:
    """When to stop waiting. Durations are milliseconds by the workers' clocks, but ``skip_after_ms``.

    Attributes:
        patience_ms: how long one that is behind is waited for.
        idle_after_ms: who had read all there was has reached what is older than this.
        forget_after_ms: who is not heard of for so long is not waited for.
        silence_ms: a longer time in which nobody tells anything counts as so long.
        skip_after_ms: a longer span of event time of which nobody said anything has no buckets.
        max_keys: keys of a dimension that are told apart; what comes beyond is ``(other)``.
    """

    patience_ms: int = 15_000
    idle_after_ms: int = 5_000
    forget_after_ms: int = 600_000
    silence_ms: int = 12_000
    skip_after_ms: int = 3_600_000
    max_keys: int = 100_000


class Step(NamedTuple):
    """Up to where the furthest source partition came, and the newest that was told then."""

    reach_ms: int
    told_ms: int


class GivenUp(NamedTuple):
    """Ends in ``(after_ms, until_ms]`` are over though somebody had not reached them; since when."""

    after_ms: int
    until_ms: int
    told_ms: int


class Heard(msgspec.Struct, array_like=True):
    """A source partition: all before ``reach_ms`` is counted, and when it was last heard of."""

    reach_ms: int = 0
    told_ms: int = 0


class ShardState(msgspec.Struct, array_like=True):
    """All that is known, as plain data; what :class:`ShardProgress` says of its attributes."""

    heard: dict[int, Heard] = {}
    first_told_ms: int = 0
    told_ms: int = 0
    moved_ms: int = 0
    furthest_ms: int = 0
    done_ms: int = 0
    started: bool = False
    steps: list[Step] = []
    given_up: list[GivenUp] = []


def floor_bucket(time_ms: int) -> int:
    """Start of the bucket that a time lies in; of what was before 1970, 0."""
    return max(time_ms, 0) // BUCKET_MS * BUCKET_MS


def end_after(time_ms: int) -> int:
    """The first end of a bucket after a time."""
    return floor_bucket(time_ms) + BUCKET_MS


class ShardProgress:
    """See the module.

    Args:
        settings: when to stop waiting.
        partitions: source partitions known from the start. Others are once they are heard of.
    """

    def __init__(self, settings: ClosingSettings, partitions: Iterable[int] = ()) -> None:
        self._settings = settings
        self._expected = frozenset(partitions)
        self._state = ShardState()
        # What each said last: to say it again changes nothing.
        self._said: dict[int, Progress] = {}

    @property
    def done_ms(self) -> int:
        """Event time up to which every bucket is over here; 0 before the first."""
        return self._state.done_ms

    def take(self, partition: int, progress: Progress) -> int:
        """Note what a rollup says; the end of the bucket that it falls to.

        Messages are to be taken in the order of the shard's log.
        """
        state = self._state
        heard = state.heard.get(partition)
        if heard is None:
            heard = state.heard[partition] = Heard()
        end_ms = end_after(max(heard.reach_ms, state.done_ms))
        if self._said.get(partition) == progress:
            # Of several rollups of one flush only the last one says what is new.
            return end_ms
        self._said[partition] = progress
        self._hear(progress.told_at_ms)
        heard.told_ms = max(heard.told_ms, progress.told_at_ms)
        reach_ms = self._reach(progress)
        if reach_ms > heard.reach_ms:
            heard.reach_ms, state.moved_ms = reach_ms, state.told_ms
        if floor_bucket(reach_ms) > floor_bucket(state.furthest_ms):
            state.steps.append(Step(floor_bucket(reach_ms), state.told_ms))
        state.furthest_ms = max(state.furthest_ms, reach_ms)
        self._advance()
        return end_ms

    def tick(self, now_ms: int) -> None:
        """Nobody may have told anything: then time goes on without them."""
        if self._state.told_ms and now_ms - self._state.told_ms >= self._settings.patience_ms:
            self._hear(now_ms)
            self._advance()

    def gave_up_at(self, end_ms: int) -> int | None:
        """When waiting for a bucket with this end ended too soon for somebody; None if it did not."""
        return next(
            (told for after, until, told in self._state.given_up if after < end_ms <= until),
            None,
        )

    def forget(self, end_ms: int) -> None:
        """Buckets up to this end are closed."""
        self._state.given_up = [given_up for given_up in self._state.given_up if given_up.until_ms > end_ms]

    def snapshot(self) -> ShardState:
        """All that is known; a copy."""
        return msgspec.convert(msgspec.to_builtins(self._state), ShardState)

    def restore(self, state: ShardState) -> None:
        """Go on from a snapshot."""
        self._said = {}
        self._state = msgspec.convert(msgspec.to_builtins(state), ShardState)

    def _hear(self, told_ms: int) -> None:
        state = self._state
        if state.told_ms and told_ms - state.told_ms > self._settings.silence_ms:
            self._leave_out(told_ms - state.told_ms - self._settings.silence_ms)
        state.first_told_ms = state.first_told_ms or told_ms
        state.told_ms = max(state.told_ms, told_ms)

    def _leave_out(self, silent_ms: int) -> None:
        """All that was told was told so much later: the time between was nobody's."""
        state = self._state
        state.first_told_ms += silent_ms
        state.moved_ms += silent_ms
        state.steps = [Step(step.reach_ms, step.told_ms + silent_ms) for step in state.steps]
        for heard in state.heard.values():
            # Who is new has told nothing yet.
            heard.told_ms += silent_ms if heard.told_ms else 0

    def _reach(self, progress: Progress) -> int:
        if not progress.idle:
            return progress.complete_until_ms
        return max(progress.complete_until_ms, progress.told_at_ms - self._settings.idle_after_ms)

    def _advance(self) -> None:
        state = self._state
        state.started = state.started or self._may_start()
        if not state.started:
            return
        all_reached_ms = max(self._all_reached(), state.done_ms)
        given_up_ms = self._patience_over()
        if given_up_ms > all_reached_ms:
            state.given_up.append(GivenUp(all_reached_ms, given_up_ms, state.told_ms))
        state.done_ms = max(all_reached_ms, given_up_ms)
        state.steps = [step for step in state.steps if step.reach_ms > state.done_ms]

    def _may_start(self) -> bool:
        """Whether all that are alive have had time to be heard of."""
        state = self._state
        if self._expected and self._expected <= state.heard.keys():
            return True
        return state.told_ms - state.first_told_ms >= self._settings.patience_ms

    def _all_reached(self) -> int:
        since = self._state.told_ms - self._settings.forget_after_ms
        return min(
            (floor_bucket(heard.reach_ms) for heard in self._state.heard.values() if heard.told_ms >= since),
            default=0,
        )

    def _patience_over(self) -> int:
        """The last end for which waiting is over, whoever has not reached it."""
        state, patience_ms = self._state, self._settings.patience_ms
        over_ms = 0
        for step in state.steps:
            if state.told_ms >= step.told_ms + patience_ms:
                over_ms = min(step.reach_ms, floor_bucket(state.told_ms - patience_ms))
        still_ms = state.told_ms - state.moved_ms
        if still_ms >= patience_ms:
            now_ms = min(state.furthest_ms + still_ms, state.told_ms)
            over_ms = max(over_ms, floor_bucket(now_ms - patience_ms))
        return over_ms
