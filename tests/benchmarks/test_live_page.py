"""The live page with 20,000 SKUs: taking a picture, writing the page, painting it, updating it, and the event loop."""

from __future__ import annotations

import asyncio
import gzip
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry

import streams.web
from streams.assembly import closing_settings, make_watcher
from streams.codec import decode_message
from streams.config import Settings
from streams.core.closing import Closing
from streams.core.windows import Windows, WindowSettings
from streams.web.capturing import Capturing
from streams.web.view import Asked
from streams.web.writing import Writer
from tests.benchmarks import reporting
from tests.benchmarks.watch_load import Size, WatchLoad
from tests.support.browser import chromium, watched
from tests.support.clock import ManualClock
from tests.support.live import Stage, served

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from streams.web.picture import Picture

BUCKETS: Final = reporting.option("LIVE_BUCKETS", 40)
ROUNDS: Final = 7
STATIC: Final = Path(streams.web.__file__).parent / "static"
ASKED: Final = (
    "/api/v1/funnel",
    "/api/v1/keys?dimension=sku&q=7&order=revenue",
    "/api/v1/scorecard?dimension=sku",
)


def ms(work: Callable[[], object]) -> float:
    """CPU time that it takes, median of a few: whatever else the machine does meanwhile."""
    spent = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        work()
        spent.append(1e3 * (time.thread_time() - began))
    return round(median(spent), 1)


def shop() -> tuple[Windows, Capturing]:
    """A shop of 20,000 SKUs, watched for a while."""
    settings = Settings()
    watcher = make_watcher(settings, CollectorRegistry())
    windows, closing = Windows(WindowSettings("UTC")), Closing(1, settings=closing_settings(settings))
    load, capturing = WatchLoad(Size()), Capturing(watcher, ManualClock(0))
    for number in range(BUCKETS):
        for raw in load.bucket(number):
            closing.take(0, decode_message(raw))
        for bucket in closing.closed():
            windows.take(bucket)
            watcher.observe(bucket, windows)
            capturing.refresh(windows)
    return windows, capturing


async def test_the_page_of_a_large_shop() -> None:
    """Figures only: who reads them says whether they are good enough."""
    windows, capturing = shop()
    figures: dict[str, Any] = {"skus": len(windows.names("sku")), "buckets": BUCKETS}
    figures["picture_cpu_ms"] = ms(lambda: capturing.refresh(windows))
    picture = capturing.picture
    assert picture is not None
    stage = Stage(buckets=2)
    stage.picture, stage.windows = picture, windows
    stage.clock.move_to(max(picture.end_ms + 5_000, stage.clock.now_ms()))
    writer, asked = Writer("UTC", ""), Asked("5m", "en")
    moment = stage.sources.moment()
    page = writer.page(moment, asked, has_token=True, may_write=True)
    figures["page_cpu_ms"] = ms(lambda: writer.page(moment, asked, has_token=True, may_write=True))
    figures["update_cpu_ms"] = ms(lambda: writer.update(moment, asked))
    figures["page_gzip_bytes"] = len(gzip.compress(page))
    files = b"".join(path.read_bytes() for path in STATIC.iterdir() if path.suffix in (".js", ".css", ".svg"))
    figures["bundle_gzip_bytes"] = len(gzip.compress(files))
    async with served(stage) as client:
        figures["loop_blocked_ms"] = await _blocked(client)
        figures |= await _painted(client, stage, picture)
    path = reporting.write("live_page", figures)
    reporting.show("The live page", ("figure", "value"), [*figures.items()], str(path))


async def _blocked(client: aiohttp.ClientSession) -> float:
    """The longest that the event loop did not come round while everything was asked for."""
    longest, stop = 0.0, False

    async def beat() -> None:
        nonlocal longest
        while not stop:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - began - 0.001)

    beating = asyncio.create_task(beat())
    for _ in range(3):
        answers = await asyncio.gather(*(client.get(path) for path in ("/", "/metrics", *ASKED)))
        assert {answer.status for answer in answers} == {200}
        await asyncio.sleep(1.0)
    stop = True
    await beating
    return round(1e3 * longest, 1)


async def _painted(client: aiohttp.ClientSession, stage: Stage, picture: Picture) -> dict[str, float]:
    """First paint, and main-thread work of an update in which every section changes."""
    async with chromium() as browser, watched(browser) as seen:
        page = seen.page
        await page.goto(f"{client._base_url}?window=5m")  # noqa: SLF001  # nowhere else
        await page.locator("#link.on").wait_for(timeout=60_000)
        await page.wait_for_timeout(1_000)
        paint = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable")

        async def busy_s() -> float:
            found = await session.send("Performance.getMetrics")
            return float(next(one["value"] for one in found["metrics"] if one["name"] == "TaskDuration"))

        spent = []
        for number in range(ROUNDS):
            before = await busy_s()
            stage.clock.advance(60_000)
            stage.opens(f"i{number}")
            await page.locator(f"#incident-i{number}").wait_for(timeout=60_000)
            await page.wait_for_timeout(500)
            spent.append(1e3 * (await busy_s() - before))
    return {"first_paint_ms": round(paint, 1), "update_main_thread_ms": round(median(spent), 1)}
