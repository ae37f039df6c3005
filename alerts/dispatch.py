"""Dispatch: what is due goes out through the lanes of its channels, and what became of it is written down.

One plan, one dispatch; it is opened on what is known and closed when the plan changes. A turn takes in what was heard
and what became of what was sent, writes that down, and only then hands out what is due: what cannot be
written down is not sent either, so a crash repeats at most what was under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self

import msgspec

from alerts.incident import decode_incident, record_of
from alerts.lane import Gate, Lane, Sent
from alerts.ledger import decode_delivery, encode_delivery, record_key
from alerts.notify.base import Verdict
from alerts.notify.registry import open_carrier
from alerts.outbox import Outbox
from alerts.rounds import Answer, Report
from alerts.stages.pipeline import Pipeline
from alerts.wording import message_of
from streams.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from alerts.ledger import Address, Delivery
    from alerts.notify.base import Carrier
    from alerts.notify.registry import ChannelPlan
    from alerts.notify_metrics import NotifyMetrics
    from alerts.notify_plan import NotifyPlan
    from alerts.rounds import DeadLetter
    from alerts.stages.knowledge import Knowledge
    from alerts.stages.stage import Parcel, Why
    from streams.clock import Clock

    OpenCarrier = Callable[[ChannelPlan, Clock], AbstractAsyncContextManager[Carrier]]
    Record = tuple[bytes, bytes | None]

_LOG: Final = logging.getLogger(__name__)
_ANSWERS: Final = {
    Verdict.DELIVERED: Answer.DELIVERED,
    Verdict.RETRY: Answer.RETRY,
    Verdict.REFUSED: Answer.REFUSED,
}


class Heard(NamedTuple):
    """A record of the topic of incidents, and when it was written."""

    value: bytes | None
    written_ms: int


class Paper(Protocol):
    """Where things are written down."""

    async def write(self, records: Sequence[Record]) -> None:
        """Into the topic of deliveries: by key, None deletes; returns when they are there."""
        ...

    async def bury(self, letters: Sequence[Letter]) -> None:
        """Into the topic of dead letters; returns when they are there."""
        ...


class Letter(NamedTuple):
    """A dead letter: key, value, and headers by name."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class Tools(NamedTuple):
    """What dispatching works with; tests bring their own."""

    clock: Clock
    chance: Callable[[], float]
    metrics: NotifyMetrics
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    open_carrier: OpenCarrier = open_carrier


