"""The README's pictures: what a browser shows of a shop whose payments break, and what its chat was sent.

``make pictures`` writes them to ``tests/golden/pictures``; look at them before you commit them.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.bots import bot
from tests.support.browser import chromium, picture, watched
from tests.support.live import TOKEN
from tests.support.processes import Process
from tests.support.slack_card import page_of
from tests.support.vendors import answer, problems
from tests.support.workers import until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Page

    from tests.support.bots import Bot

pytest.importorskip("confluent_kafka", reason="the embedded broker is not installed (extra: demo)")
pytestmark = [pytest.mark.chromium, pytest.mark.slow, pytest.mark.timeout(500)]

PATIENCE_S: Final = 300
WIDTH, HEIGHT = 1280, 1100
_MARGIN: Final = 12
# What a README can bear.
MOST_BYTES: Final = 200_000


async def test_a_break_on_the_page_and_in_the_chat(tmp_path: Path) -> None:
    """The same incident stands on both, as it is told; neither picture is empty or too heavy to be kept."""
    async with bot(partial(answer, "slack")) as slack, chromium() as browser:
        command = [sys.executable, "-m", "tests.support.staged_shop", f"{slack.url}/services/T1/B1/none"]
        with Process("staged shop", command, log=tmp_path / "shop.log") as shop:
            address = await where(shop)
            told = await break_told(slack)
            title = await page_pictured(browser, address, tmp_path)
            assert title in told["attachments"][0]["blocks"][0]["text"]["text"]
        await card_pictured(browser, told, tmp_path)


async def where(shop: Process) -> str:
    """The address of its page, once it says so."""

    def said() -> list[str]:
        return re.findall(r"http://127\.0\.0\.1:[1-9]\d*(?=/)", shop.log.read_text("utf-8"))

    await asyncio.to_thread(shop.wait_until, lambda: said() != [], timeout=60, what="its address")
    return said()[0]


async def break_told(slack: Bot) -> dict[str, Any]:
    """The first message of a broken payment; all that was sent is as Slack takes it."""

    def tells() -> list[dict[str, Any]]:
        bodies = [json.loads(call.body) for call in slack.calls]
        return [one for one in bodies if "Opened" in one["text"] and "paid" in one["text"]]

    await until(tells, seconds=PATIENCE_S, what="a message of the break")
    assert [problem for call in slack.calls for problem in problems("slack", call)] == []
    return tells()[0]


async def page_pictured(browser: Browser, address: str, folder: Path) -> str:
    """The page during the break, once it is up to date; the title of the incident's card."""
    async with watched(browser, viewport={"width": WIDTH, "height": HEIGHT}) as seen:
        await seen.page.goto(f"{address}/?window=15m#token={TOKEN}")
        card = seen.page.locator("#incidents .card", has_text="paid").first
        await card.get_by_role("button", name="Acknowledge").wait_for(timeout=1e3 * PATIENCE_S)
        await seen.page.locator("#health .strip.good").wait_for(timeout=1e3 * PATIENCE_S)
        await seen.page.locator("#plot canvas").wait_for(timeout=1e3 * PATIENCE_S)
        await cut_below(seen.page, "#chart")
        # Behind the title stands how severe it is.
        title = (await card.locator("h3").inner_text()).partition(" ")[2]
        assert_light(await picture(seen.page, "live-page", folder, whole=False))
        seen.assert_well()
    return title


async def cut_below(page: Page, section: str) -> None:
    """As high as to end with a section: half a row looks like a mistake."""
    box = await page.locator(section).bounding_box()
    assert box is not None
    await page.set_viewport_size({"width": WIDTH, "height": int(box["y"] + box["height"] + _MARGIN)})


async def card_pictured(browser: Browser, told: dict[str, Any], folder: Path) -> None:
    """What was sent, as Slack shows it."""
    async with watched(browser, viewport={"width": 760, "height": 100}, device_scale_factor=1.5) as seen:
        await seen.page.set_content(page_of(told))
        assert_light(await picture(seen.page, "chat-card", folder))
        assert seen.errors == []


def assert_light(path: Path) -> None:
    """An empty page is less, and more is too much."""
    assert 15_000 < path.stat().st_size < MOST_BYTES
