"""Debian's Chromium, headless and with a fresh profile, driven by Playwright; and what went wrong in its pages."""

from __future__ import annotations

import os
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

_PROGRAM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
_AXE: Final = Path(__file__).parents[1] / "fixtures" / "axe" / "axe.min.js"
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
)
_BAD: Final = frozenset({"serious", "critical"})
PICTURES: Final = os.environ.get("FUNNELWATCH_PICTURES")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    if _PROGRAM is None:
        pytest.skip("no Chromium (Debian's chromium)")
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=_PROGRAM, args=[*_FLAGS])
        try:
            yield browser
        finally:
            await browser.close()


class Watched:
    """A page whose mishaps are noted.

    Args:
        page: that is watched, before it goes anywhere.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname or request.url[:20]))

    def assert_well(self) -> None:
        """No error on the console, and nothing was asked of anybody else."""
        assert self.errors == []
        assert self.hosts <= {"127.0.0.1"}


@asynccontextmanager
async def watched(browser: Browser, **options: Any) -> AsyncIterator[Watched]:
    """A page of a context of its own."""
    context = await browser.new_context(**options)
    try:
        yield Watched(await context.new_page())
    finally:
        await context.close()


async def barriers(page: Page) -> list[str]:
    """What axe finds serious or critical, with the first place of each."""
    await page.evaluate(_AXE.read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run().then((all) => all.violations)")
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in _BAD]


async def picture(page: Page, name: str, folder: Path, *, whole: bool = True) -> Path:
    """A screenshot, of the whole page or of what one sees without scrolling; kept by :func:`kept`."""
    path = kept(name, folder)
    await page.screenshot(path=path, full_page=whole)
    return path


def kept(name: str, folder: Path) -> Path:
    """Where a picture goes: to the folder that FUNNELWATCH_PICTURES names, else to ``folder``."""
    path = Path(PICTURES or folder) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
