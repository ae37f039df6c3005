"""The attribution models on columns: one click for a line, or a share for each touch."""

from __future__ import annotations

import numpy as np
import pytest

from streams.core.clicks import Clicks
from streams.core.credit import Asking, FirstTouch, LastClick, LinearTouches
from streams.core.lines import Lines
from tests.support.columns import i32, i64, mask, u64

WINDOW = 100
T0 = 1_762_689_600_000
FOREVER_BACK = -(1 << 62)
VISITOR, ON_SKU, NOTHING = 5, 50, 51
ALL = [LastClick, FirstTouch, LinearTouches]


def clicks(*some: tuple[int, int, int, int, int]) -> Clicks:
    """Clicks as (key, place, time after T0, slot, banner)."""
    keys, place, time, slot, banner = zip(*some, strict=True) if some else ((),) * 5
    return Clicks(u64(*keys), i64(*place), T0 + i64(*time), i32(*slot), i32(*banner))


def one_line(slot: int = 0, banner: int = 0) -> Lines:
    """A row of one line, the hundredth."""
    return Lines(i64(99), i32(slot, banner, 7).reshape(3, 1), mask(0))


def asked(time: int, sku: int = ON_SKU) -> Asking:
    """What that line asks."""
    return Asking(i64(0), (u64(VISITOR), u64(sku)), i64(99), T0 + i64(time))


def credited(
    model: type, by_visitor: Clicks, by_sku: Clicks, time: int, sku: int = ON_SKU
) -> list[list[int]]:
    """(slot, banner) of the line's shares, asked after all clicks of the batch."""
    lines = model(WINDOW).attribute(one_line(), asked(time, sku), (by_visitor, by_sku), FOREVER_BACK)
    assert lines.row.tolist() == [99] * lines.row.size
    return lines.keys[:2].T.tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize(("time", "owed"), [(9, 0), (10, 1), (10 + WINDOW, 1), (11 + WINDOW, 0)])
def test_the_window_is_inclusive_at_both_ends(model: type, time: int, owed: int) -> None:
    """A click at the event's time counts, one exactly the window before it too, none after it."""
    click = clicks((VISITOR, 0, 10, 1, 1))
    assert credited(model, click, clicks(), time) == [[owed, owed]]


@pytest.mark.parametrize("model", ALL)
def test_a_click_on_the_same_sku_wins(model: type) -> None:
    """Even if the visitor clicked on something else since."""
    by_visitor = clicks((VISITOR, 0, 10, 1, 1), (VISITOR, 1, 20, 2, 2))
    by_sku = clicks((ON_SKU, 0, 10, 1, 1))
    assert credited(model, by_visitor, by_sku, 30) == [[1, 1]]
    on_any: dict[type, list[list[int]]] = {
        LastClick: [[2, 2]],
        FirstTouch: [[1, 1]],
        LinearTouches: [[1, 1], [2, 2]],
    }
    assert credited(model, by_visitor, by_sku, 30, sku=NOTHING) == on_any[model]


@pytest.mark.parametrize("model", ALL)
def test_a_click_on_the_sku_outside_the_window_leaves_it_to_any_click(model: type) -> None:
    """The same SKU first, but only within the window."""
    by_visitor = clicks((VISITOR, 0, 10, 1, 1), (VISITOR, 1, 60, 2, 2))
    by_sku = clicks((ON_SKU, 0, 10, 1, 1))
    assert credited(model, by_visitor, by_sku, 10 + WINDOW) == [[1, 1]]
    assert credited(model, by_visitor, by_sku, 11 + WINDOW) == [[2, 2]]


@pytest.mark.parametrize("model", ALL)
def test_the_chosen_click_gives_both_fields(model: type) -> None:
    """A chosen click without a slot gives (none); the other click does not fill in."""
    by_visitor = clicks((VISITOR, 0, 20, 7, 8))
    by_sku = clicks((ON_SKU, 1, 10, 0, 9))
    assert credited(model, by_visitor, by_sku, 30) == [[0, 9]]


@pytest.mark.parametrize("model", ALL)
def test_what_a_line_has_of_its_own_wins(model: type) -> None:
    """Field by field."""
    found = clicks((VISITOR, 0, 10, 1, 2))
    for own, owed in (((9, 0), [9, 2]), ((0, 9), [1, 9])):
        lines = model(WINDOW).attribute(one_line(*own), asked(20), (found, clicks()), FOREVER_BACK)
        assert lines.keys[:2].T.tolist() == [owed]


@pytest.mark.parametrize("model", ALL)
def test_both_kinds_of_click_are_remembered(model: type) -> None:
    """By visitor, and by visitor and SKU; asking without clicks in the batch finds them."""
    credit, nobody = model(WINDOW), Asking(i64(), (u64(), u64()), i64(), i64())
    none = Lines(i64(), np.zeros((3, 0), dtype=np.int32), mask())
    both = clicks((VISITOR, 0, 10, 1, 1)), clicks((ON_SKU, 0, 10, 2, 2))
    assert credit.attribute(none, nobody, both, FOREVER_BACK).row.size == 0
    for sku, owed in ((ON_SKU, 2), (NOTHING, 1)):
        lines = credit.attribute(one_line(), asked(20, sku), (clicks(), clicks()), FOREVER_BACK)
        assert lines.keys[0].tolist() == [owed]


def test_one_click_fills_lines_in_in_place() -> None:
    """Nothing is copied where nothing is split."""
    for model in (LastClick, FirstTouch):
        lines = one_line()
        found = clicks((VISITOR, 0, 10, 1, 1)), clicks()
        assert model(WINDOW).attribute(lines, asked(20), found, FOREVER_BACK) is lines
        assert lines.share_of is None


def test_shares_stand_in_order_of_time() -> None:
    """The earliest touch first, of equal times the one processed first."""
    some = clicks((VISITOR, 0, 20, 1, 1), (VISITOR, 1, 10, 2, 2), (VISITOR, 2, 20, 3, 3))
    assert credited(LinearTouches, some, clicks(), 30) == [[2, 2], [1, 1], [3, 3]]
    assert credited(FirstTouch, some, clicks(), 30) == [[2, 2]]
    assert credited(FirstTouch, some.take(i64(0, 2)), clicks(), 30) == [[1, 1]]


def test_lines_that_do_not_ask_have_one_share() -> None:
    """In a batch of lines each knows whose share it is."""
    lines = Lines(i64(3, 4, 4), i32(8, 0, 0, 8, 0, 0, 1, 2, 3).reshape(3, 3), mask(0, 1, 1))
    asking = Asking(i64(1, 2), (u64(VISITOR, 6), u64(ON_SKU, 60)), i64(4, 4), T0 + i64(30, 30))
    some = clicks((VISITOR, 0, 10, 1, 11), (VISITOR, 1, 20, 2, 12))
    shared = LinearTouches(WINDOW).attribute(lines, asking, (some, clicks()), FOREVER_BACK)
    assert shared.share_of is not None
    assert shared.share_of.tolist() == [0, 1, 1, 2]
    assert shared.keys.T.tolist() == [[8, 8, 1], [1, 11, 2], [2, 12, 2], [0, 0, 3]]
    assert shared.several.tolist() == [False, True, True, True]
