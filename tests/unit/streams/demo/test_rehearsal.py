"""The demo tries its own chat as the command would."""

from __future__ import annotations

from pathlib import Path

from alerts.notify.base import Why, delivered, refused
from alerts.notify.samples import Sample
from streams.commands.notify_test import Rehearsal, Tried
from streams.config import Notify, Settings
from streams.config_channels import ChannelEntry
from streams.demo.chat import Chat
from streams.demo.rehearsal import rehearse, said_of
from tests.support.channels import NOW_MS
from tests.support.clock import ManualClock


def telling(url: str) -> Settings:
    """One webhook."""
    entry = ChannelEntry(name="chat", kind="webhook", url=url, allow_private=True)
    return Settings(notify=Notify(channels=(entry,)))


async def test_every_kind_is_taken_and_none_is_shown() -> None:
    """Over HTTP, by the chat itself; what it shows is only what was told."""
    async with Chat() as chat:
        said = await rehearse(telling(chat.samples_url), ManualClock(NOW_MS))
        assert said == "notify-test  5 of 5 samples taken by chat"
        assert chat.lines == []
        await rehearse(telling(chat.url), ManualClock(NOW_MS))
        assert "[TEST]" in chat.lines[-1]


def test_what_is_not_taken_is_named() -> None:
    """And why."""
    rehearsal = Rehearsal(telling("http://127.0.0.1:1/"), {}, Path(), ManualClock(NOW_MS))
    (plan,) = rehearsal.plans(())
    tried = [Tried(plan, Sample.OPENED, delivered()), Tried(plan, Sample.META, refused(Why.TOO_LARGE))]
    assert said_of(tried) == "notify-test  1 of 2 samples taken by chat; meta: too_large"
