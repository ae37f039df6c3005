"""From findings to what stands in an incident: its numbers, what became of them, how bad it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import msgspec

from alerts.identity import ABOUT_DATA, Identity, family_of, identity_of, incident_id, says_more
from alerts.incident import ContributorPart, Incident, ScopePart, StepPart, finite, ratio_interval
from alerts.model import Kind, Place, Reason, Severity, State, Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerts.model import Diagnosis, Finding, Rooted

_MINUTE_MS: Final = 60_000
# A rate over less than a bucket says nothing.
_LEAST_SPAN_MS: Final = 10_000
_LEAST_RATIO: Final = 1e-9
_BY_KIND: Final = {
    Kind.NODE_BREAK: Severity.CRITICAL,
    Kind.DATA_OUTAGE: Severity.CRITICAL,
    Kind.BAD_INPUT: Severity.CRITICAL,
    Kind.MIX_SHIFT: Severity.INFO,
    Kind.CONVERSION_SURGE: Severity.WARNING,
    Kind.TRAFFIC_SURGE: Severity.INFO,
    Kind.OUT_OF_STOCK: Severity.INFO,
}
# Where these have a currency, it is money that was counted and no events.
_OF_AMOUNTS: Final = frozenset({Kind.REVENUE_DROP, Kind.RULE, Kind.PROMOTION_BEHIND_TARGET})
_RISING: Final = tuple(Severity)


def severity_of(rooted: Rooted) -> Severity:
    """How bad it is: as told, else by its kind."""
    return rooted.severity or _BY_KIND.get(rooted.finding.kind, Severity.WARNING)


def severity_rank(severity: Severity) -> int:
    """Higher is worse."""
    return _RISING.index(severity)


def rises(severity: Severity, above: Severity) -> bool:
    """Whether a severity is the higher one."""
    return severity_rank(severity) > severity_rank(above)


def identity_of_incident(incident: Incident) -> Identity:
    """What an incident is about."""
    scope = tuple(sorted(Place(part.dimension, part.key) for part in incident.scope))
    step = Step(incident.step.from_node, incident.step.to_node) if incident.step else None
    detail = "" if incident.kind in ABOUT_DATA else incident.detail
    return Identity(family_of(incident.kind), scope, step, detail)


def draft(rooted: Rooted, at_ms: int, not_before_ms: int) -> Incident:
    """A pending incident; nothing of it is before ``not_before_ms``, when the last like it ended."""
    finding = rooted.finding
    since_ms = max(finding.since_ms, not_before_ms)
    identity = identity_of(finding)
    return Incident(
        id=incident_id(finding, since_ms),
        revision=0,
        state=State.PENDING,
        reason=Reason.OPENED,
        kind=finding.kind,
        severity=severity_of(rooted),
        scope=_parts(identity.scope),
        step=StepPart(*finding.step) if finding.step else None,
        since_ms=since_ms,
        opened_at_ms=at_ms,
        updated_at_ms=at_ms,
        **_numbers(finding, None),
        **_context(rooted),
    )


def refreshed(incident: Incident, rooted: Rooted, at_ms: int) -> Incident:
    """The incident with the numbers of now. Its severity stays, its kind becomes what says more."""
    finding = rooted.finding
    better_named = says_more(finding.kind, incident.kind)
    return msgspec.structs.replace(
        incident,
        kind=finding.kind if better_named else incident.kind,
        updated_at_ms=at_ms,
        **_numbers(finding, incident.worst_ratio),
        **_context(rooted),
    )


def moved_to(incident: Incident, finding: Finding) -> Incident:
    """The incident on the scope of a finding."""
    return msgspec.structs.replace(incident, scope=_parts(identity_of(finding).scope))


def loss_per_minute(incident: Incident) -> float:
    """What is lost or gained: money if that is known, else conversions."""
    known = (incident.lost_minor_per_minute, incident.lost_conversions_per_minute)
    return next((abs(rate) for rate in known if rate is not None), 0.0)


def _numbers(finding: Finding, worst: float | None) -> dict[str, Any]:
    minutes = max(finding.at_ms - finding.since_ms, _LEAST_SPAN_MS) / _MINUTE_MS
    in_money = finding.kind in _OF_AMOUNTS and finding.currency is not None
    lost = None if finding.kind in ABOUT_DATA or in_money else finding.expected - finding.observed
    interval = None if in_money else ratio_interval(finding.observed, finding.expected)
    return {
        "detail": finding.detail,
        "observed": finding.observed,
        "expected": finding.expected,
        "entries": finding.entries,
        "evidence": finding.evidence,
        "one_in_ms": finite(finding.one_in_ms),
        "ratio": finite(finding.ratio),
        "ratio_low": interval[0] if interval else None,
        "ratio_high": interval[1] if interval else None,
        "worst_ratio": _farther(finite(finding.ratio), worst),
        "lost_conversions": lost,
        "lost_conversions_per_minute": None if lost is None else lost / minutes,
        "lost_minor": finding.lost_minor,
        "lost_minor_per_minute": None if finding.lost_minor is None else finding.lost_minor / minutes,
        "currency": finding.currency,
    }


def _context(rooted: Rooted) -> dict[str, Any]:
    diagnosis: Diagnosis = rooted.diagnosis
    return {
        "contributors": tuple(
            ContributorPart(_parts(one.place), one.observed, one.expected, one.share)
            for one in diagnosis.contributors
        ),
        "rate_share": diagnosis.rate_share,
        "decomposition": dict(diagnosis.decomposition),
        "ruled_out": tuple(diagnosis.ruled_out),
        "folded": diagnosis.folded,
        "promotion": rooted.promotion,
        "phase": rooted.phase,
    }


def _farther(ratio: float | None, worst: float | None) -> float | None:
    known = [one for one in (worst, ratio) if one is not None]
    return max(known, key=lambda one: abs(math.log(max(one, _LEAST_RATIO))), default=None)


def _parts(scope: Iterable[Place]) -> tuple[ScopePart, ...]:
    return tuple(ScopePart(place.dimension, place.key) for place in scope)
