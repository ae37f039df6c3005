"""Everything together: what was gathered and told becomes the report's data."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from alerts.identity import ABOUT_DATA
from alerts.model import Kind, State
from streams.errors import ConfigError
from streams.report.data import Quality, ReportData
from streams.report.figures import (
    curve_of,
    figures_of,
    last_time,
    phases_of,
    speaker,
    targets_of,
)
from streams.report.outline import Times
from streams.report.ranking import dimensions_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerts.incident import Incident
    from streams.promotions import Promotion
    from streams.report.data import Figures
    from streams.report.gathering import Gathering

_MOST_INCIDENTS: Final = 100
# What is behind a target is lost where it is lost; a rule's line is crossed by what others explain.
_NO_LOSS: Final = frozenset({Kind.PROMOTION_BEHIND_TARGET, Kind.RULE})


def report_of(gathering: Gathering, incidents: Iterable[Incident]) -> ReportData:
    """The report.

    Args:
        gathering: which has taken in all buckets.
        incidents: each as it was last known; those of other times are left out.

    Raises:
        ConfigError: nothing of the promotion was recorded.
    """
    outline = gathering.outline
    promotion, last = outline.promotion, outline.last
    if not gathering.health.buckets or not gathering.nodes:
        raise ConfigError("report", f"recordings of the time of promotion {promotion.name}")
    dimension, nodes = speaker(gathering), gathering.nodes
    sale_times = Times(promotion.start_ms, promotion.end_ms)
    sale = figures_of(gathering.now, dimension, sale_times, nodes)
    currency = _currency(promotion, sale)
    curve = curve_of(gathering.now, promotion, dimension, nodes, outline.step_ms, currency)
    before = last_time(gathering, dimension, gathering.health.until_ms)
    known = before is not None and before.compared_ms > 0
    last_curve = None
    if known and last is not None and gathering.then is not None:
        last_curve = curve_of(gathering.then, last, dimension, nodes, outline.step_ms, currency)
    told = [*_during(promotion, incidents)]
    ours = [incident for incident in told if incident.kind not in ABOUT_DATA]
    return ReportData(
        promotion=promotion,
        until_ms=min(gathering.health.until_ms, promotion.end_ms),
        counted_as=dimension,
        counted_keys=len(gathering.keys_of[dimension]),
        nodes=gathering.stages[:nodes],
        currency=currency,
        sale=sale,
        sale_seen=gathering.now.seen(*sale_times),
        phases=tuple(phases_of(gathering, dimension)),
        targets=tuple(targets_of(promotion, sale, curve)),
        last=before,
        curve=curve,
        last_curve=last_curve,
        dimensions=tuple(
            dimensions_of(gathering.keyed, gathering.keyed_then if known else None, nodes, currency)
        ),
        incidents=_shown(ours),
        more_incidents=max(len(ours) - _MOST_INCIDENTS, 0),
        lost=_lost(ours),
        quality=_quality(gathering, told),
    )


def _currency(promotion: Promotion, sale: Figures) -> str | None:
    most = next((money.currency for money in sale.money if money.paid), None)
    return promotion.targets.currency or most


def _during(promotion: Promotion, incidents: Iterable[Incident]) -> Iterable[Incident]:
    """Incidents that people were told of and that were not over before the promotion, nor began after it."""
    for incident in incidents:
        over_ms = incident.resolved_at_ms
        ended = over_ms is not None and over_ms <= promotion.begins_ms
        if incident.state is not State.PENDING and incident.since_ms < promotion.end_ms and not ended:
            yield incident


def _shown(incidents: list[Incident]) -> tuple[Incident, ...]:
    """Those that cost most, in the order of time."""
    dearest = sorted(
        incidents, key=lambda one: (-(one.lost_minor or 0), -(one.lost_conversions or 0), one.id)
    )
    return tuple(sorted(dearest[:_MOST_INCIDENTS], key=lambda one: (one.since_ms, one.opened_at_ms, one.id)))


def _lost(incidents: Iterable[Incident]) -> dict[str, int]:
    """By currency, of incidents that no other explains, and that are no targets: those lost nothing twice."""
    lost: Counter[str] = Counter()
    for one in incidents:
        if (
            one.merged_into is None
            and one.currency
            and (one.lost_minor or 0) > 0
            and one.kind not in _NO_LOSS
        ):
            lost[one.currency] += one.lost_minor or 0
    return dict(sorted(lost.items()))


def _quality(gathering: Gathering, told: Iterable[Incident]) -> Quality:
    health, promotion = gathering.health, gathering.outline.promotion
    return Quality(
        dict(sorted(health.records.items())),
        gathering.now.seen(promotion.begins_ms, promotion.end_ms),
        health.buckets,
        health.incomplete,
        tuple(health.gaps),
        health.missing_ms,
        tuple(incident for incident in told if incident.kind in ABOUT_DATA)[:_MOST_INCIDENTS],
    )
