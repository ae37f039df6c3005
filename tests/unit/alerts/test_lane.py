"""A lane: one message at a time, the most urgent first, whatever goes wrong with one of them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from alerts.lane import Gate, Lane, Sent
from alerts.message import MessageState
from alerts.model import Severity
from alerts.notify.base import Outcome, Rate, Traits, Verdict, Why, delivered, retry
from alerts.stages.stage import Candidate, Parcel
from alerts.wording import message_of
from tests.support.clock import ManualClock
from tests.support.deliveries import incident
from tests.support.telling import plan_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from alerts.message import Message

MANY = (Rate(100, 1_000),)


def parcel(name: str, state: MessageState = MessageState.OPENED, **fields: Any) -> Parcel:
    """About one incident."""
    told = (Candidate(incident(name, **fields), "ops", state=state),)
    return Parcel(name, "ops", state, told, receipt="r1")


class Carrier:
    """Takes messages as it is told to; remembers what it was given."""

    def __init__(self, rates: tuple[Rate, ...] = MANY) -> None:
        self.traits = Traits(10_000, rates)
        self.taken: list[tuple[str, str | None]] = []
        self.answers: list[Outcome | Exception] = []

    async def deliver(self, message: Message, handle: str | None = None) -> Outcome:
        """One attempt."""
        self.taken.append((message.incidents[0].id, handle))
        answer = self.answers.pop(0) if self.answers else delivered()
        if isinstance(answer, Exception):
            raise answer
        return answer


class Road:
    """A lane that runs, and what it told."""

    def __init__(self, carrier: Carrier) -> None:
        self.clock = ManualClock()
        self.gate = Gate()
        self.sent: list[Sent] = []
        self._plan = plan_of()
        self.lane = Lane(carrier, self._word, self.gate, self.clock, self.sent.append, self._sleep)

    def _word(self, one: Parcel) -> Message:
        if one.key == "unspeakable":
            raise ValueError("s3cret")
        return message_of(one, self._plan)

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.clock.advance(round(seconds * 1000))

    async def all_sent(self, many: int) -> list[str]:
        """Keys, once so many were sent."""
        async with asyncio.timeout(20):
            while len(self.sent) < many:  # noqa: ASYNC110  # the lane says it by a plain call
                await asyncio.sleep(0.001)
        return [one.parcel.key for one in self.sent]


@contextlib.asynccontextmanager
async def road(carrier: Carrier) -> AsyncIterator[Road]:
    """A lane for as long as the context lasts."""
    made = Road(carrier)
    task = asyncio.create_task(made.lane.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_most_urgent_goes_first() -> None:
    """A page that comes while others wait overtakes them."""
    async with road(Carrier()) as made:
        made.gate.close()
        for name in ("a", "b"):
            made.lane.put(parcel(name))
        made.lane.put(parcel("page", severity=Severity.CRITICAL))
        made.gate.open()
        assert (await made.all_sent(3))[0] == "page"


async def test_messages_keep_to_the_vendors_rate() -> None:
    """Two a second."""
    async with road(Carrier((Rate(2, 1_000),))) as made:
        began_ms = made.clock.now_ms()
        for name in "abcde":
            made.lane.put(parcel(name))
        await made.all_sent(5)
        assert [one.at_ms - began_ms for one in made.sent] == [0, 0, 1_000, 1_000, 2_000]


async def test_retry_after_holds_back_the_others_too() -> None:
    """The vendor means the channel, not the message."""
    carrier = Carrier()
    carrier.answers = [retry(Why.RATE_LIMITED, 30_000)]
    async with road(carrier) as made:
        began_ms = made.clock.now_ms()
        made.lane.put(parcel("a"))
        made.lane.put(parcel("b"))
        await made.all_sent(2)
        assert made.sent[1].at_ms - began_ms == 30_000


async def test_only_what_changes_a_message_edits_it() -> None:
    """Of an edit nobody hears."""
    carrier = Carrier()
    async with road(carrier) as made:
        for number, state in enumerate((MessageState.WORSE, MessageState.WIDER, MessageState.REMINDER)):
            made.lane.put(parcel(state.value, state))
            await made.all_sent(number + 1)
    assert carrier.taken == [("worse", None), ("wider", "r1"), ("reminder", None)]


async def test_what_cannot_be_said_is_refused_and_the_next_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing waits behind it, and no secret gets into the log."""
    carrier = Carrier()
    carrier.answers = [RuntimeError("s3cret")]
    async with road(carrier) as made:
        for name in ("unspeakable", "unsendable", "well"):
            made.lane.put(parcel(name))
        keys = await made.all_sent(3)
    verdicts = {key: one.outcome.verdict for key, one in zip(keys, made.sent, strict=True)}
    assert sorted(verdicts.values()) == [Verdict.DELIVERED, Verdict.REFUSED, Verdict.REFUSED]
    assert "s3cret" not in caplog.text


async def test_the_gate_knows_when_all_is_told_of() -> None:
    """Not when it was answered, but when that was written down."""
    async with road(Carrier()) as made:
        made.lane.put(parcel("a"))
        await made.all_sent(1)
        assert made.gate.busy
        made.gate.leave()
        async with asyncio.timeout(5):
            await made.gate.idle()
        assert not made.gate.busy
