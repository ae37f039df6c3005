"""The simulated shop: the same settings make the same one, and its keys differ as real ones do."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from streams.demo.shop import (
    CLICK,
    METHOD_SUCCESS,
    METHODS,
    ORDER,
    PAGES,
    PAID,
    REFUNDED,
    EventText,
    Shop,
    ShopSettings,
    mixed,
    padded,
    spoil,
)
from streams.errors import ConfigError, RejectedRecord
from streams.events import Reason, Record
from streams.formats.native import NativeFormat
from streams.funnel import Funnel

TIME_MS = 1_762_689_600_000
SMALL = ShopSettings(slots=8, banners=20, skus=50)


@pytest.fixture(scope="module")
def shop() -> Shop:
    """The shop of the default settings."""
    return Shop(ShopSettings())


def test_same_settings_make_the_same_shop(shop: Shop) -> None:
    """Rates, prices and baskets depend on the settings alone."""
    again = Shop(ShopSettings())
    assert np.array_equal(shop.slot_ctr, again.slot_ctr)
    assert np.array_equal(shop.price_minor, again.price_minor)
    assert shop.baskets == again.baskets


def test_another_seed_makes_another_shop(shop: Shop) -> None:
    """The seed draws rates and prices; names and sizes stay."""
    other = Shop(ShopSettings(seed=2))
    assert other.slot_names == shop.slot_names
    assert not np.array_equal(shop.slot_ctr, other.slot_ctr)
    assert not np.array_equal(shop.price_minor, other.price_minor)


@pytest.mark.parametrize("slots", [4, 5, 40, 200])
def test_every_slot_belongs_to_a_page(slots: int) -> None:
    """Any number of slots is shared out over all pages, each with a name of its own."""
    shop = Shop(replace(SMALL, slots=slots))
    assert len(set(shop.slot_names)) == slots
    assert sum(shop.page_slots) == slots
    for page, first in zip(PAGES, shop.page_first, strict=True):
        assert shop.slot_names[first].startswith(f"{page}.")


def test_keys_differ_in_click_through_and_conversion(shop: Shop) -> None:
    """The best slot draws at least twice the clicks of the worst; conversion differs by slot, banner, SKU."""
    assert shop.slot_ctr[:-1].max() > 2 * shop.slot_ctr[:-1].min()
    for rates in (shop.slot_conversion, shop.banner_conversion, shop.sku_conversion):
        assert rates.max() > 1.5 * rates.min()


def test_an_absent_key_converts_like_the_average(shop: Shop) -> None:
    """Key number -1 stands for none and has the rate 1."""
    for rates in (shop.banner_pull, shop.slot_conversion, shop.banner_conversion, shop.sku_conversion):
        assert rates[-1] == 1.0


def test_conversion_averages_to_one_over_what_is_sold(shop: Shop) -> None:
    """Differences between SKUs do not move the shop's own conversion."""
    assert float(np.average(shop.sku_conversion[:-1], weights=shop.sku_weights)) == pytest.approx(1.0)


def test_skus_sell_by_zipfs_law(shop: Shop) -> None:
    """The first SKU is drawn about ten times as often as the tenth."""
    drawn = np.bincount(shop.popular_skus(np.random.default_rng(5), 200_000), minlength=10)
    assert drawn[0] / drawn[9] == pytest.approx(10, rel=0.15)


def test_every_banner_finds_a_slot(shop: Shop) -> None:
    """Each slot rotates several banners, and together they show all."""
    rng = np.random.default_rng(5)
    slots = rng.integers(0, 40, 100_000)
    banners = shop.banners_in(slots, rng)
    assert set(banners.tolist()) == set(range(200))
    assert 5 <= len(set(banners[slots == 3].tolist())) <= 15


def test_payment_methods_average_to_an_ordinary_one() -> None:
    """Cards fail more often, yet the mean over all orders is the configured rate."""
    mean = sum(METHOD_SUCCESS[method] for method in METHODS) / len(METHODS)
    assert mean == pytest.approx(1.0, abs=0.005)


def test_mixed_spreads_integers_and_arrays_alike() -> None:
    """An order's text and its rows agree about its payment method."""
    numbers = np.arange(1000)
    assert mixed(numbers).tolist() == [mixed(number) for number in range(1000)]
    counts = np.bincount(mixed(numbers) >> 28, minlength=16)
    assert counts.min() > 40


