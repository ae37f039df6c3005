"""Keys that only seem to convert worse or better, as they are shown together with other things than before.

A banner on a slot whose visitors hardly buy converts worse once that slot gets more of the traffic, and
so does every SKU there: each pair of slot and banner is what it was, and nothing broke. What a key's
combinations usually bring, at the shares they have now, is held against what was seen: if too little is
left of a finding, it is withheld, and the key goes on learning. The total's own finding is named instead
(``places``).

Exposures are not counted by combination, so of them clicks are asked for: a SKU that is clicked as often as
the slots that show it is clicked there as it always was (``Combinations.shown``).

Promises: a finding with more behind it than the mix is said, with all of its counts, and once it is said
its series is left alone. Refuses to know which step of several the usual difference lies in: all up to
the order are taken to bear it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alerts.diagnosis.explaining import MOST_RATIO, Explaining, Suspect, where
from alerts.judges.spoken import Series
from alerts.model import EVERYWHERE, Kind, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from alerts.combinations import Mix
    from alerts.judges.spoken import Spoken
    from alerts.model import Finding

    # By dimension and key, what the mix since a moment makes of the key's conversion at a step.
    Look = Callable[[Step, int], Mapping[tuple[str, str], Mix]]

# A look is good until a finding is a quarter older than it was, and for a minute at least.
_OLD_MS: Final = 60_000
_GROWN: Final = 4
# Change points are taken together: so many minutes, or tens of them, ago, and at most an hour.
_MINUTE_MS: Final = 60_000
_COARSE_MS: Final = 600_000
_MOST_MS: Final = 3_600_000
# Entries of before a change point still arrive after it; how many do differs by step, so the mix is looked
# at without them and with them, and the one that leaves less is believed.
_LEADS_MS: Final = (0, 600_000)
# A mix that does less explains nothing: shares of a few entries are chance.
_LEAST: Final = 0.05
_ABOUT: Final = frozenset({Kind.CONVERSION_DROP, Kind.CONVERSION_SURGE, Kind.NODE_BREAK})


class Mixed:
    """See the module.

    Args:
        nodes: of the funnel.
        tolerance: relative change that is none.
        look: how the mix is looked up.
    """

    def __init__(self, nodes: Sequence[str], tolerance: float, look: Look) -> None:
        self._explaining = Explaining(nodes, {}, tolerance=tolerance)
        self._look = look
        # Of steps between the two the same is known: clicks, and orders.
        self._first, self._last = Step(nodes[0], nodes[1]), Step(nodes[-2], nodes[-1])
        # Of series that were looked at: when, and the factors that the mix may make.
        self._looks: dict[Series, tuple[int, list[float]]] = {}

    def withheld(self, spoken: Iterable[Spoken], known: Collection[Series], at_ms: int) -> frozenset[Series]:
        """Series of one closing whose findings the mix explains.

        Args:
            spoken: all findings of the closing.
            known: series of what was said before.
            at_ms: end of the bucket.
        """
        asked = [
            each
            for each in spoken
            if each.series not in known and each.finding.kind in _ABOUT and _of_one_key(each.finding)
        ]
        began = {series: finding.since_ms for finding, series in asked}
        self._looks = {
            series: look
            for series, look in self._looks.items()
            if series in began and at_ms - look[0] < max(_OLD_MS, (look[0] - began[series]) // _GROWN)
        }
        self._look_at([each for each in asked if each.series not in self._looks], at_ms)
        return frozenset(series for finding, series in asked if self._is_mix(finding, self._looks[series][1]))

    def _look_at(self, asked: Iterable[Spoken], at_ms: int) -> None:
        """Findings that began at about the same time share a look."""
        looks: dict[tuple[Step | None, int], Mapping[tuple[str, str], Mix]] = {}
        for finding, series in asked:
            place, factors = finding.scope[0], list[float]()
            alike = finding.step if finding.step in {self._first, self._last} else None
            for ago in _looked_at(at_ms - finding.since_ms, shown=finding.step == self._first):
                if (alike, ago) not in looks:
                    looks[alike, ago] = self._look(finding.step or self._last, at_ms - ago)
                mix = looks[alike, ago].get((place.dimension, place.key))
                factors += [] if mix is None else _factors(mix)
            # What clicks should have been over what they were: times what they were over what was expected.
            clicked = min(finding.ratio, MOST_RATIO) if finding.step == self._first else 1.0
            self._looks[series] = at_ms, [factor * clicked for factor in factors]

    def _is_mix(self, finding: Finding, factors: Iterable[float]) -> bool:
        suspect = Suspect(finding, where(finding))
        return any(
            abs(1.0 - factor) >= _LEAST and self._explaining.explained(suspect, 1.0 - factor)
            for factor in factors
        )

    def snapshot(self) -> list[Any]:
        """All of it as plain data."""
        return [[series, at_ms, factors] for series, (at_ms, factors) in self._looks.items()]

    def restore(self, state: Iterable[Sequence[Any]]) -> None:
        """Go on from a snapshot."""
        self._looks = {Series(*series): (at_ms, list(factors)) for series, at_ms, factors in state}


def _factors(mix: Mix) -> tuple[float, float]:
    """As it looks, and as far out as it may be: where few orders are known, shares do more than they seem to."""
    further = 1.0 + (mix.factor - 1.0) * (1.0 + mix.error)
    return mix.factor, max(further, 0.0)


def _looked_at(ago_ms: int, *, shown: bool) -> list[int]:
    """From how long ago on mixes are looked at; clicks follow what is ``shown`` at once, so there is one answer."""
    if shown:
        return [_rounded(ago_ms, _MINUTE_MS)]
    agos = (ago_ms + lead for lead in _LEADS_MS)
    return [_rounded(ago, _MINUTE_MS if ago <= _COARSE_MS else _COARSE_MS) for ago in agos]


def _rounded(ago_ms: int, grain_ms: int) -> int:
    return min(-(-ago_ms // grain_ms) * grain_ms, _MOST_MS)


def _of_one_key(finding: Finding) -> bool:
    return (
        len(finding.scope) == 1
        and finding.step is not None
        and finding.scope != EVERYWHERE
        and not finding.detail
    )
