"""What stands beside an incident: contributors, mix against rate, GMV by factor, what it is not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from alerts.diagnosis.contributors import contributors
from alerts.diagnosis.likelihood import Direction
from alerts.diagnosis.mix import Verdict
from alerts.diagnosis.scan import scan
from alerts.model import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from alerts.diagnosis.decomposition import GmvChange
    from alerts.diagnosis.leaves import Leaves
    from alerts.diagnosis.mix import MixChange
    from alerts.diagnosis.scan import Scope
    from alerts.model import Finding

    F64 = NDArray[np.float64]

# A scan that names another place than the finding must fit better by this much: the finding's own
# counts are exact, the leaves may be a part of them.
CLEARER = 3.0


class RuledOut(StrEnum):
    """What was looked at and is not the cause."""

    MIX = "mix"
    TRAFFIC = "traffic"
    LATENCY = "latency"
    STOCK = "stock"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a finding beside its leaves.

    Attributes:
        mix: the change of the scope's rate, taken apart by a dimension's keys.
        gmv: the change of GMV by factor.
        worth: minor units a conversion is worth, by leaf; shares are then of money.
        not_the_cause: what detectors have looked at and found in order.
    """

    mix: MixChange | None = None
    gmv: GmvChange | None = None
    worth: F64 | None = None
    not_the_cause: Iterable[RuledOut] = ()


NOTHING_MORE = Evidence()


def diagnose(
    finding: Finding, leaves: Leaves, evidence: Evidence = NOTHING_MORE, *, folded: int = 0
) -> Diagnosis:
    """Why and where, for one root.

    Args:
        finding: the root.
        leaves: counts by combination of the finding's step, since its change point.
        evidence: what else is known.
        folded: how many findings are under the root.
    """
    mix = evidence.mix
    excluded = set(evidence.not_the_cause)
    if mix is not None and mix.verdict is Verdict.RATES:
        excluded.add(RuledOut.MIX)
    return Diagnosis(
        contributors=contributors(leaves, finding.scope, worth=evidence.worth),
        rate_share=None if mix is None else mix.rate_share,
        decomposition={} if evidence.gmv is None else evidence.gmv.as_dict(),
        ruled_out=tuple(word.value for word in RuledOut if word in excluded),
        folded=folded,
    )


def proposed(finding: Finding, leaves: Leaves, *, dispersion: float = 1.0) -> tuple[Finding, ...]:
    """The scopes that a scan of the leaves would rather name, as findings like ``finding``.

    None if it names the same scope, or fits it about as well: see ``CLEARER``.
    """
    direction = Direction.DROP if finding.observed <= finding.expected else Direction.SURGE
    scopes = scan(leaves, direction, dispersion=dispersion)
    same = next((scope.gain for scope in scopes if set(scope.places) == set(finding.scope)), 0.0)
    if not scopes or scopes[0].gain < same + CLEARER:
        return ()
    return (as_finding(scopes[0], finding, leaves),)


def as_finding(scope: Scope, like: Finding, leaves: Leaves) -> Finding:
    """A scope as a finding of the same kind, step and time; its loss in proportion."""
    lost = like.expected - like.observed
    money = None if like.lost_minor is None or not lost else round(like.lost_minor * scope.lost / lost)
    return replace(
        like,
        scope=scope.places,
        observed=scope.observed,
        expected=scope.expected,
        entries=float(leaves.entries[leaves.inside(scope.places)].sum()),
        evidence=scope.gain,
        lost_minor=money,
    )


def scopes_of(findings: Sequence[Finding], leaves: Leaves) -> tuple[Finding, ...]:
    """What to propose to ``fold`` for findings of one step: the scan's answer for the strongest."""
    strongest = max(findings, key=lambda finding: (finding.evidence, str(finding.scope)), default=None)
    return () if strongest is None else proposed(strongest, leaves)
