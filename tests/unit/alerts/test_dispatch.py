"""The dispatch: real senders against real HTTP on loopback, on a clock that stands still."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from alerts.ledger import decode_delivery
from alerts.rounds import OutboxSettings
from alerts.stages.route import Route
from tests.support.bots import Bot, bot
from tests.support.deliveries import incident, later, over
from tests.support.findings import T0
from tests.support.telling import Office, channel, plan_of

if TYPE_CHECKING:
    import pytest

    from tests.support.vendors import Call

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def fine(_: Call) -> tuple[int, bytes]:
    """It is taken."""
    return 200, b"{}"


def bodies(server: Bot) -> list[dict[str, Any]]:
    """What the webhook was sent."""
    return [json.loads(call.body) for call in server.calls]


def told(server: Bot) -> list[tuple[str, str]]:
    """Incident and state of each message, in order."""
    return [(one["incidents"][0]["id"], one["state"]) for one in bodies(server)]


async def test_an_incident_is_told_once_and_over_once() -> None:
    """Whatever else is looked at meanwhile; what was told is in the topic."""
    async with bot(fine) as server, Office(plan_of(channel("ops", server.url))) as office:
        await office.turn(incident())
        for _ in range(5):
            await office.turn(after_ms=10 * SECOND)
        await office.turn(over(incident(), office.clock.now_ms()))
        await office.turn(after_ms=10 * SECOND)
        assert told(server) == [("i", "opened"), ("i", "resolved")]
        records = [decode_delivery(value) for value in office.mailbox.told.values()]
        assert [(one.incident_id, one.over) for one in records] == [("(beginning)", False), ("i", True)]


async def test_a_restart_repeats_nothing() -> None:
    """Another process reads both topics, and has nothing to say."""
    async with bot(fine) as server, Office(plan_of(channel("ops", server.url))) as office:
        await office.turn(incident(), incident("j"))
        await office.restart()
        await office.turn(after_ms=MINUTE)
        assert sorted(told(server)) == [("i", "opened"), ("j", "opened")]


async def test_who_dies_between_sending_and_writing_sends_again_under_the_same_key() -> None:
    """At least once; whoever takes it can tell that it is the same."""
    async with bot(fine) as server, Office(plan_of(channel("ops", server.url))) as office:
        before = dict(office.mailbox.told)
        await office.turn(incident())
        office.mailbox.told = before
        await office.restart()
        await office.turn(after_ms=MINUTE)
        first, second = bodies(server)
        assert first["delivery_id"] == second["delivery_id"]


async def test_an_hour_of_a_dead_endpoint() -> None:
    """Nothing lost, nothing twice: one message per incident, of what is so then; the other channel hears of it."""
    dead = True

    def sometimes(call: Call) -> tuple[int, bytes]:
        return (503, b"") if dead else fine(call)

    async with bot(sometimes) as server, bot(fine) as other:
        routes = (Route("ops", ("ops",), and_on=True),)
        plan = plan_of(
            channel("ops", server.url),
            channel("mail", other.url),
            routes=routes,
            outbox=OutboxSettings(alarm_to=("mail",)),
        )
        async with Office(plan) as office:
            await office.turn(incident("kept"), incident("worse"), incident("over"))
            for minute in range(60):
                await office.turn(after_ms=MINUTE)
                if minute == 20:
                    now_ms = office.clock.now_ms()
                    await office.turn(
                        later(incident("worse"), lost_minor_per_minute=10**9, updated_at_ms=now_ms),
                        over(incident("over"), now_ms),
                        incident("late", updated_at_ms=now_ms),
                    )
            tries = len(server.calls)
            server.calls.clear()
            dead = False
            for _ in range(20):
                await office.turn(after_ms=30 * SECOND)
            assert tries < 60
            found = dict(told(server))
            assert len(told(server)) == len(found)
            assert found == {"kept": "opened", "worse": "opened", "late": "opened", "over": "resolved"}
            revisions = {one["incidents"][0]["id"]: one["incidents"][0]["revision"] for one in bodies(server)}
            assert revisions == {"kept": 1, "worse": 2, "late": 1, "over": 2}
            assert [one["state"] for one in bodies(other)] == ["meta"]


async def test_what_is_given_up_is_buried_whole() -> None:
    """With the reason, and without any secret."""
    settings = OutboxSettings(give_up_ms=10 * MINUTE)
    async with bot(lambda _: (503, b"")) as server, bot(fine) as other:
        plan = plan_of(
            channel("ops", f"{server.url}/hook-s3cret"),
            channel("mail", other.url),
            routes=(Route("ops", ("ops",)),),
            outbox=settings,
        )
        async with Office(plan) as office:
            await office.turn(incident())
            for _ in range(25):
                await office.turn(after_ms=30 * SECOND)
            (letter,) = office.mailbox.dead
            assert json.loads(letter.value)["incident"]["id"] == "i"
            assert dict(letter.headers)["outcome"] == b"given_up"
            assert dict(letter.headers)["reason"] == b"server_error"
            assert b"s3cret" not in b"".join((letter.value, *(value for _, value in letter.headers)))
            page = office.metrics()
            assert 'funnelwatch_notifications_total{channel="ops",outcome="given_up"} 1.0' in page


def busy(_: Call) -> tuple[int, bytes, dict[str, str]]:
    """In five minutes."""
    return 429, b"", {"Retry-After": "300"}


async def test_retry_after_is_kept_to_the_second() -> None:
    """However short our own back-off would be."""
    async with bot(busy) as server, Office(plan_of(channel("ops", server.url))) as office:
        await office.turn(incident())
        for _ in range(29):
            await office.turn(after_ms=10 * SECOND)
        assert len(server.calls) == 1
        await office.turn(after_ms=11 * SECOND)
        assert len(server.calls) == 2


async def test_if_nobody_acknowledges_others_are_asked() -> None:
    """By the clock alone: no record comes."""
    async with bot(fine) as server, bot(fine) as boss:
        route = Route("all", ("ops",), escalate_to=("boss",), escalate_after_ms=15 * MINUTE)
        plan = plan_of(channel("ops", server.url), channel("boss", boss.url), routes=(route,))
        async with Office(plan) as office:
            await office.turn(incident())
            for _ in range(14):
                await office.turn(after_ms=MINUTE)
            assert boss.calls == []
            await office.turn(after_ms=MINUTE)
            assert told(boss) == [("i", "escalated")]
            assert told(server) == [("i", "opened")]


async def test_metrics_say_what_became_of_it() -> None:
    """Outcome, reason, delay; what is owed while it cannot be told."""
    answers = [(503, b""), (200, b"{}")]
    async with bot(lambda _: answers.pop(0)) as server, Office(plan_of(channel("ops", server.url))) as office:
        await office.turn(incident())
        page = office.metrics()
        assert 'funnelwatch_notifications_total{channel="ops",outcome="retry"} 1.0' in page
        assert 'funnelwatch_notification_attempts_total{channel="ops",reason="server_error"} 1.0' in page
        assert 'funnelwatch_notifications_pending{channel="ops"} 1.0' in page
        await office.turn(after_ms=10 * SECOND)
        page = office.metrics()
        assert 'funnelwatch_notifications_total{channel="ops",outcome="delivered"} 1.0' in page
        assert 'funnelwatch_notification_delay_seconds_bucket{channel="ops",le="10.0"} 1.0' in page
        assert 'funnelwatch_notifications_pending{channel="ops"} 0.0' in page


async def test_records_that_cannot_be_read_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """Of either topic."""
    async with bot(fine) as server, Office(plan_of(channel("ops", server.url))) as office:
        office.mailbox.told[b"x"] = b"damaged"
        office.mailbox.incidents_written.append((b"damaged", T0))
        await office.restart()
        await office.turn(incident())
        assert told(server) == [("i", "opened")]
        assert "delivery cannot be read" in caplog.text
