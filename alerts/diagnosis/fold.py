"""One cause, one incident: which findings are causes, and which only follow from them.

Findings of one family (losses of conversion; surges; traffic drops; ...) compete. The one whose counts
gain most likelihood over "nothing changed", less the price of its name, is taken as a cause; all that
it explains (``explaining``) goes under it; then the best of what is left, after the effects of the
causes so far (``pursuit``). Before that, a cause gives way to one that explains it and comes first: an
earlier step, a step within its span, a named cause (out of stock, mix) on the same scope. So the
first broken step stands above the later ones, a total above its keys, a key above the total that it
drags down, and a key that is worse than its total accounts for stands alone.

Two corrections (``causes``). A cause that up to ``MOST_PARTS`` others together account for is none: a
total that was dragged down by each of them. When more than that break inside a wider finding at once,
it is the wider one: nobody is helped by twenty incidents about twenty slots.

Each finding ends up under exactly one root. The order of the findings does not matter, and folding
the roots again changes nothing. Open incidents take part with their last finding, so that what
comes late goes under them; a root names the incidents it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from alerts.diagnosis.causes import Folding
from alerts.diagnosis.explaining import NAMED_CAUSES, Reason, family, where
from alerts.diagnosis.suspects import FoldSettings, Under, ranked

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from alerts.diagnosis.explaining import Suspect
    from alerts.diagnosis.leaves import Leaves
    from alerts.model import Finding, Step

__all__ = ["Child", "FoldSettings", "Opened", "Reason", "Root", "fold"]


class Opened(NamedTuple):
    """An open incident: its id, and the last finding it was about."""

    incident: str
    finding: Finding


class Child(NamedTuple):
    """A finding that follows from a root, and why it is thought so."""

    finding: Finding
    reason: Reason


@dataclass(frozen=True, slots=True)
class Root:
    """A cause and what follows from it.

    Attributes:
        finding: the cause; an open incident's last finding if that is all there is of it.
        children: what it explains, in a fixed order.
        incidents: open incidents that stand for it, oldest first; several are one from now on.
    """

    finding: Finding
    children: tuple[Child, ...] = ()
    incidents: tuple[str, ...] = ()


def fold(
    findings: Iterable[Finding],
    settings: FoldSettings,
    *,
    opened: Sequence[Opened] = (),
    leaves: Mapping[Step | None, Leaves] | None = None,
    proposals: Iterable[Finding] = (),
) -> tuple[Root, ...]:
    """Folds the findings of one closing into their causes.

    Args:
        findings: all that are beyond their thresholds now.
        settings: see there.
        opened: open incidents, oldest first.
        leaves: counts by combination, by step; without them a key explains another dimension's key
            only as far as its share of the total goes.
        proposals: scopes that a scan named (``diagnosing.proposed``); a cause only if something
            else is explained by it.

    Returns:
        Roots, the one that gains most first.
    """
    now, newest = dict.fromkeys(findings), {_key(finding): finding for finding in proposals}
    seen = {_key(finding) for finding in now}
    # Of an open incident that nobody says by itself a scan may have newer counts.
    last = (newest.get(_key(known.finding), known.finding) for known in opened)
    now |= dict.fromkeys(finding for finding in last if _key(finding) not in seen)
    seen |= {_key(finding) for finding in now}
    offered = {finding for key, finding in newest.items() if key not in seen}
    told = {_key(known.finding) for known in opened}
    held = {finding for finding in now if _key(finding) in told}
    found: list[tuple[Suspect, list[Under]]] = []
    for members in _families(settings, [*now, *offered], held):
        proposed = [suspect for suspect in members if suspect.finding in offered]
        folding = Folding(settings, leaves or {})
        found += folding.settled([suspect for suspect in members if suspect.finding in now], proposed).items()
    found.sort(key=lambda item: item[0].rank)
    return tuple(_as_root(root, under, opened) for root, under in found)


def _families(
    settings: FoldSettings, findings: Iterable[Finding], held: Container[Finding]
) -> Iterable[list[Suspect]]:
    found: dict[str, list[Suspect]] = {}
    for suspect in ranked(settings, findings, held):
        found.setdefault(family(suspect.finding), []).append(suspect)
    return found.values()


def _as_root(root: Suspect, under: list[Under], opened: Sequence[Opened]) -> Root:
    children = sorted(under, key=lambda child: child.suspect.rank)
    keys = {_key(root.finding), *(_key(child.suspect.finding) for child in children)} if opened else set()
    incidents = tuple(known.incident for known in opened if _key(known.finding) in keys)
    return Root(
        root.finding, tuple(Child(child.suspect.finding, child.reason) for child in children), incidents
    )


def _key(finding: Finding) -> tuple[object, ...]:
    """What makes two findings the same thing at two times."""
    return family(finding), where(finding), finding.step, finding.kind in NAMED_CAUSES
