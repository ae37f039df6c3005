"""Every endpoint of the API as data: routes and the OpenAPI document are made of the same table."""

from __future__ import annotations

from typing import NamedTuple

from streams.web import answers as a
from streams.web import queries as q

PREFIX = "/api/v1"


class Endpoint(NamedTuple):
    """One operation.

    Attributes:
        method: of HTTP.
        path: below the prefix; ``{id}`` is a parameter.
        name: of the operation, and of the method of :class:`streams.web.api.Api` that does it.
        summary: one line.
        query: what can be asked.
        answer: what is sent; None for the record of an incident.
        body: what has to be sent along; None for nothing.
        status: of success.
        problems: statuses of refusals, beside those that every endpoint has.
    """

    method: str
    path: str
    name: str
    summary: str
    answer: type[a.Answer] | None
    query: type[q.Query] = q.NoQuery
    body: type[q.Query] | None = None
    status: int = 200
    problems: tuple[int, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return self.method != "GET"


ENDPOINTS = (
    Endpoint("GET", "/health", "health", "Whether what is shown can be believed", a.Health),
    Endpoint("GET", "/windows", "windows", "Windows, dimensions and nodes", a.WindowList, problems=(503,)),
    Endpoint(
        "GET",
        "/funnel",
        "funnel",
        "The funnel of a key in a window",
        a.Funnel,
        q.FunnelQuery,
        None,
        200,
        (404, 503),
    ),
    Endpoint(
        "GET",
        "/keys",
        "keys",
        "Keys of a dimension, ranked or looked for",
        a.KeyPage,
        q.KeysQuery,
        None,
        200,
        (404, 503),
    ),
    Endpoint(
        "GET",
        "/series",
        "series",
        "The last buckets of a key and step: observed, expected, band",
        a.Series,
        q.SeriesQuery,
        None,
        200,
        (404, 503),
    ),
    Endpoint(
        "GET",
        "/scorecard",
        "scorecard",
        "Where traffic should go: places in exposure x conversion",
        a.ScorecardAnswer,
        q.ScorecardQuery,
        None,
        200,
        (404, 503),
    ),
    Endpoint("GET", "/incidents", "incidents", "Incidents, newest first", a.IncidentPage, q.IncidentsQuery),
    Endpoint("GET", "/incidents/{id}", "incident", "The newest record of an incident", None, problems=(404,)),
    Endpoint(
        "POST",
        "/incidents/{id}/ack",
        "ack",
        "Take an incident on",
        a.Accepted,
        q.NoQuery,
        q.AckBody,
        202,
        (404, 409, 503),
    ),
    Endpoint("GET", "/promotions", "promotions", "Promotions with targets and pace", a.PromotionList),
    Endpoint("GET", "/silences", "silences", "Silences that have not ended", a.SilenceList),
    Endpoint(
        "POST",
        "/silences",
        "silence",
        "Begin a silence",
        a.SilenceMade,
        q.NoQuery,
        q.SilenceBody,
        202,
        (503,),
    ),
    Endpoint(
        "DELETE",
        "/silences/{id}",
        "unsilence",
        "End a silence",
        a.Accepted,
        status=202,
        problems=(404, 503),
    ),
)
