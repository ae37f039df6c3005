"""From an incident's record to the channel's 200, through real Kafka, a real worker and real HTTP.

Three views, none of them judged here:

- on an idle channel, one incident at a time: from when Kafka took the record to when the webhook answered;
- 5,000 incidents at once: how many messages come in the first minute, and in which order;
- ten times 5,000 incidents that end, nine days apart on a clock of its own: what the process holds after each.

``FUNNELWATCH_BENCH_TELLING_ONES`` (default 200), ``..._TELLING_MANY`` (default 5,000), ``..._TELLING_ROUNDS`` (10).
"""

from __future__ import annotations

import asyncio
import gc
import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.incident import encode_incident
from alerts.message import MessageState
from alerts.model import Place, Severity
from streams.clock import SystemClock
from streams.config import load_settings
from tests.benchmarks import reporting
from tests.benchmarks.reporting import option
from tests.benchmarks.worker_process import RunningWorker, memory
from tests.support.bots import Bot, bot
from tests.support.deliveries import incident, over
from tests.support.producing import Message, produce
from tests.support.telling import Office, channel, plan_of
from tests.support.workers import read_topic, until

if TYPE_CHECKING:
    from pathlib import Path

    from alerts.incident import Incident
    from tests.support.vendors import Call

_TOPIC: Final = load_settings(None, {}).topics.incidents
_PAUSE_S: Final = 0.25
_MINUTE_S: Final = 60
_NINE_DAYS_MS: Final = 9 * 86_400_000
_WIDE: Final = "{messages: 10000, per: 1m, burst: 5000}"


class Answered:
    """A webhook that notes when it answered what."""

    def __init__(self) -> None:
        self.at_ms: dict[str, int] = {}

    def __call__(self, call: Call) -> tuple[int, bytes]:
        """It is taken."""
        for one in json.loads(call.body)["incidents"]:
            self.at_ms.setdefault(one["id"], SystemClock().now_ms())
        return 200, b"{}"


def now(name: str, place: str = "home", **fields: Any) -> Incident:
    """An incident of now."""
    at_ms = SystemClock().now_ms()
    times = {"since_ms": at_ms - 60_000, "opened_at_ms": at_ms, "updated_at_ms": at_ms}
    made: Incident = incident(name, (Place("slot", place),), **times | fields)
    return made


def worker_on(servers: str, folder: Path, server: Bot, budget: str = "") -> RunningWorker:
    """A worker that tells the webhook."""
    more = f", budget: {budget}" if budget else ""
    entry = f"{{name: ops, kind: webhook, url: '{server.url}/', allow_private: true{more}}}"
    return RunningWorker(servers, folder, settings={"FUNNELWATCH__NOTIFY__CHANNELS": f"[{entry}]"})


async def put(servers: str, *incidents: Incident) -> None:
    """Into the topic of incidents."""
    await produce(servers, [Message(_TOPIC, encode_incident(one), one.id.encode(), 0) for one in incidents])


async def warmed_up(servers: str, worker: RunningWorker, server: Bot) -> None:
    """Until a first incident has been told."""
    await asyncio.to_thread(worker.wait_until_ready)
    await put(servers, now("first", "first"))
    await until(lambda: bool(server.calls), seconds=120, what="a first message")


async def test_from_the_record_to_the_answer(servers: str, tmp_path: Path) -> None:
    """One at a time, on a channel with nothing else to do."""
    ones, answered = option("TELLING_ONES", 200), Answered()
    async with bot(answered) as server:
        with worker_on(servers, tmp_path, server, _WIDE) as worker:
            await warmed_up(servers, worker, server)
            for number in range(ones):
                await put(servers, now(f"i{number}", f"slot {number}"))
                await asyncio.sleep(_PAUSE_S)
            await until(lambda: len(answered.at_ms) > ones, seconds=60, what="all are told")
    records = (await read_topic(servers, _TOPIC))[0]
    written = {(record.key or b"").decode(): record.timestamp_ms for record in records}
    delays = [answered.at_ms[name] - at_ms for name, at_ms in written.items() if name != "first"]
    figures = {f"p{q}_ms": int(np.percentile(delays, q)) for q in (50, 90, 99)} | {"max_ms": max(delays)}
    path = reporting.write("telling_delay", {"incidents": ones, **figures})
    reporting.show("Incident to accepted POST", list(figures), [list(figures.values())], note=str(path))