@pytest.mark.parametrize(
    ("field", "value"),
    [("slots", 3), ("banners", 0), ("skus", 0), ("visitors", 0), ("seed", -1), ("shelf_skus", 0)],
)
def test_an_impossible_shop_is_refused_by_field(field: str, value: int) -> None:
    """A wrong setting names itself."""
    with pytest.raises(ConfigError) as caught:
        ShopSettings(**{field: value})
    assert caught.value.field == f"shop.{field}"


@pytest.mark.parametrize("share", [0.2, 0.51, 0.99, float("nan")])
def test_an_unreachable_exposure_share_is_refused(share: float) -> None:
    """A share that no click-through rate gives is an error and not an approximation."""
    with pytest.raises(ConfigError) as caught:
        Shop(replace(SMALL, exposure_share=share))
    assert caught.value.field == "shop.exposure_share"


def test_an_event_leaves_absent_keys_out() -> None:
    """Key number -1 leaves its field out instead of writing null or an empty text."""
    text = EventText(Shop(SMALL), "run")
    event = json.loads(text.click(255, TIME_MS, CLICK, 7, -1, -1, -1))
    assert event == {
        "event_id": "run-ff",
        "event_time": TIME_MS,
        "event": "click",
        "visitor_id": "v7",
        "channel": "web",
    }


def test_order_and_payment_show_the_same_lines() -> None:
    """Lines are a function of the order, so revenue equals what was ordered."""
    text = EventText(Shop(SMALL), "run")
    for order in range(200):
        assert text.lines(ORDER, order, 1, 2, 3) == text.lines(PAID, order, 1, 2, 3)


def test_reversals_name_all_lines_one_or_none() -> None:
    """A refund may be of the whole order, of a part, or name the order only."""
    text = EventText(Shop(SMALL), "run")
    shown = {order: text.lines(REFUNDED, order, 1, 2, 3) for order in range(400)}
    whole = {order: text.lines(ORDER, order, 1, 2, 3) for order in range(400)}
    part = [order for order in shown if shown[order] and shown[order] != whole[order]]
    assert 50 < sum(not lines for lines in shown.values()) < 150
    assert part
    assert all(len(json.loads("{" + shown[order][1:] + "}")["items"]) == 1 for order in part)


@pytest.mark.parametrize("missing", range(40))
def test_padding_meets_the_size_exactly(missing: int) -> None:
    """A padded event has the wanted size and says what it said before."""
    value = b'{"event":"click"}'
    longer = padded(value, len(value) + missing)
    assert len(longer) == len(value) + missing
    assert json.loads(longer)["event"] == "click"


FAULTS = {
    0: Reason.NOT_JSON,
    1: Reason.NOT_JSON,
    2: Reason.MISSING_FIELD,
    4: Reason.TIME_IN_SECONDS,
    5: Reason.NOT_UTF8,
    6: Reason.WRONG_TYPE,
    7: Reason.WRONG_TYPE,
}


@pytest.mark.parametrize("kind", [CLICK, ORDER])
@pytest.mark.parametrize("number", range(8))
def test_every_fault_is_refused_for_its_reason(kind: int, number: int) -> None:
    """Each of the eight faults spoils clicks and orders, and stays on one line."""
    text = EventText(Shop(SMALL), "run")
    if kind == CLICK:
        event, priced = text.click(number, TIME_MS, kind, 7, 1, 1, 1), Reason.BAD_TIME
    else:
        lines = text.lines(kind, 9, 1, 1, 1)
        event, priced = text.order(number, TIME_MS, kind, 7, 9, lines), Reason.NEGATIVE_PRICE
    broken = spoil(event, TIME_MS, number)
    with pytest.raises(RejectedRecord) as caught:
        NativeFormat(funnel=Funnel()).decode(Record(0, TIME_MS, broken))
    assert caught.value.reason == FAULTS.get(number, priced)
    assert b"\n" not in broken


@pytest.mark.parametrize("sku", [8, 9])
def test_a_negative_price_is_negative_in_both_notations(sku: int) -> None:
    """Decimal strings and minor units are spoiled alike; every tenth SKU uses the latter."""
    text = EventText(Shop(SMALL), "run")
    event = text.order(3, TIME_MS, ORDER, 7, 9, text.lines(ORDER, 9, 1, 1, sku))
    assert ('"minor":true' in event.split("}")[0]) == (sku == 9)
    with pytest.raises(RejectedRecord) as caught:
        NativeFormat(funnel=Funnel()).decode(Record(0, TIME_MS, spoil(event, TIME_MS, 3)))
    assert caught.value.reason == Reason.NEGATIVE_PRICE
