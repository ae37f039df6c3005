"""Answers about incidents, silences, promotions and health, from a moment. Pure, like :mod:`streams.web.reading`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from streams.closed import EXPONENTS
from streams.funnel import ALL
from streams.web import answers as a
from streams.web.picture import EVENTS, VISITORS
from streams.web.problems import Problem
from streams.web.queries import place_after

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.promotions import Promotion
    from streams.web.board import Incident, Silence
    from streams.web.moment import Moment
    from streams.web.picture import Picture, Window
    from streams.web.queries import IncidentsQuery

_CLICK: Final = 1


def health(moment: Moment) -> a.Health:
    """Whether what is shown can be believed."""
    end_ms = None if moment.picture is None else moment.picture.end_ms
    still_open = [one for one in moment.incidents if one.open]
    return a.Health(
        watching=moment.standing.watching,
        ready=moment.standing.ready,
        reasons=moment.standing.reasons,
        end_ms=end_ms,
        behind_ms=None if end_ms is None else moment.now_ms - end_ms,
        data_incidents=sum(one.kind in moment.judgement.data_kinds for one in still_open),
        incidents=len(still_open),
    )


def incidents(moment: Moment, query: IncidentsQuery) -> a.IncidentPage:
    """Incidents, the one that opened last first. Those that another explains are left out of the open ones."""
    wanted = [one for one in moment.incidents if _is_wanted(one, query)]
    begin = place_after(query.cursor)
    page = wanted[begin : begin + query.limit]
    following = begin + len(page)
    return a.IncidentPage(
        incidents=tuple(record_of(one) for one in page),
        total=len(wanted),
        next_cursor=str(following) if following < len(wanted) else None,
    )


def _is_wanted(incident: Incident, query: IncidentsQuery) -> bool:
    return (
        (query.state == "all" or incident.open == (query.state == "open"))
        and query.kind in (None, incident.kind)
        and query.severity in (None, incident.severity)
    )


def record_of(incident: Incident) -> dict[str, Any]:
    """The incident's record, as it was written."""
    record: dict[str, Any] = msgspec.json.decode(incident.record)
    return record


def incident(moment: Moment, name: str) -> Incident:
    """One incident. Raises Problem (404) if it is not known."""
    found = next((one for one in moment.incidents if one.id == name), None)
    if found is None:
        raise Problem(404, "no incident of this id is known")
    return found


def silences(moment: Moment) -> a.SilenceList:
    """Silences that have not ended."""
    return a.SilenceList(silences=tuple(_silence(one) for one in moment.silences))


def _silence(silence: Silence) -> a.SilenceAnswer:
    return a.SilenceAnswer(
        id=silence.id,
        by=silence.by,
        starts_ms=silence.starts_ms,
        ends_ms=silence.ends_ms,
        comment=silence.comment,
        kinds=silence.kinds,
        scope=tuple({"dimension": place.dimension, "key": place.key} for place in silence.scope),
        steps=silence.steps,
        severities=silence.severities,
        incident_ids=silence.incident_ids,
    )


def promotions(moment: Moment) -> a.PromotionList:
    """All promotions with their targets; how far they are is told while the watcher has their window."""
    return a.PromotionList(
        now_ms=moment.now_ms,
        promotions=tuple(_promotion(moment, one) for one in moment.calendar.promotions),
    )


def _promotion(moment: Moment, promotion: Promotion) -> a.PromotionAnswer:
    span = promotion.span_at(moment.now_ms)
    return a.PromotionAnswer(
        name=promotion.name,
        start_ms=promotion.start_ms,
        end_ms=promotion.end_ms,
        phase=None if span is None else span.phase.value,
        phases=tuple(
            a.PhaseAnswer(phase=one.phase.value, start_ms=one.start_ms, end_ms=one.end_ms)
            for one in promotion.spans
        ),
        scope={dimension: tuple(sorted(keys)) for dimension, keys in promotion.scope.items()},
        targets=tuple(_targets(moment.picture, promotion)),
    )


def _targets(picture: Picture | None, promotion: Promotion) -> Iterator[a.Target]:
    window = None if picture is None else picture.windows.get(f"promotion:{promotion.name}")
    sold = None if picture is None or window is None else _sold(picture, window, promotion)
    share = 0.0 if picture is None else _share_by_now(picture, promotion)
    targets = promotion.targets
    if targets.orders is not None:
        yield a.Target(
            name="orders",
            target=targets.orders,
            so_far=None if sold is None else sold[0],
            by_now=_by_now(targets.orders, share),
        )
    if targets.revenue_minor is not None and targets.currency is not None:
        same = picture is not None and picture.currency == targets.currency
        yield a.Target(
            name="revenue",
            target=targets.revenue_minor,
            so_far=sold[1] if sold is not None and same else None,
            by_now=_by_now(targets.revenue_minor, share),
            currency=targets.currency,
            exponent=EXPONENTS[targets.currency],
        )
    if targets.conversion is not None:
        yield a.Target(
            name="conversion",
            target=targets.conversion,
            so_far=sold[2] if sold is not None else None,
            by_now=targets.conversion,
        )


def _by_now(target: float, share: float | None) -> float | None:
    return None if share is None else round(target * share, 2)


def _share_by_now(picture: Picture, promotion: Promotion) -> float | None:
    """Share of the target that the pace wants by now; None while the pace is not known."""
    pace = picture.judged.paces.get(promotion.name)
    if pace is None:
        return None
    length_ms = promotion.end_ms - promotion.start_ms
    return pace.share(min(max((picture.end_ms - promotion.start_ms) / length_ms, 0.0), 1.0))


def _sold(picture: Picture, window: Window, promotion: Promotion) -> tuple[int, int, float | None]:
    """Paid orders, their amount, and conversion; of a scope over several dimensions the one that sold most."""
    scopes = promotion.scope or {ALL: frozenset({ALL})}
    found = [_sold_by(picture, window, dimension, sorted(keys)) for dimension, keys in scopes.items()]
    return max(found, key=lambda one: one[0])


def _sold_by(
    picture: Picture, window: Window, dimension: str, keys: Sequence[str]
) -> tuple[int, int, float | None]:
    counts, paid = window.counts.get(dimension), window.paid.get(dimension)
    if counts is None:
        return 0, 0, None
    wanted, names = frozenset(keys), picture.names[dimension]
    numbers = np.array([at for at in range(len(counts)) if names[at] in wanted], dtype=np.int64)
    sums = counts[numbers].sum(axis=0)
    amount = 0 if paid is None else int(paid[numbers[numbers < len(paid)], 1].sum())
    clicks, payers = int(sums[VISITORS, _CLICK]), int(sums[VISITORS, -1])
    return int(sums[EVENTS, -1]), amount, payers / clicks if clicks else None