class Dispatch:
    """See the module; a context manager.

    Args:
        plan: what it goes by.
        tools: what it works with.
        known: what another dispatch knew; None for nothing.
    """

    def __init__(self, plan: NotifyPlan, tools: Tools, known: Knowledge | None = None) -> None:
        self._plan = plan
        self._tools = tools
        if known is not None:
            known.keep_channels(frozenset(one.name for one in plan.channels))
            # What the one before had handed out and not sent is due again.
            known.in_flight.clear()
        self._outbox = Outbox(Pipeline(plan.pipeline), plan.outbox, known)
        self._lanes: dict[str, Lane] = {}
        self._sent: list[Sent] = []
        self._open = contextlib.AsyncExitStack()
        self.gate = Gate()
        self.news = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Open every channel; raises ConfigError where one cannot be."""
        async with contextlib.AsyncExitStack() as opening:
            for channel in self._plan.channels:
                carrier = await opening.enter_async_context(
                    self._tools.open_carrier(channel, self._tools.clock)
                )
                lane = self._lane(carrier)
                self._lanes[channel.name] = lane
                opening.push_async_callback(
                    _end, asyncio.create_task(lane.run(), name=f"lane {channel.name}")
                )
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the lanes and close the channels; whoever wants to know what became of things waits before."""
        await self._open.aclose()

    def _lane(self, carrier: Carrier) -> Lane:
        tools = self._tools
        return Lane(
            carrier,
            lambda parcel: message_of(parcel, self._plan, tools.metrics.template_failed),
            self.gate,
            tools.clock,
            self._came,
            tools.sleep,
        )

    def _came(self, sent: Sent) -> None:
        self._sent.append(sent)
        self.news.set()

    @property
    def known(self) -> Knowledge:
        """What the next dispatch goes on from."""
        return self._outbox.known

    @property
    def waiting(self) -> dict[str, int]:
        """How many messages wait in the lanes, by channel."""
        return {name: len(lane) for name, lane in self._lanes.items()}

    # ------------------------------------------------------------------ beginning
    def learn(self, values: Iterable[bytes | None]) -> None:
        """Take in what channels were told, all records of it; one that cannot be read is told and left."""
        for value in values:
            try:
                delivery = decode_delivery(value)
            except CodecError as error:
                _LOG.warning("delivery cannot be read", extra={"error": str(error)})
            else:
                self._outbox.learn(delivery)

    async def begin(self, paper: Paper) -> None:
        """Channels that are new begin now; before any incident is heard."""
        await self._write(paper, self._outbox.begin(self._tools.clock.now_ms()), ())

    def hear(self, heard: Iterable[Heard]) -> None:
        """Take in incidents; one that cannot be read is told and left."""
        for value, written_ms in heard:
            try:
                incident = decode_incident(value)
            except CodecError as error:
                _LOG.warning("incident cannot be read", extra={"error": str(error)})
            else:
                self._tools.metrics.written(incident, written_ms)
                self._outbox.hear(incident)

    # ------------------------------------------------------------------ going on
    async def turn(self, heard: Sequence[Heard], paper: Paper) -> None:
        """See the module. Deciding is done in a thread: nothing else of the process waits for it."""
        sent, self._sent = self._sent, []
        self.news.clear()
        decided = await asyncio.to_thread(self._decide, heard, sent)
        if decided.dead:
            # Before it is written down that they were given up: a crash in between buries them twice.
            await paper.bury([_letter(one) for one in decided.dead])
        await self._write(paper, decided.records, decided.gone)
        self._note(sent, decided)
        self.gate.leave(len(sent))
        for parcel in decided.parcels:
            self._lanes[parcel.channel].put(parcel)

    def _note(self, sent: Iterable[Sent], decided: _Decided) -> None:
        metrics = self._tools.metrics
        metrics.sent(sent)
        metrics.held_back(decided.dropped)
        metrics.lost(decided.dead)
        metrics.owed(decided.owed, self._tools.clock.now_ms())

    def _decide(self, heard: Sequence[Heard], sent: Sequence[Sent]) -> _Decided:
        now_ms = self._tools.clock.now_ms()
        self.hear(heard)
        rounds = [self._outbox.report(_report(one), self._tools.chance()) for one in sent]
        rounds.append(self._outbox.due(now_ms))
        last = rounds[-1]
        return _Decided(
            last.parcels,
            tuple(record for one in rounds for record in one.records),
            last.gone,
            tuple(letter for one in rounds for letter in one.dead),
            dict(last.dropped),
            self._owed(),
        )

    def _owed(self) -> dict[str, tuple[int, int]]:
        """How much each channel is owed, and since when."""
        found = dict.fromkeys(self._lanes, (0, 0))
        for channels in self.known.owed.values():
            for channel, owed in channels.items():
                if channel in found:
                    many, since_ms = found[channel]
                    found[channel] = many + 1, min(since_ms or owed.since_ms, owed.since_ms)
        return found

    @staticmethod
    async def _write(paper: Paper, records: Iterable[Delivery], gone: Iterable[Address]) -> None:
        written: list[Record] = [(record_key(one.address), encode_delivery(one)) for one in records]
        written += [(record_key(address), None) for address in gone]
        if written:
            await paper.write(written)


class _Decided(NamedTuple):
    """What follows from a turn."""

    parcels: tuple[Parcel, ...]
    records: tuple[Delivery, ...]
    gone: tuple[Address, ...]
    dead: tuple[DeadLetter, ...]
    dropped: dict[tuple[str, Why], int]
    owed: dict[str, tuple[int, int]]


def _report(sent: Sent) -> Report:
    outcome = sent.outcome
    return Report(
        sent.parcel.key,
        _ANSWERS[outcome.verdict],
        sent.at_ms,
        receipt=outcome.handle or "",
        retry_after_ms=outcome.retry_after_ms or 0,
        error="" if outcome.delivered else outcome.why.value,
    )


def _letter(dead: DeadLetter) -> Letter:
    """What nobody was told, whole: it can be told by hand."""
    one = dead.candidate
    headers = {
        "outcome": dead.why.value,
        "reason": dead.error or dead.why.value,
        "channel": one.channel,
        "topic": "notifications",
        "timestamp": str(dead.at_ms),
    }
    value = {
        "channel": one.channel,
        "state": None if one.state is None else one.state.value,
        "key": one.key,
        "owed_since_ms": one.owed_ms,
        "incident": record_of(one.incident),
    }
    return Letter(
        one.incident.id.encode(),
        msgspec.json.encode(value),
        tuple((name, text.encode("utf-8", "replace")) for name, text in headers.items()),
    )


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
