"""Nobody runs away from the others, and nobody waits for ever."""

from __future__ import annotations

from streams.core.interleaving import FOREVER
from streams.core.ordering import UNREAD
from streams.core.pace import Pace


def pace_among(*others: str) -> Pace[str]:
    """One that was begun at 0 and is patient for ten seconds."""
    pace: Pace[str] = Pace(2_500, 10_000)
    pace.begin(others, 0)
    return pace


def test_nothing_leaves_before_all_others_are_known() -> None:
    """The limit is that of the slowest of others' streams; one not heard of yet stops everything."""
    pace = pace_among("a", "b")
    pace.hear({"a": 70_000}, 90_000, 5)
    assert pace.limit(10) == UNREAD
    pace.hear({"b": 60_000, "mine": 1}, 90_000, 10)
    assert pace.limit(11) == 62_500


def test_who_has_nothing_left_lets_pass_what_had_been_read_by_then() -> None:
    """What is read later waits until it is said again: meanwhile its owner may have died."""
    pace = pace_among("a", "b")
    pace.hear({"a": 70_000, "b": FOREVER}, 60_000, 12)
    assert pace.limit(13) == 62_500
    pace.hear({"b": FOREVER}, 80_000, 14)
    assert pace.limit(15) == 72_500
    pace.hear({"a": FOREVER}, 80_000, 16)
    assert pace.limit(9_999) == 82_500


def test_who_has_nothing_left_lets_nothing_pass_before_anything_was_read() -> None:
    """Nothing of one's own tells a time yet: what comes next waits for the next word."""
    pace = pace_among("a")
    pace.hear({"a": FOREVER}, UNREAD, 5)
    assert pace.limit(6) == UNREAD


def test_who_is_silent_is_not_waited_for() -> None:
    """Beyond the patience a stream holds nobody back, known or not; heard again it does."""
    pace = pace_among("a", "b")
    pace.hear({"a": 70_000}, 90_000, 9_000)
    assert pace.limit(10_001) == 72_500
    assert pace.limit(19_001) == FOREVER
    pace.hear({"b": 50_000}, 90_000, 20_000)
    assert pace.limit(20_001) == 52_500


def test_who_is_alone_waits_for_nobody() -> None:
    """Without others there is no limit."""
    pace = pace_among()
    assert pace.alone
    assert pace.limit(0) == FOREVER
