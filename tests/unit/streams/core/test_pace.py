"""Nobody runs away from the others, and nobody waits for ever."""

from __future__ import annotations

from streams.core.interleaving import FOREVER
from streams.core.ordering import UNREAD
from streams.core.pace import Pace


def test_nothing_leaves_before_all_others_are_known() -> None:
    """The limit is that of the slowest of others' streams; one not heard of yet stops everything."""
    pace: Pace[str] = Pace(2_500, 10_000)
    pace.begin(["a", "b"], 0)
    pace.hear({"a": 70_000}, 5)
    assert pace.limit(10) == UNREAD
    pace.hear({"b": 60_000, "mine": 1}, 10)
    assert pace.limit(11) == 62_500
    pace.hear({"b": FOREVER}, 12)
    assert pace.limit(13) == 72_500


def test_who_is_silent_is_not_waited_for() -> None:
    """Beyond the patience a stream holds nobody back, known or not; heard again it does."""
    pace: Pace[str] = Pace(2_500, 10_000)
    pace.begin(["a", "b"], 0)
    pace.hear({"a": 70_000}, 9_000)
    assert pace.limit(10_001) == 72_500
    assert pace.limit(19_001) == FOREVER
    pace.hear({"b": 50_000}, 20_000)
    assert pace.limit(20_001) == 52_500


def test_who_is_alone_waits_for_nobody() -> None:
    """Without others there is no limit."""
    pace: Pace[str] = Pace(2_500)
    pace.begin([], 0)
    assert pace.alone
    assert pace.limit(0) == FOREVER
