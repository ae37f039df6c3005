"""The live page in a real Chromium, before a real worker: loaded, kept up to date, told of a break, acted on."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from streams.clock import SystemClock
from streams.worker.wiring import wanted_topics
from tests.integration.test_demo import start as start_demo
from tests.integration.test_end_to_end import workers, write
from tests.support.browser import barriers, chromium, picture, watched
from tests.support.live import TOKEN
from tests.support.steady_shop import visits
from tests.support.workers import Deployment, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.browser import Watched
    from tests.support.workers import WorkerProcess

pytest.importorskip("confluent_kafka", reason="the embedded broker is not installed (extra: demo)")
pytestmark = [pytest.mark.chromium, pytest.mark.timeout(500)]

MINUTE = 60_000
HEALTHY_MS, BROKEN_MS = 75 * MINUTE, 6 * MINUTE
# So much of a healthy shop comes after the page was opened: meanwhile the sources are silent, which may be told
# as an outage of data, and is to be over before the break.
MORE_MS = 25 * MINUTE
PATIENCE_S = 180
PATIENCE_MS = PATIENCE_S * 1_000
# From an incident's record to its card on an open page, however busy the machine is.
SECONDS_MS = 30_000
# As in the tests of watching: event time runs a hundred times as fast as the clock.
QUICK = {
    "TOPICS__PARTITIONS": "4",
    "TOPICS__ROLLUP_SHARDS": "4",
    "COUNTING__IDLE_TIMEOUT": "2m",
    "COUNTING__SILENCE_TIMEOUT": "2m",
    "WATCH__PATIENCE": "3s",
    "WATCH__MIN_HISTORY": "1m",
    "METRICS__ZERO_HOLD": "0s",
    "METRICS__VANISH_HOLD": "0s",
    "HTTP__TOKEN": TOKEN,
}


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A deployment on a broker of its own."""
    from streams.demo.broker import EmbeddedBroker  # noqa: PLC0415  # an extra

    with EmbeddedBroker() as broker:
        made = Deployment(broker.bootstrap_servers, "live", tmp_path, QUICK)
        broker.create_topics(*(spec.name for spec in wanted_topics(made.settings())))
        yield made


def asked(worker: WorkerProcess, path: str) -> dict[str, Any]:
    """What the API answers; nothing before it does."""
    try:
        with urllib.request.urlopen(f"http://{worker.address}/api/v1/{path}", timeout=10) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found
    except OSError:
        return {}


async def judged(worker: WorkerProcess) -> None:
    """Wait until all there was before the page is judged."""

    async def is_so() -> bool:
        found = await asyncio.to_thread(asked, worker, "health")
        return found.get("behind_ms") is not None and found["behind_ms"] < BROKEN_MS + MORE_MS + 3 * MINUTE

    await until(is_so, seconds=PATIENCE_S, what="the watcher is up to date")


async def open_page(seen: Watched, worker: WorkerProcess, query: str = "") -> None:
    """Load it, signed in, and wait until it is live."""
    await seen.page.goto(f"http://{worker.address}/{query}#token={TOKEN}")
    await seen.page.locator("#link.on").wait_for(timeout=PATIENCE_MS)


async def break_told(worker: WorkerProcess, broken_ms: int) -> str:
    """Id of the incident of the broken payment, once the worker knows its record.

    A busy machine may tell a false alarm of the quick motion before: that is no news of the break.
    """
    found: list[str] = []

    async def is_so() -> bool:
        known = await asyncio.to_thread(asked, worker, "incidents?state=open")
        found[:] = [
            one["id"]
            for one in known.get("incidents", ())
            if one["kind"] == "node_break" and one["step"]["to_node"] == "paid"
            if one["updated_at_ms"] > broken_ms and one["merged_into"] is None
        ]
        return bool(found)

    await until(is_so, seconds=PATIENCE_S, what="the break is told")
    return found[0]


