"""The one-command demo: broker, shop, worker and live table in one process; and ``simulate``."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from aiokafka.errors import KafkaConnectionError, KafkaError
from pydantic import SecretStr
from rich.console import Console

from streams.assembly import make_notifier, make_watcher
from streams.clock import SystemClock
from streams.config import Http, Kafka, Logging, Metrics, Notify, Settings, Watch
from streams.config_channels import ChannelEntry
from streams.demo.broker import EmbeddedBroker
from streams.demo.chat import Chat
from streams.demo.circumstances import MINUTE_MS
from streams.demo.live_table import LiveTable
from streams.demo.memory import keep_tidy
from streams.demo.rehearsal import rehearse
from streams.demo.scenarios import Placed, Times, scenario_named, truth_of
from streams.demo.screen import Screen, ShopProgress, addresses
from streams.demo.shop import Shop, ShopSettings, within
from streams.demo.simulator import TrafficSettings, simulate
from streams.demo.sinks import JsonLinesSink, KafkaSink, at_once, deliver, in_real_time
from streams.errors import TopicError
from streams.files import MAX_PARTITIONS
from streams.logs import configure
from streams.pages import pages_of
from streams.worker.app import Worker
from streams.worker.kafka import kafka_options
from streams.worker.wiring import wanted_topics

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Iterator

    from streams.demo.simulator import SimulatedRecord

_SHOP_VISITORS = 20_000
_TOKEN_BYTES = 24
_PAST_MS = 15 * MINUTE_MS
# Payments hang for a while: so there is something to be told of, and that it is over.
_TROUBLE = "S1"
_TROUBLE_AFTER_MS = 2 * MINUTE_MS
_TROUBLE_LASTS_MS = 5 * MINUTE_MS
_LOOK_AGAIN_S = 0.02
_QUICK_MOTION = 60
# Records that may wait for the worker: the embedded broker forgets what is not read soon.
_MOST_WAITING = 8_000


async def simulate_to(arguments: argparse.Namespace, settings: Settings) -> None:
    """Write traffic where the arguments say."""
    clock = SystemClock()
    traffic = TrafficSettings(
        start_ms=arguments.start_ms if arguments.start_ms is not None else clock.now_ms(),
        rate=arguments.rate,
        duration_ms=int(arguments.duration * 1000) if arguments.duration else None,
        shop=ShopSettings(
            seed=arguments.seed,
            slots=arguments.slots,
            banners=arguments.banners,
            skus=arguments.skus,
            visitors=arguments.visitors,
        ),
    )
    staged = scenario_named(arguments.scenario or "S0")
    times = Times(traffic.start_ms + arguments.onset, arguments.lasts)
    partitions = arguments.partitions or (staged.partitions if arguments.out else settings.topics.partitions)
    within("--partitions", partitions, 1, MAX_PARTITIONS)
    records = simulate(traffic, Placed(staged, times, partitions))
    if arguments.truth is not None:
        truth = truth_of(staged, times, Shop(traffic.shop))
        arguments.truth.write_bytes(orjson.dumps(truth, option=orjson.OPT_INDENT_2) + b"\n")
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        files = arguments.out / "clickstream.jsonl", arguments.out / "orders.jsonl"
        async with JsonLinesSink(*files, partitions) as sink:
            await deliver(at_once(records), sink)
        return
    topics = {"clickstream": settings.topics.clickstream, "orders": settings.topics.orders}
    options = kafka_options(settings.kafka)
    del options["bootstrap_servers"]
    try:
        async with KafkaSink(arguments.kafka, topics=topics, options=options) as sink:
            await deliver(at_once(records) if arguments.fast else in_real_time(records, clock), sink)
    except KafkaConnectionError as error:
        raise TopicError(f"kafka unreachable: {arguments.kafka}: {type(error).__name__}") from error
    except KafkaError as error:
        raise TopicError(f"Kafka at {arguments.kafka}: {type(error).__name__}") from error


async def run_demo(rate: float, seed: int, port: int, seconds: float | None) -> int:
    """Run everything until Ctrl-C, or for so many seconds."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if seconds is not None:
        loop.call_later(seconds, stop.set)
    console = Console()
    async with Chat(partial(_show, console)) as chat:
        with EmbeddedBroker() as broker:
            settings = _demo_settings(broker.bootstrap_servers, port, chat.url)
            configure(settings)
            broker.create_topics(*(spec.name for spec in wanted_topics(settings)))
            await _run(settings, rate, seed, stop, console, chat)
    return 0


def _show(console: Console, line: str) -> None:
    """A message as it comes; on a terminal the table shows the last few."""
    if not console.is_terminal:
        console.print(line, highlight=False, markup=False)


