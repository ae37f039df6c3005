"""The page over real requests: what it shows, what it promises the browser, how it is kept up to date."""

from __future__ import annotations

import asyncio
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from alerts.incident import ScopePart
from streams.web.moment import Standing
from tests.support.live import TOKEN, Stage, picture_of, served, windows_of

if TYPE_CHECKING:
    import aiohttp

HOSTILE = "<script>alert(1)</script>"


class Elements(HTMLParser):
    """Notes every element and its attributes, and what is in data blocks."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One more."""
        self.found.append((tag, dict(attrs)))


async def text(client: aiohttp.ClientSession, path: str = "/", **headers: str) -> str:
    """A page that is there."""
    answer = await client.get(path, headers=headers)
    assert answer.status == 200
    return await answer.text()


async def test_the_first_paint_is_whole() -> None:
    """Numbers, funnel, chart, keys and incidents stand in the page as it is sent."""
    stage = Stage()
    stage.opens()
    async with served(stage) as client:
        page = await text(client, "/?window=5m")
    for word in (
        "10.0 %",
        "15,000 CNY",
        "exposure",
        "SKU_1",
        "&lt;b&gt;list&lt;/b&gt;",
        'class="observed"',
        "incident-i1",
    ):
        assert word in page, word


async def test_what_comes_from_outside_is_escaped() -> None:
    """Keys, incidents and what is looked for."""
    stage = Stage()
    stage.opens(scope=(ScopePart("slot", HOSTILE),))
    async with served(stage) as client:
        page = await text(client, "/?q=" + HOSTILE.replace("/", "%2F"))
        page += await text(client, "/?window=" + HOSTILE.replace("/", "%2F"))
    assert HOSTILE not in page
    assert "<b>list" not in page


async def test_nothing_runs_or_loads_that_is_not_ours() -> None:
    """A policy says so to the browser, and the page keeps it: no inline script, no style attribute, no address."""
    async with served(Stage()) as client:
        answer = await client.get("/")
        page = await answer.text()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag, attributes in Elements(page).found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert tag != "script" or attributes.get("src") or attributes.get("type") == "application/json"
        for name in ("src", "href", "action"):
            assert "//" not in (attributes.get(name) or "")


async def test_files_are_ours_and_nothing_else_is() -> None:
    """By name, with their kind; no way leads out of the folder."""
    async with served(Stage()) as client:
        page = await text(client)
        for path in re.findall(r'"(/static/[^"]+)"', page):
            answer = await client.get(path)
            assert answer.status == 200
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        for path in ("/static/pages.py", "/static/..%2fpages.py", "/static/uPlot.LICENSE"):
            assert (await client.get(path)).status == 404


async def test_languages() -> None:
    """As asked for, else as the browser prefers."""
    async with served(Stage()) as client:
        assert 'lang="zh"' in await text(client, "/?lang=zh")
        assert "漏斗" in await text(client, "/", **{"Accept-Language": "zh-CN,zh;q=0.9"})
        assert "Funnel" in await text(client, "/", **{"Accept-Language": "fr"})


async def test_a_worker_that_does_not_watch_shows_incidents() -> None:
    """And says who shows the rest."""
    stage = Stage()
    stage.picture, stage.standing = None, Standing(watching=False, ready=True)
    stage.opens()
    async with served(stage) as client:
        page = await text(client)
        stage.watches("host-<a>", "http://10.1.2.3:8080/")
        led = await text(client)
        stage.picture = Stage().picture
        whole = await text(client)
    assert "does not watch" in page
    assert "incident-i1" in page
    assert "http://10" not in page
    assert 'is on host-&lt;a&gt;, its page as it is reached there: <a href="http://10.1.2.3:8080/">' in led
    assert "http://10" not in whole


async def test_before_the_first_bucket_it_says_so() -> None:
    """Nobody is to take an empty page for a shop without customers."""
    stage = Stage()
    stage.picture, stage.standing = None, Standing(watching=True, ready=False, reasons=("joining the group",))
    async with served(stage) as client:
        page = await text(client)
    assert "No bucket is closed yet" in page
    assert "joining the group" in page


async def event(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    """The next update."""
    async with asyncio.timeout(30):
        while True:
            line = await answer.content.readline()
            if line.startswith(b"data: "):
                found: dict[str, Any] = json.loads(line[6:])
                return found


async def test_updates_come_by_themselves() -> None:
    """All sections at first, then only what has changed."""
    stage = Stage()
    async with served(stage) as client, client.get("/live?window=5m") as answer:
        assert answer.content_type == "text/event-stream"
        first = await event(answer)
        assert {"health", "incidents", "funnel", "movers"} <= first["sections"].keys()
        assert len(first["chart"]["columns"]) == 5
        stage.clock.advance(1_000)
        stage.opens()
        second = await event(answer)
    assert second["sections"].keys() == {"health", "incidents"}
    assert "incident-i1" in second["sections"]["incidents"]


async def test_who_signed_in_may_act() -> None:
    """The form is there until then; wrong tokens are said to be."""
    stage = Stage()
    async with served(stage) as client:
        assert 'data-may-write="no"' in await text(client)
        origin = {"Origin": str(client._base_url).rstrip("/")}  # noqa: SLF001  # nowhere else
        wrong = await client.post("/login", data={"token": "no"}, headers=origin)
        assert wrong.status == 401
        assert "another one" in await wrong.text()
        entered = await client.post("/login", data={"token": TOKEN}, headers=origin, allow_redirects=False)
        assert (entered.status, entered.headers["Location"]) == (303, "/")
        page = await text(client)
    assert 'data-may-write="yes"' in page
    assert 'type="password"' not in page


async def test_without_a_token_it_says_what_is_missing() -> None:
    """Rather than show a button that does nothing."""
    async with served(Stage(), None) as client:
        page = await text(client)
    assert "http.token" in page
    assert 'type="password"' not in page


async def test_it_stays_small_with_many_keys() -> None:
    """Only the busiest keys are sent."""
    stage = Stage()
    stage.picture = picture_of(windows_of(2, skus=600))
    async with served(stage) as client:
        page = await text(client)
    assert len(page) < 200_000
