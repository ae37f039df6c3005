"""What came of runs: what was said, held against what was true."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from tests.benchmarks.detection.scenarios import CONVERSION_KINDS, MINUTE_MS
from tests.benchmarks.detection.scoring import Delays
from tests.benchmarks.detection.watching import Told, Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.benchmarks.detection.scenarios import Truth
    from tests.benchmarks.detection.watching import Scope


_NEVER_MS = 1 << 62


@dataclass(slots=True)
class Outcome:
    """Sums over runs; ``add`` joins those of other runs of the same scenario.

    Attributes:
        delays: minutes to the first right word, per broken place; inf where none came.
        runs: chances to cry wolf: slots in the light world, runs in the shop.
        crying: in how many of these a false word about conversion was said.
        false_episodes: how many there were, and the slot-days that they came in.
        slot_days: see above; in the shop, days of the whole shop.
        wide: false words about the total or the rest, and the runs that had a chance of it.
        wide_runs: see above.
        traffic: words about traffic; they are right or wrong by taste.
        right: how many detections named place, step and kind; ``near`` had the place among the first
            three candidates.
        near: see above.
        messages: words on the incidents that were right, and how many such there were.
        incidents: see above.
        resolved: minutes from the end of the trouble to the word that it is over.
        cleared: incidents that were said to be over while they were not.
        kinds: false words by kind.
        seconds: CPU time in the watcher.
        buckets: that it was shown.
    """

    delays: list[float] = field(default_factory=list)
    runs: int = 0
    crying: int = 0
    false_episodes: int = 0
    slot_days: float = 0.0
    wide: int = 0
    wide_runs: int = 0
    traffic: int = 0
    right: int = 0
    near: int = 0
    messages: int = 0
    incidents: int = 0
    resolved: list[float] = field(default_factory=list)
    cleared: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    buckets: int = 0

    def add(self, other: Outcome) -> None:
        """Runs of the same scenario."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def delay(self) -> Delays:
        """Of all detections."""
        return Delays(tuple(self.delays))

    @property
    def ms_per_bucket(self) -> float:
        """CPU time of the watcher."""
        return 1000 * self.seconds / self.buckets if self.buckets else 0.0


@dataclass(slots=True)
class Judge:
    """Holds words against what was true, one place at a time.

    Attributes:
        truth: what is right.
        onset_ms: since when.
        end_ms: when the trouble ends, if it does.
    """

    truth: Truth
    onset_ms: int
    end_ms: int | None = None

    def is_right(self, told: Told, scope: Scope) -> bool:
        """A word of the right kind about this place, not before the onset."""
        about = told.kind in self.truth.kinds and told.at_ms > self.onset_ms
        words = {told.detail, *(key for _, key in told.scope)}
        return about and self._at(told, scope) and (not self.truth.detail or self.truth.detail in words)

    def _at(self, told: Told, scope: Scope) -> bool:
        """Of the place or part of it; of what contains it only if the place is everything."""
        if not scope or scope == (("all", "all"),):
            return True
        return bool(set(scope) & set(told.scope))

    def broken(self, outcome: Outcome, said: Sequence[Told], scope: Scope) -> set[str]:
        """Score one broken place; incidents that were about it."""
        right = [told for told in said if self.is_right(told, scope)]
        first = next((told for told in right if told.word is Word.FIRED), None)
        outcome.delays.append((first.at_ms - self.onset_ms) / MINUTE_MS if first else inf)
        mine = {told.incident for told in right}
        if first is not None:
            outcome.right += self._names(first, scope)
            outcome.near += any(self._same(c, scope) for c in (first.scope, *first.candidates[:3]))
            outcome.incidents += len(mine)
            outcome.messages += sum(told.incident in mine for told in said)
        if first is not None:
            until = self.end_ms or _NEVER_MS
            outcome.cleared += len({t.incident for t in _ended(said, mine) if t.at_ms <= until})
            if self.end_ms is not None:
                outcome.resolved.append(self._over(said, mine))
        return mine

    def _names(self, told: Told, scope: Scope) -> bool:
        step = self.truth.step is None or (told.step is not None and told.step[1] == self.truth.step)
        return step and (bool(self.truth.detail) or self._same(_without_topic(told.scope), scope))

    @staticmethod
    def _same(told: Scope, scope: Scope) -> bool:
        return not scope or set(told) == set(scope)

    def _over(self, said: Sequence[Told], mine: set[str]) -> float:
        assert self.end_ms is not None
        over = [told.at_ms for told in _ended(said, mine) if told.at_ms > self.end_ms]
        return (over[0] - self.end_ms) / MINUTE_MS if over else inf


def _without_topic(scope: Scope) -> Scope:
    """A partition is named, whichever of its topics was missed first."""
    parts = {dimension for dimension, _ in scope}
    return tuple(part for part in scope if part[0] != "topic") if "partition" in parts else scope


def _ended(said: Iterable[Told], mine: set[str]) -> list[Told]:
    return [told for told in said if told.incident in mine and told.word is Word.RESOLVED]


def about_conversion(said: Iterable[Told]) -> list[Told]:
    """New incidents that say conversion moved."""
    return [told for told in said if told.word is Word.FIRED and told.kind in CONVERSION_KINDS]


def about_traffic(said: Iterable[Told]) -> int:
    """New incidents that say traffic moved."""
    return sum(told.word is Word.FIRED and told.kind.startswith("traffic") for told in said)