def _demo_settings(servers: str, port: int, chat: str) -> Settings:
    return Settings(
        kafka=Kafka(bootstrap_servers=(servers,)),
        # Whoever sees this screen may acknowledge and mute.
        http=Http(port=port, token=SecretStr(secrets.token_urlsafe(_TOKEN_BYTES))),
        # Nobody scrapes a demo before its first look at /metrics, so counters need not wait at zero.
        metrics=Metrics(zero_hold_ms=0, vanish_hold_ms=0),
        logging=Logging(level="ERROR"),
        # What the shop's past tells of is enough to judge by.
        watch=Watch(min_history_ms=_PAST_MS - 5 * MINUTE_MS),
        notify=_telling(chat),
    )


def _telling(url: str) -> Notify:
    return Notify(channels=(ChannelEntry(name="chat", kind="webhook", url=url, allow_private=True),))


async def _run(
    settings: Settings, rate: float, seed: int, stop: asyncio.Event, console: Console, chat: Chat
) -> None:
    notifier, pages = make_notifier({}, Path()), pages_of(settings, {}, Path())
    worker = Worker(settings, make_watcher=make_watcher, make_notifier=notifier, make_pages=pages)
    progress = ShopProgress(_PAST_MS, rate)
    working = asyncio.create_task(worker.run(), name="worker")
    await _say_where(worker, working, console)
    tried = await rehearse(settings.model_copy(update={"notify": _telling(chat.samples_url)}), worker.clock)
    _show(console, tried)
    # Elsewhere each message was printed when it came.
    said = (lambda: [tried, *chat.lines]) if console.is_terminal else tuple
    table = LiveTable(Screen(worker, progress, said).frame, console=console)
    tasks = [
        working,
        asyncio.create_task(_traffic(worker, rate, seed, progress), name="shop"),
        asyncio.create_task(table.run(stop), name="table"),
    ]
    tidy = asyncio.create_task(keep_tidy(), name="memory")
    ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    for task in (tidy, *tasks[:2]):
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for task, outcome in zip(tasks, outcomes, strict=True):
        if task in ended and isinstance(outcome, Exception):
            raise outcome


async def _say_where(worker: Worker, working: asyncio.Task[None], console: Console) -> None:
    """Where broker and metrics are, at once; on a terminal the table says so itself."""
    while not worker.http.port and not working.done():  # noqa: ASYNC110  # two conditions, for a moment
        await asyncio.sleep(_LOOK_AGAIN_S)
    if not console.is_terminal:
        console.print(*addresses(worker), sep="\n", highlight=False)


async def _traffic(worker: Worker, rate: float, seed: int, progress: ShopProgress) -> None:
    """The shop's last quarter of an hour in quick motion, so that there are orders to see; then live, and trouble."""
    shop = ShopSettings(seed=seed, visitors=_SHOP_VISITORS, skus=500, banners=60)
    now_ms = SystemClock().now_ms()
    trouble = Placed(scenario_named(_TROUBLE), Times(now_ms + _TROUBLE_AFTER_MS, _TROUBLE_LASTS_MS))
    traffic = TrafficSettings(start_ms=now_ms - _PAST_MS, rate=rate, shop=shop)
    await pour(worker, progress.watch(simulate(traffic, trouble)), now_ms)


async def pour(worker: Worker, records: Iterator[SimulatedRecord], now_ms: int) -> None:
    """Write what arrives before ``now_ms`` in quick motion, the rest live; no faster than the worker reads."""
    clock = SystemClock()
    past, live = _split(records, now_ms)
    async with KafkaSink(",".join(worker.settings.kafka.bootstrap_servers)) as sink:
        with contextlib.suppress(asyncio.CancelledError):
            quick = in_real_time(past, clock, speed=_QUICK_MOTION)
            written = await deliver(_no_faster(quick, worker, 0), sink)
            lively = in_real_time(live, clock, origin_ms=clock.now_ms())
            await deliver(_no_faster(lively, worker, written.total()), sink)


async def _no_faster(
    chunks: AsyncIterator[list[SimulatedRecord]], worker: Worker, written: int
) -> AsyncIterator[list[SimulatedRecord]]:
    """The chunks, as fast as the worker reads them; ``written`` records went before."""
    async for chunk in chunks:
        written += len(chunk)
        while written - worker.records_read > _MOST_WAITING:  # noqa: ASYNC110  # reading has no event
            await asyncio.sleep(_LOOK_AGAIN_S)
        yield chunk


def _split(
    records: Iterator[SimulatedRecord], at_ms: int
) -> tuple[Iterator[SimulatedRecord], Iterator[SimulatedRecord]]:
    """Records that arrive before a time, and the rest, which may be asked for after those."""
    first_after: list[SimulatedRecord] = []

    def before() -> Iterator[SimulatedRecord]:
        for record in records:
            if record.arrival_ms >= at_ms:
                first_after.append(record)
                return
            yield record

    def after() -> Iterator[SimulatedRecord]:
        yield from first_after
        yield from records

    return before(), after()
