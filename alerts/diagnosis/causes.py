"""Which suspects are causes, among findings of one family; ``fold`` says how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from alerts.diagnosis.explaining import NAMED_CAUSES, Explaining, Reason, Steps, Suspect
from alerts.diagnosis.pursuit import Pursuit
from alerts.diagnosis.suspects import FoldSettings, Under, by_rank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.diagnosis.leaves import Leaves
    from alerts.model import Step

# Change points this near are one moment, for causes that are parts of one whole.
AT_ONCE_MS: Final = 900_000


@dataclass
class Folding:
    """One folding of one family."""

    settings: FoldSettings
    leaves: Mapping[Step | None, Leaves]

    def settled(self, members: list[Suspect], proposed: list[Suspect]) -> dict[Suspect, list[Under]]:
        """Roots and what is under them, folded until folding the roots changes nothing."""
        roots = self._once(members, proposed)
        while True:
            again = self._once(list(roots), [])
            if len(again) == len(roots):
                return roots
            roots = {
                root: [
                    *roots[root],
                    *(grown for child in children for grown in (child, *roots[child.suspect])),
                ]
                for root, children in again.items()
            }

    def _once(self, members: list[Suspect], proposed: list[Suspect]) -> dict[Suspect, list[Under]]:
        explaining = self._explaining(members)
        barred: set[Suspect] = set()
        while True:
            roots = Pursuit(self.settings, explaining, members, proposed, barred).roots
            needless = self._needless(explaining, roots)
            if needless is None:
                return self._gathered(explaining, roots, members)
            if needless in barred:
                # The others do not reach it one by one, only all at once.
                roots = self._put_away(explaining, roots, needless)
                return self._gathered(explaining, roots, members)
            barred.add(needless)

    @staticmethod
    def _put_away(
        explaining: Explaining, roots: dict[Suspect, list[Under]], needless: Suspect
    ) -> dict[Suspect, list[Under]]:
        others = sorted((root for root in roots if root is not needless), key=by_rank)
        most = max(others, key=lambda root: abs(explaining.effect(root, needless)))
        under = Under(needless, explaining.reason(most, needless))
        return {root: [*roots[root], *([under, *roots[needless]] if root is most else [])] for root in others}

    def _explaining(self, members: list[Suspect]) -> Explaining:
        totals: dict[Step | None, float] = {}
        for suspect in members:
            if not suspect.places:
                finding = suspect.finding
                totals[finding.step] = max(totals.get(finding.step, 0.0), finding.expected)
        for step, leaves in self.leaves.items():
            totals.setdefault(step, float(leaves.expected.sum()))
        return Explaining(self.settings.nodes, self.leaves, totals, self.settings.tolerance)

    def _needless(self, explaining: Explaining, roots: Mapping[Suspect, list[Under]]) -> Suspect | None:
        """A cause that a few others together account for; the widest first."""
        for suspect in sorted(roots, key=lambda root: (len(root.places), root.rank)):
            effects = [explaining.effect(other, suspect) for other in roots if other is not suspect]
            parts = [effect for effect in effects if effect != 0.0]
            few = 0 < len(parts) <= self.settings.most_parts
            if few and explaining.explained(suspect, sum(parts)):
                return suspect
        return None

    def _gathered(
        self, explaining: Explaining, roots: dict[Suspect, list[Under]], members: list[Suspect]
    ) -> dict[Suspect, list[Under]]:
        """With many causes inside a wider suspect made its parts, the narrowest such suspect first."""
        for wide in sorted(members, key=lambda one: (-len(one.places), one.rank)):
            parts = [root for root in roots if _part_of(explaining, root, wide)]
            if len(parts) > self.settings.most_parts:
                gathered = [
                    under for part in parts for under in (Under(part, Reason.PART_OF_MANY), *roots.pop(part))
                ]
                roots = {
                    root: [one for one in under if one.suspect is not wide] for root, under in roots.items()
                }
                known = roots.get(wide, [])
                roots[wide] = [*known, *(one for one in gathered if one.suspect is not wide)]
        return roots


def _part_of(explaining: Explaining, part: Suspect, wide: Suspect) -> bool:
    if part.finding.kind in NAMED_CAUSES or not part.places > wide.places:
        return False
    at_once = part.finding.since_ms >= wide.finding.since_ms - AT_ONCE_MS
    return at_once and explaining.steps(wide, part) is not Steps.UNRELATED
