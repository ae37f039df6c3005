"""The outbox keeps order and forgets nothing, whatever becomes of what it hands over."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    TopicAuthorizationFailedError,
)

from streams.errors import TopicError
from streams.worker.publishing import Outbox, Outgoing
from tests.support.wire import LOST, Wire

_BRIEF = 0.02


def messages(*texts: str) -> list[Outgoing]:
    """Messages that say something."""
    return [Outgoing("rollups", 0, None, text.encode()) for text in texts]


def outbox_with(wire: Wire, *texts: str) -> Outbox:
    """An outbox in which messages wait."""
    outbox = Outbox(wire, patience_seconds=_BRIEF)
    for message in messages(*texts):
        outbox.put(message)
    return outbox


async def test_an_answer_that_does_not_come_is_awaited_not_sent_again() -> None:
    """A message the producer still tries to send stays with it: the next send waits for the same one."""
    wire = Wire(fate=[LOST])
    outbox = outbox_with(wire, "a", "b")
    assert not await outbox.send()
    assert (len(outbox), outbox.failing, wire.texts()) == (2, True, [b"b"])
    wire.under_way[0].set_result(None)
    assert await outbox.send()
    assert (len(outbox), outbox.failing, len(wire.under_way), wire.discarded) == (0, False, 2, 0)


async def test_after_a_failure_all_that_has_not_arrived_is_sent_again_in_order() -> None:
    """A failed message goes out again before anything newer, through a new producer; what arrived does not."""
    wire = Wire(fate=[None, OutOfOrderSequenceNumber(), OutOfOrderSequenceNumber()])
    outbox = outbox_with(wire, "a", "b", "c")
    assert not await outbox.send()
    assert (len(outbox), outbox.failing, wire.discarded) == (2, True, 1)
    for message in messages("d"):
        outbox.put(message)
    assert await outbox.send()
    assert wire.texts() == [b"a", b"b", b"c", b"d"]


async def test_a_connection_that_is_gone_keeps_messages_waiting() -> None:
    """What cannot even be handed over waits, and goes when the connection is back."""
    wire = Wire(closed=KafkaConnectionError("gone"))
    outbox = outbox_with(wire, "a", "b")
    assert not await outbox.send()
    assert (len(outbox), outbox.failing) == (2, True)
    wire.closed = None
    assert await outbox.send()
    assert wire.texts() == [b"a", b"b"]


@pytest.mark.parametrize("refusal", [MessageSizeTooLargeError(), TopicAuthorizationFailedError("rollups")])
async def test_a_refusal_is_an_error(refusal: Exception) -> None:
    """What the broker will never take is raised with topic and size of the largest of that topic, every time."""
    wire = Wire(fate=[refusal, None])
    outbox = outbox_with(wire, "a", "larger")
    said = rf"rollups: kafka refuses a message of 6 bytes: {type(refusal).__name__}"
    for _ in range(2):
        with pytest.raises(TopicError, match=said):
            await outbox.send()
    assert len(outbox) == 2


async def test_what_is_put_in_while_sending_stays() -> None:
    """A message put in while others are awaited waits for the next send."""
    wire = Wire(fate=[LOST])
    outbox = outbox_with(wire, "a")
    sending = asyncio.create_task(outbox.send())
    await asyncio.sleep(0)
    for message in messages("b"):
        outbox.put(message)
    wire.under_way[0].set_result(None)
    assert await sending
    assert (len(outbox), wire.texts()) == (1, [])
    assert await outbox.send()
    assert wire.texts() == [b"b"]


async def test_a_send_that_is_cancelled_forgets_nothing() -> None:
    """A worker that is stopped in the middle of a send still has all messages."""
    wire = Wire(fate=[LOST])
    outbox = outbox_with(wire, "a", "b")
    sending = asyncio.create_task(outbox.send())
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert len(outbox) == 2
    assert not wire.under_way[0].cancelled()


async def test_an_outage_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The log says once that messages wait, and once that they do not any more; no message is in it."""
    caplog.set_level(logging.INFO)
    wire = Wire(closed=KafkaConnectionError("gone"))
    outbox = outbox_with(wire, "secret")
    for _ in range(3):
        await outbox.send()
    wire.closed = None
    await outbox.send()
    assert [record.message for record in caplog.records] == [
        "kafka does not take messages",
        "kafka takes messages again",
    ]
    assert "secret" not in caplog.text
