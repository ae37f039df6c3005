"""``funnelwatch demo`` as a newcomer runs it: one command, nothing else; and how it ends."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alerts.incident import encode_incident
from streams.clock import SystemClock
from streams.config import Settings
from tests.support.deliveries import incident
from tests.support.pages import Totals, totals_on
from tests.support.processes import Process
from tests.support.producing import Message, produce

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("confluent_kafka", reason="the demo's broker is not installed (extra: demo)")
pytestmark = pytest.mark.timeout(200)

SECONDS = 35
# A machine with too much to do takes ten seconds for the imports alone.
PATIENCE_S = 60
MAX_RESIDENT_MB = 500


def start(folder: Path, *words: str) -> Process:
    """The demo, its screen going to a file."""
    command = [sys.executable, "-m", "streams.cli", "demo", "--port", "0", *words]
    environment = {"COLUMNS": "160", "LINES": "50"}
    return Process("demo", command, log=folder / "demo.out", env=environment)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Process]:
    """An endless demo that shows itself by now."""
    with start(tmp_path) as process:
        process.wait_until(
            lambda: page_address(process) is not None, timeout=PATIENCE_S, what="the address of its page"
        )
        yield process


def page_address(process: Process) -> str | None:
    """Where the screen says that the metrics are."""
    found = re.findall(r"http://127\.0\.0\.1:[1-9]\d+/metrics", process.log.read_text("utf-8"))
    return found[-1] if found else None


def resident_mb(process: Process) -> float:
    """The process' largest resident set so far."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def test_a_demo_shows_a_shop_and_ends_by_itself(tmp_path: Path) -> None:
    """Slots, banners and SKUs with CTR, CVR and orders, on the screen and the page; then it ends well."""
    with start(tmp_path, "--seconds", str(SECONDS)) as process:
        process.wait_until(
            lambda: page_address(process) is not None, timeout=PATIENCE_S, what="the address of its page"
        )
        process.wait_until(
            lambda: is_lively(shown(process)),
            timeout=SECONDS,
            what="clicked keys and paid orders on its page",
        )
        totals = shown(process)
        if sys.platform == "linux":
            assert resident_mb(process) < MAX_RESIDENT_MB
        assert process.wait(SECONDS + 20) == 0
    screen = process.log.read_text("utf-8")
    assert "Traceback" not in screen
    for dimension in ("slot", "banner", "sku"):
        assert any(key in screen for key in clicked(totals, dimension)), dimension
    assert_has_rates(screen)
    assert screen.count("notify-test  5 of 5 samples taken by chat\n") == 1
    # None of them is shown among what was told.
    assert "[TEST]" not in screen


def shown(process: Process) -> Totals:
    """What its page says."""
    with urllib.request.urlopen(str(page_address(process)), timeout=10) as answer:  # noqa: S310  # loopback
        return totals_on(answer.read().decode())


def clicked(totals: Totals, dimension: str) -> list[str]:
    """Keys with visitors who clicked."""
    return [key for (of, key, node), n in totals.visitors.items() if (of, node) == (dimension, "click") and n]


def is_lively(totals: Totals) -> bool:
    """Whether orders were paid and several keys of each dimension clicked."""
    return totals.orders["all", "all", "paid"] > 0 and all(
        len(clicked(totals, dimension)) > 1 for dimension in ("slot", "banner", "sku")
    )


def assert_has_rates(screen: str) -> None:
    """The last picture has rates above zero: CTR and CVR of the whole shop among them."""
    rates = [float(rate) for rate in re.findall(r"(\d+\.\d+) ?%", screen[-20_000:])]
    assert len([rate for rate in rates if rate > 0]) >= 4


def test_what_goes_wrong_is_told_in_its_chat(demo: Process) -> None:
    """An incident comes out as a message, in one line."""
    found = re.search(r"kafka  (127\.0\.0\.1:\d+)", demo.log.read_text("utf-8"))
    assert found
    at_ms = SystemClock().now_ms()
    one = incident("i", since_ms=at_ms, opened_at_ms=at_ms, updated_at_ms=at_ms)
    topic = Settings().topics.incidents
    asyncio.run(produce(found[1], [Message(topic, encode_incident(one), b"i", 0)]))
    demo.wait_until(
        lambda: "chat  [warning] Opened" in demo.log.read_text("utf-8"), timeout=60, what="the message"
    )
    assert "home.top.1" in demo.log.read_text("utf-8").split("chat  ")[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_demo(demo: Process, number: signal.Signals) -> None:
    """Ctrl-C, or a polite kill, stops everything within seconds, without a traceback."""
    began = time.monotonic()
    demo.signal(number)
    assert demo.wait(15) == 0
    assert time.monotonic() - began < 10
    assert "Traceback" not in demo.log.read_text("utf-8")


def test_a_signal_while_it_starts_ends_the_demo(tmp_path: Path) -> None:
    """Who thinks better of it at once is not left with half a demo."""
    with start(tmp_path) as process:
        process.wait_until(
            lambda: process.log.stat().st_size > 0, timeout=PATIENCE_S, what="first sign of life"
        )
        process.signal(signal.SIGINT)
        assert process.wait(15) == 0
    assert "Traceback" not in process.log.read_text("utf-8")
