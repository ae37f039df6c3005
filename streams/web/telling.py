"""Answers about incidents, silences, promotions and health, from a moment. Pure, like :mod:`streams.web.reading`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from streams.web import answers as a
from streams.web.problems import Problem
from streams.web.queries import place_after
from streams.web.targets import targets

if TYPE_CHECKING:
    from streams.promotions import Promotion
    from streams.web.board import Incident, Silence
    from streams.web.moment import Moment
    from streams.web.queries import IncidentsQuery


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
        watcher=None if moment.watcher is None else moment.watcher.url,
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
        targets=tuple(targets(moment.picture, promotion)),
    )
