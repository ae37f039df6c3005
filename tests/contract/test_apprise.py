"""Apprise itself, over real HTTP: what arrives, what a refusal is, and that no address is logged."""

from __future__ import annotations

import logging

import orjson
import pytest

from alerts.notify.apprise import AppriseCarrier
from alerts.notify.base import Verdict, Why
from alerts.notify.secrets import Secret
from tests.support.bots import bot
from tests.support.messages import hostile, message

pytest.importorskip("apprise", reason="the extra [apprise] is not installed")

# Of its plugins for vendors we do not ask.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PASSWORD = "s3cret-word"


def carrier_to(url: str) -> AppriseCarrier:
    """One of Apprise's own kinds, to a server on loopback."""
    return AppriseCarrier(Secret(f"apprise://json://ops:{PASSWORD}@{url.removeprefix('http://')}"))


async def test_what_arrives() -> None:
    """Title, text with its facts and links, and how grave it is."""
    async with bot(lambda _: (200, b"", {})) as server:
        outcome = await carrier_to(server.url).deliver(message())
        (call,) = server.calls
    assert (outcome.verdict, outcome.why) == (Verdict.DELIVERED, Why.ACCEPTED)
    said, sent = orjson.loads(call.body), message()
    assert (said["title"], said["type"]) == (sent.title, "failure")
    assert sent.summary in said["message"]
    assert all(link.url in said["message"] for link in sent.links)


async def test_a_refusal_is_tried_again_and_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Apprise says no more than that it failed."""
    caplog.set_level(logging.DEBUG)
    async with bot(lambda _: (500, b"no", {})) as server:
        channel = carrier_to(server.url)
        outcome = await channel.deliver(hostile())
    assert (outcome.verdict, outcome.why) == (Verdict.RETRY, Why.OTHER)
    assert PASSWORD not in caplog.text + repr(outcome) + repr(channel)


async def test_an_address_that_apprise_does_not_know() -> None:
    """Not tried again: it is a mistake in the settings."""
    outcome = await AppriseCarrier(Secret("apprise://nosuchkind://x")).deliver(message())
    assert (outcome.verdict, outcome.why) == (Verdict.REFUSED, Why.BAD_REQUEST)
