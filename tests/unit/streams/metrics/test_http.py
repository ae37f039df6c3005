"""The endpoint, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from streams.errors import ConfigError
from streams.metrics.exposition import OPENMETRICS, TEXT, Exposition
from streams.metrics.http import HttpServer, Pages, Readiness
from streams.metrics.pipeline import PipelineMetrics
from tests.unit.streams.metrics.scrapes import NOON_MS, clicks, owner, read_openmetrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence


class CountingPage:
    """A page that says how often, and where, it was captured and rendered."""

    def __init__(self, body: bytes = b"# page\n") -> None:
        self.body = body
        self.captured: list[str] = []
        self.rendered: list[str] = []

    def content_type(self, accept: str) -> str:
        """One of two."""
        return OPENMETRICS if "openmetrics" in accept else TEXT

    def capture(self) -> Callable[[str], bytes]:
        """Notes the capturing thread, and later the rendering one."""
        self.captured.append(threading.current_thread().name)

        def render(_content_type: str) -> bytes:
            self.rendered.append(threading.current_thread().name)
            return self.body

        return render


class BrokenPage(CountingPage):
    """A page whose capture fails."""

    def capture(self) -> Callable[[str], bytes]:
        """Fails."""
        raise RuntimeError("no page today")


@asynccontextmanager
async def serving(
    page: CountingPage | Exposition | None = None,
    *,
    age: float = 0.1,
    readiness: Readiness = Readiness(ready=True),  # noqa: B008 - frozen
    cache_seconds: float = 60.0,
    pages: Sequence[Pages] = (),
) -> AsyncIterator[tuple[HttpServer, aiohttp.ClientSession]]:
    """A started server and a client that takes bodies as they come."""
    server = HttpServer(
        port=0,
        page=page or CountingPage(),
        heartbeat_age=lambda: age,
        readiness=lambda: readiness,
        cache_seconds=cache_seconds,
        pages=pages,
    )
    await server.start()
    base = f"http://127.0.0.1:{server.port}"
    try:
        async with aiohttp.ClientSession(
            base, auto_decompress=False, headers={"Accept-Encoding": "identity"}
        ) as client:
            yield server, client
    finally:
        await server.stop()


async def test_port_zero_takes_a_free_port_and_tells_it() -> None:
    """Tests and the demo run side by side."""
    async with serving() as (server, client):
        assert server.port > 0
        assert (await client.get("/livez")).status == 200


async def test_metrics_are_served_as_asked_for() -> None:
    """The whole way: counts, snapshot, both formats, content type."""
    registry, series = CollectorRegistry(), owner()
    PipelineMetrics(registry)
    clicks(series, {"双十一": 1})
    page = Exposition(registry, lambda: series.snapshot(NOON_MS))
    async with serving(page) as (_, client):
        plain = await client.get("/metrics")
        assert plain.headers["Content-Type"] == TEXT
        assert 'key="双十一",node="click"} 0.0\n' in await plain.text()
        rich = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert rich.headers["Content-Type"] == OPENMETRICS
        assert list(read_openmetrics(await rich.text()))


async def test_the_loop_captures_and_a_thread_renders() -> None:
    """Counting does not stop while text is written."""
    page = CountingPage()
    async with serving(page) as (_, client):
        await client.get("/metrics")
    assert page.captured == ["MainThread"]
    assert page.rendered[0].startswith("metrics")


async def test_a_page_is_rendered_once_for_all_who_ask_at_once() -> None:
    """Ten scrapers cost as much as one."""
    page = CountingPage()
    async with serving(page) as (_, client):
        answers = await asyncio.gather(*(client.get("/metrics") for _ in range(10)))
        assert [answer.status for answer in answers] == [200] * 10
    assert len(page.captured) == len(page.rendered) == 1


async def test_a_page_is_rendered_again_when_it_is_old() -> None:
    """The cache is for crowds, not for stale numbers."""
    page = CountingPage()
    async with serving(page, cache_seconds=0.0) as (_, client):
        await client.get("/metrics")
        await client.get("/metrics")
    assert len(page.rendered) == 2


async def test_formats_are_cached_apart() -> None:
    """Nobody gets what another one asked for."""
    page = CountingPage()
    async with serving(page) as (_, client):
        plain = await client.get("/metrics")
        rich = await client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
        assert (plain.headers["Content-Type"], rich.headers["Content-Type"]) == (TEXT, OPENMETRICS)
        assert plain.headers["Vary"] == "Accept, Accept-Encoding"
    assert len(page.rendered) == 2


@pytest.mark.parametrize(
    ("encoding", "compressed"),
    [("gzip", True), ("deflate, GZIP;q=0.5", True), ("*", True), ("identity", False), ("gzip;q=0", False)],
)
async def test_a_page_is_compressed_for_those_who_accept_it(encoding: str, *, compressed: bool) -> None:
    """Prometheus accepts gzip; a page of two megabytes is worth it."""
    body = b"funnelwatch_node_events_total 1.0\n" * 100
    async with serving(CountingPage(body)) as (_, client):
        answer = await client.get("/metrics", headers={"Accept-Encoding": encoding})
        raw = await answer.read()
    assert (answer.headers.get("Content-Encoding") == "gzip") == compressed
    assert (gzip.decompress(raw) if compressed else raw) == body


async def test_a_small_page_is_not_compressed() -> None:
    """It would not gain."""
    async with serving(CountingPage(b"# small\n")) as (_, client):
        answer = await client.get("/metrics", headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in answer.headers
        assert await answer.read() == b"# small\n"


@pytest.mark.parametrize(("age", "status"), [(30.0, 200), (30.001, 503)])
async def test_liveness_is_the_age_of_the_heartbeat(age: float, status: int) -> None:
    """A loop that shows no sign of life for half a minute is to be restarted."""
    async with serving(age=age) as (_, client):
        answer = await client.get("/livez")
        assert answer.status == status
        assert await answer.json() == {"alive": status == 200, "heartbeat_age_seconds": age}


async def test_readiness_says_why_not() -> None:
    """503 and the reasons, for a human who asks with curl."""
    reason = "kafka unreachable: 127.0.0.1:9092 refused the connection"
    async with serving(readiness=Readiness(ready=False, reasons=(reason,))) as (_, client):
        answer = await client.get("/readyz")
        assert answer.status == 503
        assert await answer.json() == {"ready": False, "reasons": [reason]}


async def test_a_ready_worker_says_so() -> None:
    """200 for a probe."""
    async with serving() as (_, client):
        answer = await client.get("/readyz")
        assert (answer.status, await answer.json()) == (200, {"ready": True, "reasons": []})
        assert answer.headers["Cache-Control"] == "no-store"


async def test_an_unknown_path_is_a_problem_document() -> None:
    """Errors are for machines too, and do not echo what was asked."""
    async with serving() as (_, client):
        answer = await client.get("/<script>")
        assert answer.status == 404
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert json.loads(await answer.text()) == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
        }


async def test_a_wrong_method_is_a_problem_that_names_the_right_ones() -> None:
    """There is nothing to write here."""
    async with serving() as (_, client):
        answer = await client.post("/metrics")
        assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")
        assert (await answer.json(content_type="application/problem+json"))["status"] == 405


async def test_a_page_that_fails_is_a_problem_and_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """The worker lives on, and says what happened to its log, not to the network."""
    async with serving(BrokenPage()) as (_, client):
        answer = await client.get("/metrics")
        assert answer.status == 500
        assert "today" not in await answer.text()
        assert (await client.get("/livez")).status == 200
    assert [record.message for record in caplog.records] == ["http page failed"]


async def test_requests_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A scrape every few seconds would bury what matters."""
    caplog.set_level(logging.INFO)
    async with serving() as (_, client):
        await client.get("/metrics")
    assert caplog.records == []


