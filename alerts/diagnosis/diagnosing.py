"""What stands beside an incident: contributors, mix against rate, GMV by factor, what it is not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from alerts.diagnosis.contributors import contributors
from alerts.diagnosis.likelihood import Direction
from alerts.diagnosis.mix import Verdict
from alerts.diagnosis.scan import scan
from alerts.diagnosis.suspects import CLEARER, MOST_PARTS
from alerts.model import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from numpy.typing import NDArray

    from alerts.diagnosis.decomposition import GmvChange
    from alerts.diagnosis.leaves import Leaves
    from alerts.diagnosis.mix import MixChange
    from alerts.diagnosis.scan import Scope
    from alerts.model import Finding, Place

    F64 = NDArray[np.float64]


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


def proposed(
    finding: Finding,
    leaves: Leaves,
    *,
    dispersion: float = 1.0,
    rounds: int = MOST_PARTS,
    held: Collection[frozenset[Place]] = (),
) -> tuple[Finding, ...]:
    """The scopes that a scan of the leaves would name, as findings like ``finding``.

    One scan names one scope; its effect is taken off the expectation, and the next names what broke
    beside it, up to ``rounds``. What is no clearer than one that is ``held``, for people were told of it,
    gives way to that; what is no clearer than the finding's own scope is left out.
    """
    direction = Direction.DROP if finding.observed <= finding.expected else Direction.SURGE
    found: list[Finding] = []
    rest = leaves
    for _ in range(rounds):
        scopes = scan(rest, direction, dispersion=dispersion)
        if not scopes:
            break
        own = next((scope for scope in scopes if set(scope.places) == set(finding.scope)), None)
        told = next((scope for scope in scopes if frozenset(scope.places) in held), None)
        known = own if told is None else told
        best = known if known is not None and scopes[0].gain < known.gain + CLEARER else scopes[0]
        if best is not own:
            found.append(as_finding(best, finding, leaves))
        inside = leaves.inside(best.places)
        # Where nothing was expected, what was observed is all explained.
        due = rest.expected * best.ratio if np.isfinite(best.ratio) else rest.observed
        rest = rest.expecting(np.where(inside, due, rest.expected))
    return tuple(found)


def as_finding(scope: Scope, like: Finding, leaves: Leaves) -> Finding:
    """A scope as a finding of the same kind, step and time; its loss in proportion."""
    inside = leaves.inside(scope.places)
    observed, expected = float(leaves.observed[inside].sum()), float(leaves.expected[inside].sum())
    lost = like.expected - like.observed
    money = (
        None if like.lost_minor is None or not lost else round(like.lost_minor * (expected - observed) / lost)
    )
    return replace(
        like,
        scope=scope.places,
        observed=observed,
        expected=expected,
        entries=float(leaves.entries[inside].sum()),
        evidence=scope.gain,
        lost_minor=money,
    )


def scopes_of(findings: Sequence[Finding], leaves: Leaves, *, dispersion: float = 1.0) -> tuple[Finding, ...]:
    """What to propose to ``fold`` for findings of one step: the scan's answer for the strongest."""
    strongest = max(findings, key=lambda finding: (finding.evidence, str(finding.scope)), default=None)
    return () if strongest is None else proposed(strongest, leaves, dispersion=dispersion)
