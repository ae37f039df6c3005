"""``notify-test`` inside the demo: a sample of each kind of message goes to its own chat, over HTTP.

Promises: what is sent, and how the answers are judged, is what the command does; the chat does not show the
samples, so that all it shows was really told.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streams.commands.notify_test import Rehearsal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.clock import Clock
    from streams.commands.notify_test import Tried
    from streams.config import Settings


async def rehearse(settings: Settings, clock: Clock) -> str:
    """What the channels of these settings answer, in one line; their secrets are in no variable."""
    rehearsal = Rehearsal(settings, {}, Path(), clock)
    return said_of(await rehearsal.all(rehearsal.plans(())))


def said_of(tried: Sequence[Tried]) -> str:
    """``notify-test  5 of 5 samples taken by chat``, and what was not taken and why."""
    names = ", ".join(dict.fromkeys(one.plan.name for one in tried))
    failed = [one for one in tried if not one.outcome.delivered]
    whole = f"notify-test  {len(tried) - len(failed)} of {len(tried)} samples taken by {names}"
    return "; ".join([whole, *(f"{one.kind.value}: {one.outcome.why.value}" for one in failed)])
