"""What a worker serves behind signed links: GET asks, POST acts.

A GET changes nothing, for chats fetch links to show a preview of them. A POST writes a record of the
control topic and says what became of it; that the incident changes is the watcher's to say. Limited: links
that we did not sign by where they come from, others by incident, so that nobody who guesses keeps away
those who hold a link. Needs no token beside the link: the link is one. A link to a picture shows the incident's
sparkline as it is now, and does nothing else.
"""

from __future__ import annotations

import asyncio
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from alerts.allowance import Allowance
from alerts.content.clean import harmless
from alerts.control import Ack, Silence, control_key, encode_control
from alerts.incident import decode_incident
from alerts.link_words import HEADERS, MAX_NAME, Done, language_of, nothing_done, question, written
from alerts.links import DOING, PATH, Action, Claim, Refused
from alerts.message import SPARKLINE_NAME
from alerts.model import State
from alerts.sparkline import sparkline
from streams.errors import CodecError, TopicError
from streams.metrics.catalog import MetricSpec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from alerts.control import Control
    from alerts.incident import Incident
    from alerts.links import Signer
    from alerts.message import Language
    from streams.clock import Clock

LINK_USES: Final = MetricSpec(
    "funnelwatch_link_requests_total",
    "counter",
    "Requests to signed links of messages, by what became of them.",
    ("outcome",),
)
FAMILIES: Final = (LINK_USES,)
_MAX_FORM: Final = 4_096
_STATUS: Final[dict[Done | Refused, HTTPStatus]] = {
    Refused.MALFORMED: HTTPStatus.BAD_REQUEST,
    Refused.BAD_SIGNATURE: HTTPStatus.FORBIDDEN,
    Refused.EXPIRED: HTTPStatus.GONE,
    Done.OVER: HTTPStatus.CONFLICT,
    Done.ALREADY: HTTPStatus.OK,
    Done.UNKNOWN_INCIDENT: HTTPStatus.NOT_FOUND,
    Done.UNREACHABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Done.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
}
_AGAIN_SECONDS: Final = 5
_LOOKING: Final = (Action.LOOK,)


class Reception(Protocol):
    """The two topics: :class:`streams.worker.reception.Reception`."""

    async def newest(self) -> Mapping[bytes, bytes]:
        """The newest record of each incident by its id; raises TopicError."""
        ...

    async def write(self, key: bytes, record: bytes) -> None:
        """Write down what somebody said; raises TopicError."""
        ...

    async def stop(self) -> None:
        """Disconnect."""
        ...


