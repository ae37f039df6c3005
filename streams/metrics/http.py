"""``/metrics``, ``/livez`` and ``/readyz`` over HTTP.

Promises: the event loop does no more for a scrape than copy numbers; pages are rendered and
compressed in a thread of their own and kept for a second, however many ask. Errors are problem
documents (RFC 9457). It logs no requests, and warns when the address is not of this machine alone:
there is no authentication here.

Others add :class:`Pages` of their own. A handler may raise any ``web.HTTPException``: what leaves is a
problem document with its status; what is to look otherwise is returned, not raised.
"""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

from aiohttp import hdrs, web

from streams.errors import ConfigError

_LOG: Final = logging.getLogger(__name__)
_GZIP_FROM_BYTES: Final = 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_LEVEL: Final = 1  # scrapes are local and many: three quarters of the gain for a third of the work
# Who is kept up to date by the page would keep us from stopping.
_LAST_WORDS_SECONDS: Final = 1.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class MetricsPage(Protocol):
    """What ``/metrics`` shows."""

    def content_type(self, accept: str) -> str:
        """One of a few content types, for an ``Accept`` header."""
        ...

    def capture(self) -> Callable[[str], bytes]:
        """Copies what is to be shown; called on the event loop. The result renders it in a thread."""
        ...


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the worker does its work, and if not, why, such as ``kafka unreachable: ...``."""

    ready: bool
    reasons: tuple[str, ...] = ()


class Pages(Protocol):
    """Pages that somebody adds to the server: an API, a live page, links in messages."""

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """What is served where; asked once, before the server starts."""
        ...

    async def stop(self) -> None:
        """Let go of whatever the handlers hold; called after the last request, perhaps more than once."""
        ...


class HttpServer:
    """Serves one worker's pages, from one ``start`` to one ``stop``.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes any free one.
        page: what ``/metrics`` shows.
        heartbeat_age: seconds since the worker's loop last showed a sign of life.
        readiness: whether the worker does its work.
        max_heartbeat_age: seconds after which ``/livez`` says no.
        cache_seconds: how long a rendered page is shown again.
        pages: what others add; two that want the same path are refused (RuntimeError, from aiohttp).
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8080,
        *,
        page: MetricsPage,
        heartbeat_age: Callable[[], float],
        readiness: Callable[[], Readiness],
        max_heartbeat_age: float = 30.0,
        cache_seconds: float = 1.0,
        pages: Sequence[Pages] = (),
    ) -> None:
        self._host = host
        self._port = port
        self._pages = _PageCache(page, cache_seconds)
        self._heartbeat_age = heartbeat_age
        self._readiness = readiness
        self._max_heartbeat_age = max_heartbeat_age
        self._added = tuple(pages)
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        if self._runner and self._runner.addresses:
            return int(self._runner.addresses[0][1])
        return self._port

    async def start(self) -> None:
        """Begins to listen. Raises ConfigError if the address cannot be had."""
        if not _is_loopback(self._host):
            _LOG.warning(
                "http endpoint is open beyond this machine", extra={"host": self._host, "port": self._port}
            )
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=_LAST_WORDS_SECONDS)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self.stop()
            address = f"{self._host}:{self._port}"
            raise ConfigError(
                "http", f"must be a free address, {address} is not: {error.strerror}"
            ) from error

    async def stop(self) -> None:
        """Ends listening and waits for requests under way."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
        for pages in self._added:
            await pages.stop()
        self._pages.close()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[_problems])
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        for pages in self._added:
            app.add_routes(pages.routes())
        return app

    async def _metrics(self, request: web.Request) -> web.Response:
        accept = ",".join(request.headers.getall(hdrs.ACCEPT, ()))
        compressed = _accepts_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ())))
        body, headers = await self._pages.get(accept, compressed=compressed)
        return web.Response(body=body, headers=headers)

    async def _livez(self, _request: web.Request) -> web.Response:
        age = self._heartbeat_age()
        alive = age <= self._max_heartbeat_age
        return _verdict(alive, {"alive": alive, "heartbeat_age_seconds": round(age, 3)})

    async def _readyz(self, _request: web.Request) -> web.Response:
        readiness = self._readiness()
        return _verdict(readiness.ready, {"ready": readiness.ready, "reasons": list(readiness.reasons)})


class _PageCache:
    """Rendered pages, by content type and encoding, for a second each; rendered one at a time."""

    def __init__(self, page: MetricsPage, keep_seconds: float) -> None:
        self._page = page
        self._keep_seconds = keep_seconds
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        self._pages: dict[tuple[str, bool], tuple[float, bytes]] = {}

    async def get(self, accept: str, *, compressed: bool) -> tuple[bytes, dict[str, str]]:
        """The body and its headers. A body too small to gain from compression stays as it is."""
        content_type = self._page.content_type(accept)
        async with self._lock:
            body = await self._body(content_type, compressed=compressed)
        headers: dict[str, str] = {hdrs.CONTENT_TYPE: content_type, hdrs.VARY: "Accept, Accept-Encoding"}
        if body.startswith(_GZIP_MAGIC):
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return body, headers

    async def _body(self, content_type: str, *, compressed: bool) -> bytes:
        loop = asyncio.get_running_loop()
        rendered_at, body = self._pages.get((content_type, compressed), (None, b""))
        if rendered_at is not None and loop.time() - rendered_at < self._keep_seconds:
            return body
        now = loop.time()
        render = self._page.capture()
        body = await loop.run_in_executor(self._thread, _render, render, content_type, compressed)
        self._pages[content_type, compressed] = (now, body)
        return body

    def close(self) -> None:
        """Lets the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _render(render: Callable[[str], bytes], content_type: str, compressed: bool) -> bytes:  # noqa: FBT001  # one of two forms
    body = render(content_type)
    if compressed and len(body) >= _GZIP_FROM_BYTES:
        return gzip.compress(body, _GZIP_LEVEL)
    return body


def _accepts_gzip(header: str) -> bool:
    for offer in header.lower().split(","):
        coding, _, parameters = offer.partition(";")
        if coding.strip() in {"gzip", "*"}:
            return parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _verdict(good: bool, body: Mapping[str, object]) -> web.Response:  # noqa: FBT001  # one of two forms
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return web.json_response(body, status=status, headers={hdrs.CACHE_CONTROL: "no-store"})


def _problem(status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    return web.Response(
        text=json.dumps(body), status=status, content_type="application/problem+json", headers=headers
    )


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        allow: dict[str, str] | None = (
            {hdrs.ALLOW: refusal.headers[hdrs.ALLOW]} if hdrs.ALLOW in refusal.headers else None
        )
        return _problem(refusal.status, allow)
    except Exception:  # noqa: BLE001 - the edge: a page that fails must not look like a dead worker
        _LOG.exception("http page failed", extra={"path": request.path})
        return _problem(HTTPStatus.INTERNAL_SERVER_ERROR)
