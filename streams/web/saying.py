"""What people say through the API: checked against what is known, then written to the topic of controls."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from streams.errors import TopicError
from streams.web import answers as a
from streams.web.handed import SilenceWanted
from streams.web.problems import Problem
from streams.web.queries import AckBody, SilenceBody

if TYPE_CHECKING:
    from streams.web.handed import Record
    from streams.web.queries import Query
    from streams.web.sources import Sources

_MINUTE_MS: Final = 60_000
_LONGEST_MS: Final = 30 * 24 * 60 * _MINUTE_MS
_BY_API: Final = "api"


class Saying:
    """See the module.

    Args:
        sources: what is known, and how it is written.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def say(self, what: str, name: str, body: Query | None) -> a.Answer:
        """Do what an endpoint asks for. Raises Problem (404, 409, 422, 503)."""
        if isinstance(body, AckBody):
            return await self.ack(name, body.by)
        if isinstance(body, SilenceBody):
            return await self.silence(body)
        if what == "unsilence":
            return await self.unsilence(name)
        raise Problem(404)

    async def ack(self, name: str, by: str) -> a.Accepted:
        """Somebody takes an incident on."""
        incident = self._sources.board.incident(name)
        if incident is None:
            raise Problem(404, "no incident of this id is known")
        if not incident.open:
            raise Problem(409, "it is over")
        await self._write(self._sources.judgement.said.ack(name, by, self._sources.clock.now_ms()))
        return a.Accepted(id=name)

    async def silence(self, body: SilenceBody) -> a.SilenceMade:
        """A silence begins."""
        wanted = self._wanted(body)
        await self._write(self._sources.judgement.said.silence(wanted))
        return a.SilenceMade(id=wanted.id, starts_ms=wanted.starts_ms, ends_ms=wanted.ends_ms)

    def _wanted(self, body: SilenceBody) -> SilenceWanted:
        now_ms, judgement = self._sources.clock.now_ms(), self._sources.judgement
        starts_ms = now_ms if body.starts_ms is None else body.starts_ms
        if (body.minutes is None) == (body.ends_ms is None):
            raise Problem(422, "give ends_ms or minutes, and not both")
        ends_ms = body.ends_ms if body.ends_ms is not None else starts_ms + (body.minutes or 0) * _MINUTE_MS
        if not max(starts_ms, now_ms) < ends_ms <= now_ms + _LONGEST_MS:
            raise Problem(422, "has to end after it starts, in the next 30 days")
        _among("kinds", body.kinds, judgement.kinds)
        _among("severities", body.severities, judgement.severities)
        return SilenceWanted(
            id=uuid.uuid4().hex[:16],
            by=body.by,
            starts_ms=starts_ms,
            ends_ms=ends_ms,
            comment=body.comment,
            kinds=body.kinds,
            scope=tuple((place.dimension, place.key) for place in body.scope),
            steps=body.steps,
            severities=body.severities,
            incident_ids=body.incident_ids,
        )

    async def unsilence(self, name: str) -> a.Accepted:
        """A silence ends."""
        now_ms = self._sources.clock.now_ms()
        if all(one.id != name for one in self._sources.board.silences(now_ms)):
            raise Problem(404, "no silence of this id is known, or it has ended")
        await self._write(self._sources.judgement.said.unsilence(name, _BY_API, now_ms))
        return a.Accepted(id=name)

    async def _write(self, record: Record) -> None:
        try:
            await self._sources.say(*record)
        except TopicError:
            raise Problem(503, "kafka does not take it", {"Retry-After": "10"}) from None


def _among(field: str, words: tuple[str, ...], known: tuple[str, ...]) -> None:
    if not set(words) <= set(known):
        raise Problem(422, f"{field}: must be of {', '.join(known)}")