class LinkPages:
    """See the module; pages for :class:`streams.metrics.http.HttpServer`.

    Args:
        signer: whose links are believed; None believes none.
        reception: where what is said goes.
        clock: wall clock.
        registry: of metrics.
    """

    def __init__(
        self, signer: Signer | None, reception: Reception, clock: Clock, registry: CollectorRegistry
    ) -> None:
        self._signer = signer
        self._reception = reception
        self._clock = clock
        self._strangers = Allowance(burst=30, refill_ms=2_000)
        self._holders = Allowance(burst=10, refill_ms=6_000)
        # Drawing takes 20 ms; a chat fetches a picture once, or once for each who looks.
        self._viewers = Allowance(burst=60, refill_ms=1_000)
        self._requests = Counter(LINK_USES.family, LINK_USES.help, LINK_USES.labels, registry=registry)
        for outcome in (*Done, *Refused):
            self._requests.labels(outcome.value)

    def believe(self, signer: Signer | None) -> None:
        """Whose links are believed from now on."""
        self._signer = signer

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """One path, to ask and to act, and the picture behind it."""
        return (
            web.get(f"{PATH}{{token}}", self._ask),
            web.post(f"{PATH}{{token}}", self._act),
            web.get(f"{PATH}{{token}}/{SPARKLINE_NAME}", self._look),
        )

    async def stop(self) -> None:
        """Disconnect."""
        await self._reception.stop()

    async def _ask(self, request: web.Request) -> web.Response:
        claim = self._claim(request, DOING)
        if not isinstance(claim, Claim):
            return claim
        self._requests.labels(Done.SHOWN.value).inc()
        return _html(question(claim.action, claim.incident_id, claim.mute_ms, _language(request)))

    async def _look(self, request: web.Request) -> web.Response:
        claim = self._claim(request, _LOOKING)
        if not isinstance(claim, Claim):
            return claim
        wait_ms = self._viewers.take(claim.incident_id, self._clock.now_ms())
        if wait_ms:
            return self._nothing(request, Done.TOO_MANY, wait_ms=wait_ms)
        try:
            incident = await self._incident(claim.incident_id)
        except TopicError:
            return self._nothing(request, Done.UNREACHABLE, wait_ms=_AGAIN_SECONDS * 1_000)
        picture = await asyncio.to_thread(_picture, incident)
        if picture is None:
            return self._nothing(request, Done.UNKNOWN_INCIDENT)
        self._requests.labels(Done.SHOWN.value).inc()
        return web.Response(body=picture, content_type="image/png", headers=HEADERS)

    async def _act(self, request: web.Request) -> web.Response:
        claim = self._claim(request, DOING)
        if not isinstance(claim, Claim):
            return claim
        wait_ms = self._holders.take(claim.incident_id, self._clock.now_ms())
        if wait_ms:
            return self._nothing(request, Done.TOO_MANY, wait_ms=wait_ms)
        by = await _name(request, claim.channel)
        try:
            incident = await self._incident(claim.incident_id)
            why = _pointless(claim, incident)
            if why is not None:
                return self._nothing(request, why, who=(incident.acknowledged_by or "") if incident else "")
            record = self._record(claim, by)
            await self._reception.write(control_key(record), encode_control(record))
        except TopicError:
            return self._nothing(request, Done.UNREACHABLE, wait_ms=_AGAIN_SECONDS * 1_000)
        self._requests.labels(Done.WRITTEN.value).inc()
        return _html(written(claim.action, claim.incident_id, claim.mute_ms, _language(request)))

    def _claim(self, request: web.Request, wanted: Collection[Action]) -> Claim | web.Response:
        """What the link says, or the answer to a link that does nothing (here)."""
        found = (
            self._signer.read(request.match_info["token"], self._clock.now_ms())
            if self._signer is not None
            else Refused.BAD_SIGNATURE
        )
        if isinstance(found, Claim) and found.action not in wanted:
            found = Refused.MALFORMED
        if isinstance(found, Claim):
            return found
        wait_ms = 0
        if found is not Refused.EXPIRED:
            wait_ms = self._strangers.take(request.remote or "", self._clock.now_ms())
        return self._nothing(request, Done.TOO_MANY if wait_ms else found, wait_ms=wait_ms)

    async def _incident(self, incident_id: str) -> Incident | None:
        """As its newest record says; one that cannot be read is not known."""
        record = (await self._reception.newest()).get(incident_id.encode("utf-8", "surrogatepass"))
        try:
            return decode_incident(record) if record is not None else None
        except CodecError:
            return None

    def _record(self, claim: Claim, by: str) -> Control:
        now_ms = self._clock.now_ms()
        if claim.action is Action.ACKNOWLEDGE:
            return Ack(claim.incident_id, by, now_ms)
        # Said again it replaces itself: pressed twice is muted once.
        return Silence(
            id=f"link.{claim.incident_id}",
            by=by,
            ends_ms=now_ms + claim.mute_ms,
            comment="by a link in a message",
            incident_ids=(claim.incident_id,),
        )

    def _nothing(
        self, request: web.Request, why: Done | Refused, *, who: str = "", wait_ms: int = 0
    ) -> web.Response:
        self._requests.labels(why.value).inc()
        answer = _html(nothing_done(why, _language(request), who), _STATUS[why])
        if wait_ms:
            answer.headers["Retry-After"] = str(math.ceil(wait_ms / 1_000))
        return answer


def _picture(incident: Incident | None) -> bytes | None:
    """The course that stands in the newest record; None if it cannot be drawn."""
    try:
        return sparkline(incident.course) if incident is not None and incident.course is not None else None
    except ValueError:
        return None


def _pointless(claim: Claim, incident: Incident | None) -> Done | None:
    """Why there is nothing to be done."""
    if incident is None:
        return Done.UNKNOWN_INCIDENT
    if not incident.open:
        return Done.OVER
    acknowledged = incident.state is State.ACKNOWLEDGED
    return Done.ALREADY if acknowledged and claim.action is Action.ACKNOWLEDGE else None


async def _name(request: web.Request, channel: str) -> str:
    """Who does it: what he calls himself, and the channel the link was sent to, which is known."""
    try:
        said = (await request.clone(client_max_size=_MAX_FORM).post()).get("by", "")
    except (ValueError, LookupError):
        # A form in no letters that we know is one without a name.
        said = ""
    name = harmless(said, MAX_NAME) if isinstance(said, str) and said.strip() else ""
    return f"{name} ({channel})" if name else channel


def _language(request: web.Request) -> Language:
    return language_of(request.headers.get("Accept-Language", ""))


def _html(text: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)
