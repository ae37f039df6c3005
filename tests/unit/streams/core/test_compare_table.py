"""Windows beside other times, as a table: what is not known is None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from streams.closed import VISITORS
from streams.core.compare_table import Amount, Compared, compare_table
from streams.core.merge import MoneyKey
from streams.core.windows import Sale, Windows, WindowSettings
from tests.support.window_oracle import BUCKET, Buckets, Counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T0 = 1_762_819_200_000
HOUR, DAY = 3_600_000, 86_400_000
CLICK, VIEW, PAID = VISITORS + 1, VISITORS + 2, VISITORS + 6
YUAN = MoneyKey("slot", "a", "CNY", "paid")


def nothing(*_: object) -> Mapping[str, float]:
    """Nobody expects anything."""
    return {}


def slot(key: str, clicks: int, paid: int) -> Counts:
    """Counts of a slot."""
    return {("slot", key, 1): clicks, ("slot", key, CLICK): clicks, ("slot", key, PAID): paid}


def two_days() -> Windows:
    """Of which the second sells half as much."""
    windows, buckets = (
        Windows(sales=[Sale("old", T0, T0 + HOUR), Sale("new", T0 + DAY, T0 + DAY + HOUR)]),
        Buckets(),
    )
    for at_ms in range(T0, T0 + DAY + HOUR, BUCKET * 6):
        half = at_ms >= T0 + DAY
        money = {YUAN: (2 - half, 500 - 250 * half)}
        windows.take(buckets.close(at_ms, slot("a", 40, 4 - 2 * half) | slot("b", 10, 0), (), money))
    windows.take(buckets.close(T0 + DAY + HOUR - BUCKET))
    return windows


def compared(windows: Windows, **asked: Any) -> Compared:
    """A table of slots."""
    question: dict[str, Any] = {"step": ("click", "paid"), "expected": nothing, "keys": None, "most": 10}
    return compare_table(windows, asked.pop("window", "15m"), "slot", **(question | asked))


@pytest.fixture(scope="module", name="windows")
def _windows() -> Windows:
    return two_days()


def test_now_and_then(windows: Windows) -> None:
    """Conversion and money of a window beside those of before, of yesterday and of the last promotion."""
    first, second = compared(windows).rows
    assert (first.key, first.now.entries, first.now.reached, first.now.ratio) == ("a", 600, 30, 0.05)
    assert first.now.paid == (Amount("CNY", 15, 3_750),)
    assert set(first.then) == {"previous", "yesterday", "last_promotion"}
    assert [(then.measures.ratio, then.measures.paid) for then in first.then.values() if then.measures] == [
        (0.05, (Amount("CNY", 15, 3_750),)),
        (0.1, (Amount("CNY", 30, 7_500),)),
        (0.1, (Amount("CNY", 30, 7_500),)),
    ]
    assert first.then["yesterday"].start_ms == windows.span("15m").start_ms - DAY
    assert (second.now.ratio, second.now.paid) == (0.0, ())


def test_several_steps_are_expected_as_their_product(windows: Windows) -> None:
    """Known only where each of them is."""

    def expected(window: str, dimension: str, step: int, keys: Sequence[str]) -> Mapping[str, float]:
        assert (window, dimension, keys) == ("15m", "slot", ["a", "b"])
        return {"a": 0.5} | ({"b": 0.5} if step > 1 else {})

    rows = compared(windows, expected=expected).rows
    assert [row.expected for row in rows] == [0.5**5, None]


def test_the_keys_that_are_asked_for(windows: Windows) -> None:
    """A key that was never seen is left out; without any named, those with most traffic."""
    assert [row.key for row in compared(windows, keys={"b", "nobody"}).rows] == ["b"]
    assert [row.key for row in compared(windows, most=1).rows] == ["a"]


def test_the_first_step_is_of_events(windows: Windows) -> None:
    """Exposures have no visitors, so nothing beyond a click can be held against them."""
    (first, _) = compared(windows, step=("exposure", "click")).rows
    assert (first.now.entries, first.now.reached, first.now.ratio, first.now.upper) == (0, 600, None, None)
    for step in (("exposure", "paid"), ("paid", "click"), ("click", "nowhere")):
        with pytest.raises(KeyError):
            compared(windows, step=step)


def test_it_is_plain_data(windows: Windows) -> None:
    """JSON and back."""
    found = compared(windows)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Compared) == found


def test_a_key_that_is_not_known_of_then() -> None:
    """Of keys with little traffic earlier times are not kept: None, not 0."""
    windows, buckets = Windows(WindowSettings(max_keys=1)), Buckets()
    for at_ms in range(T0, T0 + 4 * HOUR, 30 * BUCKET):
        windows.take(buckets.close(at_ms, slot("a", 40, 4) | slot("b", 10, 1)))
    known = {row.key: row.then["previous"].measures for row in compared(windows, window="1h").rows}
    assert known["a"] is not None
    assert known["b"] is None