async def test_a_break_is_seen_and_taken_on(deployment: Deployment, tmp_path: Path) -> None:
    """A broken payment comes to an open page as a card, seconds after its record; there it is taken on, by name."""
    now_ms = SystemClock().now_ms()
    broken_ms = now_ms - BROKEN_MS
    records = visits(broken_ms - HEALTHY_MS, now_ms, broken_ms)
    early = sum(record.event_time_ms < broken_ms - MORE_MS for record in records)
    async with chromium() as browser, watched(browser, viewport={"width": 1400, "height": 1000}) as seen:
        with workers(deployment, "a") as (worker,):
            await write(deployment, records[:early])
            await judged(worker)
            await open_page(seen, worker)
            page = seen.page
            # Gone if the page is ever loaded anew.
            await page.evaluate("window.untouched = true")
            assert "order" in await page.locator("#funnel").inner_text()
            assert await page.locator("#incidents .card", has_text="Step is broken").count() == 0
            before = await page.locator("#health").inner_text()
            await write(deployment, records[early:])
            name = await break_told(worker, broken_ms)
            card = page.locator(f"#incident-{name}")
            await card.wait_for(timeout=SECONDS_MS)
            told = await card.inner_text()
            assert "Step is broken: whole shop, order > paid" in told
            assert "Lost money" in told
            assert await page.locator("#health").inner_text() != before
            assert await barriers(page) == []
            await picture(page, "live-light", tmp_path)
            await acknowledged(seen, worker, name)
            assert await page.evaluate("window.untouched")
            await assert_readable(browser, worker, name, tmp_path)
        seen.assert_well()


async def acknowledged(seen: Watched, worker: WorkerProcess, name: str) -> None:
    """A click is enough: the watcher writes down who took it on, and the card says so by itself."""
    card = seen.page.locator(f"#incident-{name}")
    await seen.page.get_by_label("Your name").fill("Li")
    await card.get_by_role("button", name="Acknowledge").click()
    await card.locator(".badge", has_text="acknowledged").wait_for(timeout=PATIENCE_MS)
    assert await card.get_by_role("button", name="Acknowledge").count() == 0
    assert "by Li" in await card.inner_text()
    record = await asyncio.to_thread(asked, worker, f"incidents/{name}")
    assert (record["state"], record["acknowledged_by"]) == ("acknowledged", "Li")


async def assert_readable(browser: Any, worker: WorkerProcess, name: str, folder: Path) -> None:
    """In the dark, on a phone, in Chinese, and without script: all of it, and nobody is kept out."""
    looks: dict[str, dict[str, Any]] = {
        "live-dark": {"color_scheme": "dark", "viewport": {"width": 1400, "height": 1000}},
        "live-phone": {"viewport": {"width": 390, "height": 844}, "locale": "zh-CN"},
    }
    for look, options in looks.items():
        async with watched(browser, **options) as seen:
            await open_page(seen, worker)
            assert await barriers(seen.page) == []
            assert await seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            await picture(seen.page, look, folder)
            seen.assert_well()
    async with watched(browser, java_script_enabled=False) as seen:
        await seen.page.goto(f"http://{worker.address}/?window=1h&lang=zh")
        assert await seen.page.locator("html").get_attribute("lang") == "zh"
        assert await seen.page.locator(f"#incident-{name}").count() == 1
        assert await seen.page.locator("#drawing .observed").count() == 1


async def test_the_demo_has_a_page(tmp_path: Path) -> None:
    """The screen says where; it shows the shop and goes on showing it."""
    async with chromium() as browser, watched(browser) as seen:
        with start_demo(tmp_path, "--rate", "100") as demo:

            def address() -> str | None:
                found = re.search(r"http://127\.0\.0\.1:[1-9]\d+/#token=[\w-]+", demo.log.read_text("utf-8"))
                return found.group() if found else None

            await asyncio.to_thread(
                demo.wait_until, lambda: address() is not None, timeout=60, what="its page"
            )
            await seen.page.goto(address() or "")
            await seen.page.locator("#link.on").wait_for(timeout=PATIENCE_MS)
            # Nothing is counted at first; then it comes by itself.
            shown = seen.page.locator("#funnel tbody tr", has_text="paid")
            await shown.wait_for(timeout=PATIENCE_MS)
            first = await seen.page.locator("#headline").inner_text()
            await seen.page.wait_for_function(
                "(before) => document.querySelector('#headline').innerText !== before",
                arg=first,
                timeout=PATIENCE_MS,
            )
        # It has gone now, and the page may say so.
        assert seen.hosts <= {"127.0.0.1"}
