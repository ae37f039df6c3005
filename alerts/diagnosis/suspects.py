"""Findings as suspects: which is the likelier cause."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Final, NamedTuple

from alerts.diagnosis.explaining import TOLERANCE, Reason, Suspect, where
from alerts.diagnosis.likelihood import gain

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from alerts.model import Finding

MOST_PARTS: Final = 3
# A place other than the one that was told, or that was found, must fit better by so much, nats: names that
# change back and forth help nobody, and a finding's own counts are exact where leaves may be a part of them.
CLEARER: Final = 3.0


@dataclass(frozen=True, slots=True)
class FoldSettings:
    """What folding goes by.

    Attributes:
        nodes: of the funnel, in its order.
        dimensions: names, coarse ones first: of equal scopes the first is the cause.
        key_counts: how many keys each dimension has: the price of naming one.
        tolerance: relative change that is no evidence, as in detection.
        most_parts: how many causes inside a wide one stand alone.
    """

    nodes: tuple[str, ...]
    dimensions: tuple[str, ...] = ("slot", "banner", "sku")
    key_counts: Mapping[str, int] | None = None
    tolerance: float = TOLERANCE
    most_parts: int = MOST_PARTS


class Under(NamedTuple):
    """What follows from a cause, and why it is thought so."""

    suspect: Suspect
    reason: Reason


def ranked(
    settings: FoldSettings, findings: Iterable[Finding], held: Container[Finding] = ()
) -> list[Suspect]:
    """The likeliest cause first; every difference between findings breaks a tie. Of ``held`` people were told."""
    suspects = [Suspect(finding, where(finding), held=finding in held) for finding in findings]
    suspects.sort(key=lambda suspect: _rank(settings, suspect))
    for at, suspect in enumerate(suspects):
        suspect.rank = at
    return suspects


def _rank(settings: FoldSettings, suspect: Suspect) -> tuple[object, ...]:
    finding = suspect.finding
    order = {dimension: at for at, dimension in enumerate(settings.dimensions)}
    places = sorted((order.get(place.dimension, len(order)), *place) for place in suspect.places)
    step = finding.step or ("", "")
    counts = (finding.observed, finding.expected, finding.entries, finding.evidence, finding.threshold)
    times = (finding.since_ms, finding.at_ms, finding.one_in_ms)
    money = (finding.lost_minor or 0, finding.currency or "")
    rest = (*step, finding.kind, times, counts, money, finding.scope)
    return -score(settings, suspect), len(places), places, *rest


def score(settings: FoldSettings, suspect: Suspect, taken: float = 0.0) -> float:
    """Likelihood gained over what causes have taken already, less the price of the name."""
    counts, finding = settings.key_counts or {}, suspect.finding
    price = sum(log(max(counts.get(place.dimension, 1), 1)) for place in suspect.places)
    price -= CLEARER if suspect.held else 0.0
    if finding.expected <= 0.0:
        return finding.evidence - price
    rest = finding.expected * max(1.0 - taken, 0.0)
    same_way = (finding.observed < rest) == (finding.observed < finding.expected)
    return (gain(finding.observed, rest) if same_way else 0.0) - price


def by_rank(suspect: Suspect) -> int:
    """To sort by."""
    return suspect.rank
