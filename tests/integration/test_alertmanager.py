"""A real Alertmanager takes our alerts, groups them by incident, and hears when they are over."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from alerts.message import MessageState
from alerts.model import Severity, State
from alerts.notify.guard import Guard
from alerts.notify.registry import ChannelKind, ChannelPlan, open_carrier
from alerts.notify.secrets import Secret
from streams.clock import SystemClock
from tests.integration.conftest import skip_if_unavailable
from tests.support.alertmanager import AlertmanagerServer, wait_until
from tests.support.bots import Bot, bot
from tests.support.messages import hostile, message

if TYPE_CHECKING:
    from alerts.incident import Incident

pytestmark = pytest.mark.alertmanager


def told(server: Bot) -> list[dict[str, Any]]:
    """What the webhook has heard."""
    return [json.loads(call.body) for call in server.calls]


async def heard(server: Bot, incident: str, status: str, severity: str) -> bool:
    """Whether the webhook hears in time that an alert of the incident is firing, or resolved."""

    def holds() -> bool:
        found = [alert for one in told(server) for alert in one["alerts"]]
        return any(
            alert["status"] == status
            and alert["labels"]["incident"] == incident
            and alert["labels"]["severity"] == severity
            for alert in found
        )

    return await asyncio.to_thread(wait_until, holds)


def now(incident: Incident, **fields: Any) -> Incident:
    """The incident as of a minute ago by the real clock."""
    at_ms = SystemClock().now_ms()
    return replace(incident, since_ms=at_ms - 60_000, updated_at_ms=at_ms, **fields)


async def test_an_incident_from_its_opening_to_its_end() -> None:
    """It fires, becomes worse as another severity while the former ends, and resolves; one group, one incident."""
    opened = now(replace(message().incidents[0], severity=Severity.WARNING))
    worse = replace(opened, severity=Severity.CRITICAL, revision=2)
    over = replace(worse, state=State.RESOLVED, revision=3, resolved_at_ms=SystemClock().now_ms())
    async with bot(lambda _: (200, b"")) as receiver:
        with skip_if_unavailable():
            server = AlertmanagerServer(receiver.url)
        with server:
            plan = ChannelPlan(
                "am", ChannelKind.ALERTMANAGER, Secret(server.url), guard=Guard(allow_private=True)
            )
            async with open_carrier(plan, SystemClock()) as carrier:
                assert (await carrier.deliver(message(incidents=(opened,)))).delivered
                assert await heard(receiver, opened.id, "firing", "warning")
                assert (
                    await carrier.deliver(message(incidents=(worse,), state=MessageState.WORSE))
                ).delivered
                assert await heard(receiver, opened.id, "firing", "critical")
                assert [one["labels"]["severity"] for one in await asyncio.to_thread(server.alerts)] == [
                    "critical"
                ]
                assert (
                    await carrier.deliver(message(incidents=(over,), state=MessageState.RESOLVED))
                ).delivered
                assert await heard(receiver, opened.id, "resolved", "critical")
                assert await asyncio.to_thread(server.alerts) == []
        assert {one["groupLabels"]["incident"] for one in told(receiver)} == {opened.id}


async def test_what_is_said_of_nothing_and_hostile_names() -> None:
    """A meta-alert and the strangest names are taken as they are."""
    async with bot(lambda _: (200, b"")) as receiver:
        with skip_if_unavailable():
            server = AlertmanagerServer(receiver.url)
        with server:
            plan = ChannelPlan(
                "am", ChannelKind.ALERTMANAGER, Secret(server.url), guard=Guard(allow_private=True)
            )
            async with open_carrier(plan, SystemClock()) as carrier:
                strange = now(hostile().incidents[0])
                assert (await carrier.deliver(replace(hostile(), incidents=(strange,)))).delivered
                meta = message(
                    state=MessageState.META, incidents=(), incident_id=None, at_ms=SystemClock().now_ms()
                )
                assert (await carrier.deliver(meta)).delivered
            names = {one["labels"]["alertname"] for one in await asyncio.to_thread(server.alerts)}
        assert names == {"FunnelwatchIncident", "FunnelwatchMeta"}
