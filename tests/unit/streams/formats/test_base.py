"""Putting an event together: what its node demands of an order."""

from __future__ import annotations

import pytest

from streams.errors import ConfigError, RejectedRecord
from streams.events import MAX_LINES, Event, OrderLine, Reason
from streams.formats.base import Item, Order, agreed, check_count, complete, distinct, node_table
from streams.funnel import Funnel

ITEM = Item("SKU_1", "39.90", 2, "home", None, "items[0].price", "items[0].quantity")
LINE = OrderLine("SKU_1", 2, 7980, "home", None)
FULL = Order("O1", "order_id", "CNY", "currency", [ITEM], "items", "alipay", "method")


def event(node: str) -> Event:
    """An event that carries a SKU beside its order."""
    return Event("e1", 1_762_689_603_125, node, "v1", skus=("SKU_1",))


def rejection(node: str, order: Order) -> tuple[str, str]:
    """Reason and field."""
    with pytest.raises(RejectedRecord) as caught:
        complete(event(node), order)
    return caught.value.reason, caught.value.field


@pytest.mark.parametrize("node", ["order", "paid", "cancelled", "refunded"])
def test_an_order_is_its_lines(node: str) -> None:
    """Its SKUs are those of its lines and stand nowhere else."""
    done = complete(event(node), FULL)
    assert (done.order_id, done.currency, done.lines, done.skus) == ("O1", "CNY", (LINE,), ())


@pytest.mark.parametrize("node", ["order", "paid"])
def test_placing_an_order_needs_all_of_it(node: str) -> None:
    """Id, currency and at least one item."""
    assert rejection(node, FULL._replace(order_id=None)) == (Reason.MISSING_FIELD, "order_id")
    assert rejection(node, FULL._replace(currency=None)) == (Reason.MISSING_FIELD, "currency")
    assert rejection(node, FULL._replace(items=[])) == (Reason.MISSING_FIELD, "items")


@pytest.mark.parametrize("node", ["cancelled", "refunded"])
def test_a_reversal_needs_its_order_and_no_more(node: str) -> None:
    """Without items it reverses the whole order, whose SKUs the event may still name."""
    done = complete(event(node), FULL._replace(items=[], currency=None))
    assert (done.order_id, done.currency, done.lines, done.skus) == ("O1", None, (), ("SKU_1",))
    assert complete(event(node), FULL._replace(items=[])).currency == "CNY"
    assert rejection(node, FULL._replace(order_id=None)) == (Reason.MISSING_FIELD, "order_id")
    assert rejection(node, FULL._replace(currency=None)) == (Reason.MISSING_FIELD, "currency")
    assert rejection(node, FULL._replace(items=[], currency="ABC")) == (Reason.UNKNOWN_CURRENCY, "currency")


@pytest.mark.parametrize("node", ["payment_attempt", "payment_failed"])
def test_a_payment_outcome_takes_what_is_there(node: str) -> None:
    """It moves no money, so neither price nor currency is asked for."""
    done = complete(event(node), FULL._replace(currency="ABC"))
    assert (done.order_id, done.payment_method, done.lines, done.skus) == ("O1", "alipay", (), ("SKU_1",))
    assert complete(event(node), FULL._replace(order_id=None, payment_method=None)).order_id is None


@pytest.mark.parametrize("node", ["exposure", "click", "view", "cart", "checkout"])
def test_other_nodes_have_no_order(node: str) -> None:
    """A cart event with a price and no currency is a fine cart event."""
    assert complete(event(node), FULL._replace(order_id=[], currency=None)) == event(node)


def test_a_line_is_blamed_for_its_own_mistake() -> None:
    """By its place in the list."""
    second = ITEM._replace(price="x", price_field="items[1].price")
    assert rejection("paid", FULL._replace(items=[ITEM, second])) == (Reason.BAD_PRICE, "items[1].price")
    huge = ITEM._replace(price=10**13, quantity=1_000_000)
    assert rejection("paid", FULL._replace(items=[huge])) == (Reason.PRICE_TOO_LARGE, "items[0].price")


def test_prices_may_be_in_minor_units() -> None:
    """Then the currency's decimals do not matter."""
    order = FULL._replace(items=[ITEM._replace(price=1999)], currency="KWD", prices_are_minor=True)
    assert complete(event("paid"), order).lines[0].amount_minor == 3998


@pytest.mark.parametrize(
    ("own", "of_items", "slot"),
    [
        (None, [], None),
        ("a", [], "a"),
        ("a", [None, None], "a"),
        (None, ["b"], "b"),
        ("a", ["b", "b"], "b"),
        ("a", ["b", None], "a"),
        (None, ["b", None], None),
        (None, ["b", "c"], None),
        ("a", ["b", "c"], "a"),
    ],
)
def test_items_that_agree_give_the_event_its_slot(
    own: str | None, of_items: list[str | None], slot: str | None
) -> None:
    """An item's wins; items that disagree leave the event its own."""
    assert agreed(own, of_items) == slot


def test_skus_stand_once_and_in_order() -> None:
    """Absent ones are none."""
    assert distinct(["b", None, "a", "b"]) == ("b", "a")


def test_an_event_holds_so_many_items_and_no_more() -> None:
    """The limit is inclusive."""
    check_count(["a"] * MAX_LINES, "items")
    with pytest.raises(RejectedRecord) as caught:
        check_count(["a"] * (MAX_LINES + 1), "items")
    assert (caught.value.reason, caught.value.field) == (Reason.TOO_MANY_ITEMS, "items")


def test_the_configuration_overrides_a_preset_name_by_name() -> None:
    """None ignores an event on purpose; names beside the preset are welcome."""
    preset = {"Seen": "exposure", "Clicked": "click"}
    events = {"Seen": None, "Tapped": "click", "Paid": "paid", "Failed": "payment_failed"}
    assert node_table(preset, events, Funnel()) == {
        "Clicked": "click",
        "Tapped": "click",
        "Paid": "paid",
        "Failed": "payment_failed",
    }


def test_a_preset_counts_only_what_the_funnel_has() -> None:
    """A shop without a cart node has unmapped cart events, not an error."""
    assert node_table({"Added": "cart", "Paid": "paid"}, {}, Funnel(nodes=("seen", "click", "paid"))) == {
        "Paid": "paid"
    }


def test_a_node_that_does_not_exist_is_a_wrong_configuration() -> None:
    """Said at start, with what is allowed."""
    with pytest.raises(ConfigError) as caught:
        node_table({}, {"Bought": "payed"}, Funnel())
    assert caught.value.field == "events.Bought"
    assert "paid" in caught.value.allowed
