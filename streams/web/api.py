"""The API under ``/api/v1``: requests into queries, answers into JSON.

Promises: the event loop does no more for a read than check it and copy references; answers are made and
encoded in a thread of their own, and kept for a second. Answers carry an ETag. What is refused is a problem
document that names what is wrong and never repeats a secret.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import hdrs, web

from streams.web import places, reading, telling
from streams.web.endpoints import ENDPOINTS, PREFIX
from streams.web.key_series import key_series
from streams.web.openapi import document
from streams.web.problems import CONTENT_TYPE, Problem
from streams.web.saying import Saying

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from streams.web.access import Access
    from streams.web.endpoints import Endpoint
    from streams.web.moment import Moment
    from streams.web.queries import Query
    from streams.web.sources import Sources

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOG: Final = logging.getLogger(__name__)
_BODY_BYTES: Final = 16 * 1024
_KEPT: Final = 128
_ASK_SECONDS: Final = 10.0
_HEADERS: Final = {
    hdrs.CACHE_CONTROL: "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
JSON: Final = "application/json"


class Answers:
    """Makes answers in a thread of its own, and keeps the last ones for as long as nothing changes in a second."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="page")
        self._kept: OrderedDict[object, tuple[object, asyncio.Task[bytes]]] = OrderedDict()

    async def get(self, key: object, moment: Moment, revision: int, make: Callable[[Moment], bytes]) -> bytes:
        """What ``make`` makes of the moment, or made of one that is the same within a second."""
        stamp = (id(moment.picture), revision, moment.now_ms // 1000)
        known = self._kept.get(key)
        if known is None or known[0] != stamp:
            known = stamp, asyncio.create_task(self._made(make, moment))
            known[1].add_done_callback(_look_at)
            self._kept[key] = known
            self._kept.move_to_end(key)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        # Who leaves does not take the answer with him from the others who wait for it.
        return await asyncio.shield(known[1])

    async def _made(self, make: Callable[[Moment], bytes], moment: Moment) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self._thread, make, moment)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _look_at(done: asyncio.Task[bytes]) -> None:
    """Who asked may have gone; asyncio reports errors at which nobody has looked."""
    if not done.cancelled():
        done.exception()


class Api:
    """See the module.

    Args:
        sources: what is told.
        access: who may.
        answers: makes them.
        version: of the program.
    """

    def __init__(self, sources: Sources, access: Access, answers: Answers, version: str) -> None:
        self._sources = sources
        self._access = access
        self._answers = answers
        self._saying = Saying(sources)
        self._document = msgspec.json.encode(document(version, sources.judgement.incident_schema))

    def routes(self) -> Iterable[web.RouteDef]:
        """A route for each endpoint, and the document."""
        yield web.get(PREFIX + "/openapi.json", self.guarded(self._openapi))
        for endpoint in ENDPOINTS:
            handle = self._write if endpoint.writes else self._read
            handler = self.guarded(partial(handle, endpoint), writes=endpoint.writes)
            yield web.route(endpoint.method, PREFIX + endpoint.path, handler)

    def guarded(self, handler: Handler, *, writes: bool = False) -> Handler:
        """The handler for those who may; a Problem becomes a document."""
        allow = self._access.write if writes else self._access.read

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                allow(request)
                return await handler(request)
            except Problem as problem:
                return refusal(problem)

        return handle

    async def _openapi(self, request: web.Request) -> web.Response:
        return sent(request, self._document)

    # ------------------------------------------------------------------ reads
    async def _read(self, endpoint: Endpoint, request: web.Request) -> web.Response:
        query = query_of(endpoint.query, request.query)
        name = request.match_info.get("id", "")
        if endpoint.name == "series":
            return sent(request, await self._series(query))
        make = partial(_ANSWERS[endpoint.name], query=query, name=name)
        key = (endpoint.name, query, name)
        return sent(request, await self._made(key, make))

    async def _made(self, key: object, make: Callable[[Moment], bytes]) -> bytes:
        return await self._answers.get(key, self._sources.moment(), self._sources.board.revision, make)

    async def _series(self, query: Any) -> bytes:  # noqa: ANN401  # as the table of answers has it
        """Of SKUs nothing is expected one by one, so what they had is looked up in the windows."""
        known = await self._made(("series", query), partial(_series_known, query=query))
        if known:
            return known
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                found = await self._sources.ask(partial(key_series, query=query))
        except TimeoutError:
            raise Problem(503, "the watcher is busy", {hdrs.RETRY_AFTER: "10"}) from None
        if found is None:
            raise Problem(503, "this worker does not watch any more", {hdrs.RETRY_AFTER: "10"})
        return msgspec.json.encode(found)

    # ------------------------------------------------------------------ writes
    async def _write(self, endpoint: Endpoint, request: web.Request) -> web.Response:
        query_of(endpoint.query, request.query)
        body = None if endpoint.body is None else await body_of(endpoint.body, request)
        name = request.match_info.get("id", "")
        answer = await self._saying.say(endpoint.name, name, body)
        return web.Response(
            body=msgspec.json.encode(answer), status=endpoint.status, content_type=JSON, headers=_HEADERS
        )


