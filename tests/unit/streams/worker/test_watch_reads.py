"""What others ask of the watcher: answered from its windows, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from streams.closed import VISITORS
from streams.core.windows import Windows
from streams.worker.watch_reads import WatchReads
from tests.support.listener import Listener
from tests.support.window_oracle import Buckets

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
T0 = 1_762_819_200_000
SHOP = {("slot", "a", 0): 900, ("slot", "a", VISITORS + 1): 300, ("slot", "a", VISITORS + 6): 30}


def reads(windows: Windows | None) -> WatchReads:
    """Of these windows; None for a worker that does not watch."""

    async def look(ask: Callable[[Windows], T]) -> T | None:
        return None if windows is None else ask(windows)

    return WatchReads(look, Listener())


def windows() -> Windows:
    """Of one bucket."""
    made = Windows()
    made.take(Buckets().close(T0, SHOP))
    return made


async def test_who_watches_answers() -> None:
    """The scorecard as whoever judges places keys, and windows with what there was before."""
    asked = reads(windows())
    card = await asked.scorecard("slot")
    assert card is not None
    assert [(row.key, row.exposures, row.rate) for row in card.rows] == [("a", 900, 0.1)]
    table = await asked.comparisons("slot", "5m")
    assert table is not None
    assert [(row.key, row.now.ratio, row.then) for row in table.rows] == [("a", 0.1, {})]


async def test_who_does_not_watch_says_so() -> None:
    """None, and no empty table: another worker knows."""
    asked = reads(None)
    assert await asked.scorecard("slot") is None
    assert await asked.comparisons() is None


async def test_what_there_is_not_is_an_error() -> None:
    """A window or dimension that nobody has."""
    asked = reads(windows())
    with pytest.raises(KeyError):
        await asked.scorecard("slot", "2m")
    with pytest.raises(KeyError):
        await asked.comparisons("nothing")