async def test_many_at_once(servers: str, tmp_path: Path) -> None:
    """What a channel with the usual budget of 20 a minute hears of 5,000 in its first minute, and in which order."""
    many, answered = option("TELLING_MANY", 5_000), Answered()
    losses = np.random.default_rng(1).permutation(many)
    async with bot(answered) as server:
        with worker_on(servers, tmp_path, server) as worker:
            await warmed_up(servers, worker, server)
            await asyncio.sleep(_MINUTE_S)
            server.calls.clear()
            before = memory(worker.pid)
            crowd = [
                now(f"i{at}", f"slot {at}", severity=Severity.WARNING, lost_minor_per_minute=float(loss))
                for at, loss in enumerate(losses)
            ]
            await put(servers, *crowd)
            began_ms = SystemClock().now_ms()
            await until(lambda: bool(server.calls), seconds=60, what="a first message")
            first_ms = SystemClock().now_ms() - began_ms
            await asyncio.sleep(_MINUTE_S)
            after = memory(worker.pid)
            bodies = [json.loads(call.body) for call in server.calls]
    alone = [
        one["incidents"][0]["lost_minor_per_minute"] for one in bodies if one["state"] != MessageState.DIGEST
    ]
    told = sum(len(one["incidents"]) + one.get("incidents_left_out", 0) for one in bodies)
    figures = {
        "incidents": many,
        "messages_in_a_minute": len(bodies),
        "told_of": told,
        "alone_worst_first": alone == sorted(alone, reverse=True) and (not alone or alone[0] == many - 1),
        "first_message_ms": first_ms,
        "rss_before_mib": before.resident >> 20,
        "rss_after_mib": after.resident >> 20,
        "rss_peak_mib": after.peak >> 20,
    }
    path = reporting.write("telling_many", figures)
    reporting.show(f"{many:,} incidents at once", list(figures), [list(figures.values())], note=str(path))


async def test_what_is_held(tmp_path: Path) -> None:  # as the others
    """What is over and old is forgotten: round after round the process holds the same."""
    rounds, many = option("TELLING_ROUNDS", 10), option("TELLING_MANY", 5_000)
    held = []
    async with bot(lambda _: (200, b"{}")) as server, Office(plan_of(channel("ops", server.url))) as office:
        for number in range(rounds):
            at_ms = office.clock.now_ms()
            times = {"since_ms": at_ms, "opened_at_ms": at_ms, "updated_at_ms": at_ms}
            crowd = [incident(f"{number}-{at}", (Place("slot", f"s{at}"),), **times) for at in range(many)]
            await office.turn(*crowd)
            await office.turn(*(over(one, office.clock.advance(1)) for one in crowd), after_ms=60_000)
            await office.turn(after_ms=120_000)
            office.mailbox.incidents_written.clear()
            del crowd
            await office.turn(after_ms=_NINE_DAYS_MS)
            await office.turn(after_ms=60_000)
            gc.collect()
            known = office.dispatch.known
            held.append(
                (
                    memory("self").resident >> 20,
                    len(known.incidents),
                    len(known.ledger),
                    len(office.mailbox.told),
                )
            )
            server.calls.clear()
    columns = ("rss_mib", "incidents", "told", "records")
    path = reporting.write("telling_held", {"rounds": [dict(zip(columns, one, strict=True)) for one in held]})
    reporting.show(f"Rounds of {many:,} incidents", columns, held, note=str(path))