def _encoded(make: Callable[..., Any]) -> Callable[..., bytes]:
    def made(moment: Moment, query: Any, name: str) -> bytes:  # noqa: ANN401  # of the endpoint's own type
        return msgspec.json.encode(make(moment, query, name))

    return made


_ANSWERS: Final[Mapping[str, Callable[..., bytes]]] = {
    "health": _encoded(lambda moment, _query, _name: telling.health(moment)),
    "windows": _encoded(lambda moment, _query, _name: reading.windows(moment.counted())),
    "funnel": _encoded(
        lambda moment, query, _name: reading.funnel(moment.counted(), query, moment.judgement)
    ),
    "keys": _encoded(lambda moment, query, _name: reading.keys(moment.counted(), query)),
    "scorecard": _encoded(
        lambda moment, query, _name: places.scorecard(moment.counted(), query, moment.judgement)
    ),
    "incidents": _encoded(lambda moment, query, _name: telling.incidents(moment, query)),
    "incident": lambda moment, query, name: telling.incident(moment, name).record,  # noqa: ARG005  # as the others
    "promotions": _encoded(lambda moment, _query, _name: telling.promotions(moment)),
    "silences": _encoded(lambda moment, _query, _name: telling.silences(moment)),
}


def _series_known(moment: Moment, query: Any) -> bytes:  # noqa: ANN401  # likewise
    found = reading.series(moment.counted(), query)
    return b"" if found is None else msgspec.json.encode(found)


def query_of(kind: type[Query], given: Mapping[str, str]) -> Query:
    """The parameters. Raises Problem (400) with what is wrong."""
    try:
        return msgspec.convert(dict(given), kind, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(400, f"parameters: {error}") from None


async def body_of(kind: type[Query], request: web.Request) -> Query:
    """The body. Raises Problem (400, 413, 415, 422) with what is wrong."""
    if request.content_type != JSON:
        raise Problem(415, f"the body has to be {JSON}")
    if (request.content_length or 0) > _BODY_BYTES:
        raise Problem(413, f"at most {_BODY_BYTES} bytes")
    data = bytearray()
    async for chunk in request.content.iter_chunked(_BODY_BYTES):
        data += chunk
        if len(data) > _BODY_BYTES:
            raise Problem(413, f"at most {_BODY_BYTES} bytes")
    try:
        return msgspec.json.decode(bytes(data), type=kind)
    except msgspec.ValidationError as error:
        raise Problem(422, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Problem(400, "the body is not JSON") from None


def sent(request: web.Request, body: bytes, content_type: str = JSON) -> web.Response:
    """The body with its ETag, or that it is as it was."""
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {**_HEADERS, hdrs.ETAG: tag}
    asked = request.headers.get(hdrs.IF_NONE_MATCH, "")
    if tag in {one.strip().removeprefix("W/") for one in asked.split(",")} or asked.strip() == "*":
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=content_type, headers=headers)


def refusal(problem: Problem) -> web.Response:
    """A problem as an answer."""
    return web.Response(
        body=problem.document(),
        status=problem.status,
        content_type=CONTENT_TYPE,
        headers={**_HEADERS, **problem.headers, hdrs.CACHE_CONTROL: "no-store"},
    )
