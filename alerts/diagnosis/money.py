"""What an incident costs, in whole minor units, and how bad that is.

Lost conversions of a step are worth what would have come of them: times the share that goes on to
pay, times the average order value. All rounding is half to even, once, at the end.

Severity is a rule of its own few words. A loss is held against the normal revenue per minute of all;
while a promotion opens or ends, it weighs double. A broken node of the whole shop is always critical,
one elsewhere is a level worse than its loss. What is not money by itself (mix, latency, a surge) is
never critical. A scope without revenue known is judged by its share of expected conversions.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from alerts.model import EVERYWHERE, Finding, Kind, Severity

MINUTE_MS: Final = 60_000
RISING: Final = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)
# Phases of a promotion in which a minute sells what an hour does elsewhere.
URGENT_PHASES: Final = frozenset({"open", "last_hour"})
NEVER_CRITICAL: Final = frozenset(
    {Kind.MIX_SHIFT, Kind.SLOWER, Kind.CONVERSION_SURGE, Kind.TRAFFIC_SURGE, Kind.PROMOTION_BEHIND_TARGET}
)
# What has no loss of its own, and is no trifle.
AT_LEAST_WARNING: Final = frozenset(
    {Kind.DATA_OUTAGE, Kind.BAD_INPUT, Kind.PROMOTION_BEHIND_TARGET, Kind.RULE}
)


@dataclass(frozen=True, slots=True)
class Weights:
    """Where severities begin.

    Attributes:
        warning: share of normal revenue lost from which it is a warning.
        critical: likewise, critical.
        urgent: what a loss is multiplied by in an urgent phase.
    """

    warning: float = 0.01
    critical: float = 0.05
    urgent: float = 2.0


DEFAULT_WEIGHTS: Final = Weights()


def lost_minor(lost: float, revenue_minor: int, orders: int, *, onward: float = 1.0) -> int | None:
    """Money that ``lost`` conversions of a step were worth; negative is gained.

    Args:
        lost: expected less observed downstream counts.
        revenue_minor: normal revenue, from which the average order value is taken.
        orders: paid orders that made it.
        onward: share of those who get that far and go on to pay; 1 at the last step.

    Returns:
        Minor units, or None without an order to tell a value from.
    """
    if orders <= 0:
        return None
    exact = Decimal(lost) * Decimal(onward) * Decimal(revenue_minor) / Decimal(orders)
    return int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))


def per_minute(amount_minor: int, since_ms: int, at_ms: int) -> int:
    """An amount over the minutes it took; in full where that is less than one."""
    lasted = max(at_ms - since_ms, MINUTE_MS)
    quotient, rest = divmod(amount_minor * MINUTE_MS, lasted)
    twice = 2 * rest
    return quotient + int(twice > lasted or (twice == lasted and quotient % 2 == 1))


def severity(
    finding: Finding,
    *,
    normal_minor_per_minute: int | None = None,
    share_of_expected: float = 0.0,
    phase: str | None = None,
    weights: Weights = DEFAULT_WEIGHTS,
) -> Severity:
    """How bad a finding is; see the module.

    Args:
        finding: what was found, with its loss if that is known.
        normal_minor_per_minute: normal revenue per minute of all, in the finding's currency.
        share_of_expected: the scope's share of all expected conversions, for when there is no money.
        phase: the promotion's, if one runs.
        weights: where severities begin.
    """
    share = _share_lost(finding, normal_minor_per_minute, share_of_expected)
    if phase in URGENT_PHASES:
        share *= weights.urgent
    level = int(share >= weights.warning) + int(share >= weights.critical)
    return RISING[_bounded(finding, level)]


def _share_lost(finding: Finding, normal_minor_per_minute: int | None, share_of_expected: float) -> float:
    """Share of the shop's normal revenue that is lost, or gained by error."""
    if finding.lost_minor is not None and normal_minor_per_minute:
        lost = per_minute(finding.lost_minor, finding.since_ms, finding.at_ms)
        return abs(lost) / normal_minor_per_minute
    return share_of_expected * min(abs(1.0 - finding.ratio), 1.0)


def _bounded(finding: Finding, level: int) -> int:
    everywhere = finding.scope == EVERYWHERE
    if finding.kind is Kind.NODE_BREAK:
        return len(RISING) - 1 if everywhere else min(level + 1, len(RISING) - 1)
    if finding.kind is Kind.DATA_OUTAGE and everywhere:
        return len(RISING) - 1
    if finding.kind in AT_LEAST_WARNING:
        level = max(level, RISING.index(Severity.WARNING))
    if finding.kind in NEVER_CRITICAL:
        level = min(level, RISING.index(Severity.WARNING))
    return level