async def test_an_address_beyond_this_machine_is_allowed_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In a container it must be; whoever does it should know."""
    server = HttpServer(
        "0.0.0.0",
        0,
        page=CountingPage(),
        heartbeat_age=lambda: 0.0,
        readiness=lambda: Readiness(ready=True),
    )
    await server.start()
    await server.stop()
    assert [record.message for record in caplog.records] == ["http endpoint is open beyond this machine"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_needs_no_warning(host: str, caplog: pytest.LogCaptureFixture) -> None:
    """The default is the safe one."""
    server = HttpServer(
        host, 0, page=CountingPage(), heartbeat_age=lambda: 0.0, readiness=lambda: Readiness(ready=True)
    )
    await server.start()
    await server.stop()
    assert caplog.records == []


async def test_a_taken_port_is_a_clear_error() -> None:
    """The message names the address; nothing is left running."""
    async with serving() as (first, _):
        second = HttpServer(
            port=first.port,
            page=CountingPage(),
            heartbeat_age=lambda: 0.0,
            readiness=lambda: Readiness(ready=True),
        )
        with pytest.raises(ConfigError, match=f"127.0.0.1:{first.port}"):
            await second.start()


async def test_after_stop_nobody_listens() -> None:
    """A stopped worker frees its port, and stopping twice is harmless."""
    async with serving() as (server, client):
        url = f"http://127.0.0.1:{server.port}/livez"
        await server.stop()
        assert server.port == 0
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.get(url)


class Greeting:
    """Pages that say hello, and note that they were let go."""

    def __init__(self) -> None:
        self.stopped = 0

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """One that works, one that refuses."""
        return [web.get("/hello", self._hello), web.get("/not/{this}", self._refuse)]

    async def stop(self) -> None:
        """Counted."""
        self.stopped += 1

    async def _hello(self, _request: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def _refuse(self, request: web.Request) -> web.Response:
        raise web.HTTPGone(text=request.match_info["this"])


async def test_others_may_add_pages() -> None:
    """They stand beside our own, a refusal is a problem document, and they are let go with the server."""
    greeting = Greeting()
    async with serving(pages=[greeting]) as (server, client):
        assert await (await client.get("/hello")).text() == "hello"
        refused = await client.get("/not/there")
        assert (refused.status, (await refused.json(content_type=None))["status"]) == (410, 410)
        assert (await client.get("/livez")).status == 200
        assert greeting.stopped == 0
        await server.stop()
        assert greeting.stopped == 1
