"""A real Alertmanager hears of an incident again and again while it is open, and once that it is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from alerts.notify.alertmanager import HOLD_MS, RESEND_MS
from alerts.notify.registry import ChannelKind
from streams.clock import SystemClock
from tests.integration.conftest import skip_if_unavailable
from tests.support.alertmanager import AlertmanagerServer, wait_until
from tests.support.bots import bot
from tests.support.deliveries import incident, over
from tests.support.telling import Office, channel, plan_of

if TYPE_CHECKING:
    from tests.support.vendors import Call

pytestmark = pytest.mark.alertmanager

# Our clock is so far behind that what is said once ends, for Alertmanager, in so many seconds.
ENDS_IN_MS = 6_000


def fine(_: Call) -> tuple[int, bytes]:
    """It is taken."""
    return 200, b""


async def active(server: AlertmanagerServer) -> list[dict[str, Any]]:
    """Alerts that ring."""
    return await asyncio.to_thread(server.alerts)


async def gone(server: AlertmanagerServer) -> bool:
    """Whether nothing rings any more, before half a minute is over."""
    return await asyncio.to_thread(wait_until, lambda: not server.alerts())


async def test_it_rings_while_it_is_sent_again_and_ends_when_it_is_over() -> None:
    """Sent once, it would end by itself; each time it is sent again it ends later. What is over ends at once."""
    async with bot(fine) as receiver:
        with skip_if_unavailable():
            server = AlertmanagerServer(receiver.url)
        with server:
            async with Office(plan_of(channel("am", server.url, ChannelKind.ALERTMANAGER))) as office:
                now_ms = SystemClock().now_ms()
                office.clock.move_to(now_ms - HOLD_MS + ENDS_IN_MS)
                at_ms = office.clock.now_ms()
                times: dict[str, Any] = {"since_ms": at_ms, "opened_at_ms": at_ms, "updated_at_ms": at_ms}
                one, other = incident("one", **times), incident("other", **times)
                await office.turn(one, other)
                first = {alert["labels"]["incident"]: alert["endsAt"] for alert in await active(server)}
                assert first.keys() == {"one", "other"}
                # Only one of them is still open for us: the other is not sent again.
                office.dispatch.known.forget("other")
                await office.turn(after_ms=RESEND_MS)
                assert await asyncio.to_thread(wait_until, lambda: len(server.alerts()) == 1)
                (alert,) = await active(server)
                assert alert["labels"]["incident"] == "one"
                assert alert["endsAt"] > first["one"]
                await office.turn(over(one, office.clock.now_ms()))
                assert await gone(server)
                assert (
                    'funnelwatch_notifications_total{channel="am",outcome="delivered"} 3.0'
                    in office.metrics()
                )
