"""Which open incidents are about a narrower place than they say: a pair, not its banner.

When something breaks nobody can tell for minutes whether it is a banner or what one slot shows of it.
What one narrower place alone has explained for long enough, without being found itself any more, is about
that place. Not what is about everything: nobody is helped by a word that takes back half of the shop.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from alerts.identity import identity_of
from alerts.model import EVERYWHERE

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from alerts.identity import Identity
    from alerts.model import Rooted
    from alerts.population import Population


def narrowed(
    population: Population, findings: Sequence[Rooted], found: Collection[Identity], at_ms: int, after_ms: int
) -> list[tuple[Rooted, list[Identity]]]:
    """Findings that give their name to open incidents, and which those are; each incident notes what explains it.

    Args:
        population: pending and open ones.
        findings: of a closing, those that can be believed.
        found: what any finding of it is about.
        at_ms: its time.
        after_ms: for so long.
    """
    inside: dict[Identity, dict[Identity, Rooted]] = defaultdict(dict)
    for rooted in findings:
        identity = identity_of(rooted.finding)
        for above in population.above(identity):
            inside[above][identity] = rooted
    named: dict[Identity, list[Identity]] = defaultdict(list)
    for wide, kept in population.items():
        explains = [] if wide in found or wide.scope == EVERYWHERE else [*inside[wide]]
        alone = explains[0] if len(explains) == 1 else None
        lasted_ms = kept.explained_by(alone.scope if alone else (), at_ms)
        if alone is not None and lasted_ms >= after_ms:
            named[alone].append(wide)
    # While another wider one stands it goes on saying it.
    return [
        (inside[wide[0]][identity], wide)
        for identity, wide in named.items()
        if len(wide) == len(population.above(identity))
    ]
