"""Takes causes one by one, the best of what is left first, each with all that it completes.

What the causes so far take from a suspect's expectation adds up, so what several of them make
together is explained by them together, and goes under the one that took most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.diagnosis.explaining import MOST_RATIO, NAMED_CAUSES, Explaining, Steps, Suspect
from alerts.diagnosis.suspects import FoldSettings, Under, by_rank, score

if TYPE_CHECKING:
    from collections.abc import Container


class Pursuit:
    """One pursuit; see the module.

    Attributes:
        roots: the causes, and what is under each.
        taken: part of each suspect's expectation that the causes take away.
    """

    def __init__(
        self,
        settings: FoldSettings,
        explaining: Explaining,
        members: list[Suspect],
        proposed: list[Suspect],
        barred: Container[Suspect],
    ) -> None:
        self.roots: dict[Suspect, list[Under]] = {}
        self._settings = settings
        self._explaining = explaining
        self._barred = barred
        self._left = dict.fromkeys(sorted(members, key=by_rank))
        self._offered = set(proposed)
        self.taken = dict.fromkeys([*members, *proposed], 0.0)
        self._most: dict[Suspect, tuple[float, Suspect]] = {}
        self._scores = {suspect: score(settings, suspect) for suspect in self.taken if suspect not in barred}
        while self._scores:
            self._take(self._first_cause(min(self._scores, key=lambda one: (-self._scores[one], one.rank))))
        self.roots |= {suspect: [] for suspect in self._left}

    def _take(self, cause: Suspect) -> None:
        net = 1.0 - self.taken[cause] - min(cause.finding.ratio, MOST_RATIO)
        reached = {
            other: self._explaining.share(cause, other) * net for other in self._left if other is not cause
        }
        reached = {other: effect for other, effect in reached.items() if effect != 0.0}
        done = [
            other
            for other, effect in reached.items()
            if self._explaining.explained(other, self.taken[other] + effect)
        ]
        del self._scores[cause]
        if cause in self._offered and not done:
            return
        self._left.pop(cause, None)
        self.roots[cause] = []
        for other, effect in reached.items():
            self._reach(cause, other, effect)
        for other in done:
            self._place(other)

    def _reach(self, cause: Suspect, other: Suspect, effect: float) -> None:
        self.taken[other] += effect
        if abs(effect) > self._most.get(other, (0.0, cause))[0]:
            self._most[other] = abs(effect), cause
        if other in self._scores:
            self._scores[other] = score(self._settings, other, self.taken[other])

    def _place(self, other: Suspect) -> None:
        cause = self._most[other][1]
        self.roots[cause].append(Under(other, self._explaining.reason(cause, other)))
        del self._left[other]
        self._scores.pop(other, None)

    def _first_cause(self, best: Suspect) -> Suspect:
        """``best``, or what explains it and comes before it, as far back as that goes."""
        while True:
            earlier = [
                other
                for other in self._left
                if other in self._scores
                and _precedes(self._explaining, other, best)
                and self._explaining.explains(other, best)
            ]
            if not earlier:
                return best
            best = min(earlier, key=by_rank)


def _precedes(explaining: Explaining, one: Suspect, other: Suspect) -> bool:
    """Whether ``one`` comes first if each could explain the other."""
    steps = explaining.steps(one, other)
    if steps is Steps.SAME:
        named = one.finding.kind in NAMED_CAUSES and other.finding.kind not in NAMED_CAUSES
        return named and one.places == other.places
    return steps is not Steps.UNRELATED
