"""A running demo whose payments break: broker, worker, watcher and a chat in one process, two promotions on.

``python -m tests.support.staged_shop [SLACK]`` prints where its metrics are and runs until it is killed. The
shop's last ``PAST_MS`` come in quick motion, their end with the scenario; then it goes on live. With an address
of a Slack it tells that, too, with links.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.assembly import make_notifier, make_watcher
from streams.clock import SystemClock
from streams.config import load_settings
from streams.demo.broker import EmbeddedBroker
from streams.demo.chat import Chat
from streams.demo.run import pour
from streams.demo.scenarios import Placed, Times, scenario_named
from streams.demo.shop import ShopSettings
from streams.demo.simulator import TrafficSettings, simulate
from streams.logs import configure
from streams.pages import pages_of
from streams.worker.app import Worker
from streams.worker.wiring import wanted_topics
from tests.support.live import TOKEN

if TYPE_CHECKING:
    from streams.config import Settings

MINUTE_MS: Final = 60_000
PAST_MS: Final = 30 * MINUTE_MS
BROKEN_MS: Final = 6 * MINUTE_MS
# The promotions started so long ago, and so long after each other.
STARTED_MS: Final = 10 * MINUTE_MS
APART_S: Final = 20
TARGETS: Final = {
    "orders": 1_500,
    "revenue_minor_units": 40_000_000,
    "currency": "CNY",
    "conversion": 0.12,
}
LINKS: Final = {
    "public_url": "https://watch.example",
    "grafana_url": "https://grafana.example/d/funnelwatch-incidents",
    "secret_env": "LINK_SECRET",
}
SCENARIO: Final = "S1"
RATE: Final = 100.0


def settings_of(servers: str, chat: str, now_ms: int, *, slack: bool) -> Settings:
    """Of a deployment that learns quickly and tells a chat; the promotion is the newer of two that run."""
    channels = [{"name": "chat", "kind": "webhook", "url": chat, "allow_private": True}]
    if slack:
        channels.append({"name": "ops", "kind": "slack", "url_env": "SLACK", "allow_private": True})
    promotions = [
        {"name": name, "start": _text(start_ms), "end": _text(now_ms + 60 * MINUTE_MS), "targets": TARGETS}
        for name, start_ms in (
            ("spring", now_ms - STARTED_MS - APART_S * 1000),
            ("summer", now_ms - STARTED_MS),
        )
    ]
    environment = {
        "KAFKA__BOOTSTRAP_SERVERS": servers,
        "HTTP__PORT": "0",
        "METRICS__ZERO_HOLD": "0s",
        "METRICS__VANISH_HOLD": "0s",
        "LOGGING__LEVEL": "ERROR",
        "WATCH__MIN_HISTORY": "5m",
        "WATCH__SNAPSHOT_INTERVAL": "10s",
        "HTTP__TOKEN": TOKEN,
        "NOTIFY__CHANNELS": json.dumps(channels),
        **{f"NOTIFY__LINKS__{name.upper()}": value for name, value in LINKS.items()},
        "PROMOTIONS": json.dumps(promotions),
    }
    return load_settings(None, {f"FUNNELWATCH__{key}": value for key, value in environment.items()})


def _text(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


async def run() -> None:
    """All of it, until it is killed."""
    now_ms = SystemClock().now_ms()
    async with Chat() as chat:
        with EmbeddedBroker() as broker:
            await _run(broker, chat, now_ms)


async def _run(broker: EmbeddedBroker, chat: Chat, now_ms: int) -> None:
    environment = dict(zip(("SLACK",), sys.argv[1:], strict=False)) | {"LINK_SECRET": TOKEN}
    settings = settings_of(broker.bootstrap_servers, chat.url, now_ms, slack="SLACK" in environment)
    configure(settings)
    broker.create_topics(*(spec.name for spec in wanted_topics(settings)))
    notifier, pages = make_notifier(environment, Path()), pages_of(settings, environment, Path())
    worker = Worker(settings, make_watcher=make_watcher, make_notifier=notifier, make_pages=pages)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(worker.run())
        tasks.create_task(_say_where(worker))
        tasks.create_task(_traffic(worker, now_ms))


async def _say_where(worker: Worker) -> None:
    while not worker.http.port:  # noqa: ASYNC110  # the port has no event
        await asyncio.sleep(0.05)
    print(f"http://127.0.0.1:{worker.http.port}/metrics", flush=True)


async def _traffic(worker: Worker, now_ms: int) -> None:
    shop = ShopSettings(seed=1, visitors=20_000, skus=100, banners=20, slots=10)
    traffic = TrafficSettings(start_ms=now_ms - PAST_MS, rate=RATE, shop=shop)
    scene = Placed(scenario_named(SCENARIO), Times(now_ms - BROKEN_MS), 4)
    await pour(worker, simulate(traffic, scene), now_ms)


if __name__ == "__main__":
    asyncio.run(run())
