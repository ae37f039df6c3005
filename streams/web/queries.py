"""What can be asked: parameters and bodies as types, checked before anything is looked up."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from streams.web.problems import Problem

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=500)]
Cursor = Annotated[str, msgspec.Meta(max_length=512)]
Who = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Words = Annotated[tuple[Word, ...], msgspec.Meta(max_length=50)]
_MAX_CURSOR_PLACE = 10_000_000
# Until the year 9999.
TimeMs = Annotated[int, msgspec.Meta(ge=0, lt=253_402_300_800_000)]
Order = Literal["clicks", "exposures", "paid", "revenue", "rising", "falling"]


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all of them are."""


class NoQuery(Query, frozen=True, kw_only=True):
    """Nothing to be said."""


class FunnelQuery(Query, frozen=True, kw_only=True):
    """Which window, and of which key."""

    window: Word = "15m"
    dimension: Word = "all"
    key: Name = "all"


class KeysQuery(Query, frozen=True, kw_only=True):
    """Keys of a dimension; ``q`` is looked for anywhere in them, whatever the case."""

    window: Word = "15m"
    dimension: Word
    q: Annotated[str, msgspec.Meta(max_length=256)] = ""
    order: Order = "clicks"
    limit: Limit = 50
    cursor: Cursor = ""


class SeriesQuery(Query, frozen=True, kw_only=True):
    """Which key and step, and how many minutes."""

    dimension: Word = "all"
    key: Name = "all"
    from_node: Word
    to_node: Word
    minutes: Annotated[int, msgspec.Meta(ge=1, le=60)] = 60


class ScorecardQuery(Query, frozen=True, kw_only=True):
    """Of which dimension."""

    window: Word = "1h"
    dimension: Word = "slot"
    limit: Limit = 50
    cursor: Cursor = ""


class IncidentsQuery(Query, frozen=True, kw_only=True):
    """Which incidents: ``open`` ones, those that are over, or all."""

    state: Literal["open", "resolved", "all"] = "all"
    kind: Word | None = None
    severity: Word | None = None
    limit: Limit = 50
    cursor: Cursor = ""


class AckBody(Query, frozen=True, kw_only=True):
    """Who takes an incident on."""

    by: Who


class PlaceBody(Query, frozen=True, kw_only=True):
    """A place that has to be among an incident's; an empty key stands for every one."""

    dimension: Word
    key: Annotated[str, msgspec.Meta(max_length=256)] = ""


class SilenceBody(Query, frozen=True, kw_only=True):
    """A silence: until when, by whom, and of what. Give ``ends_ms`` or ``minutes``; empty lists match all."""

    by: Who
    minutes: Annotated[int, msgspec.Meta(ge=1, le=60 * 24 * 30)] | None = None
    starts_ms: TimeMs | None = None
    ends_ms: TimeMs | None = None
    comment: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    kinds: Words = ()
    scope: Annotated[tuple[PlaceBody, ...], msgspec.Meta(max_length=20)] = ()
    steps: Annotated[tuple[Name, ...], msgspec.Meta(max_length=50)] = ()
    severities: Words = ()
    incident_ids: Words = ()


class LoginBody(Query, frozen=True, kw_only=True):
    """The token, for a browser that cannot send it with every request."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]


def place_after(cursor: str) -> int:
    """Where a list goes on. Raises Problem (400) if it is none of our cursors."""
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 8 and int(cursor) <= _MAX_CURSOR_PLACE):
        raise Problem(400, "cursor: is none that was given out")
    return int(cursor)
