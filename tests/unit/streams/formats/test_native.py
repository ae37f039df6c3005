"""Funnelwatch's own event format, field by field.

What is wrong in all formats alike is in test_bad_input.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.errors import ConfigError, RejectedRecord
from streams.events import MAX_LINES, MAX_SKUS, Event, OrderLine, Outcome, Reason, Record
from streams.formats.native import NativeFormat
from streams.funnel import Funnel
from tests.support.builders import T0, body, click, event, line, order, paid, refunded

FORM = NativeFormat(funnel=Funnel())


def read(value: bytes | None, form: NativeFormat = FORM) -> Event:
    """The one event of a record."""
    (found,) = form.decode(Record(0, 0, value))
    return found


def rejection(value: bytes | None, form: NativeFormat = FORM) -> tuple[Outcome, Reason, str]:
    """Why a record is turned away."""
    with pytest.raises(RejectedRecord) as raised:
        form.decode(Record(0, 0, value))
    return raised.value.outcome, raised.value.reason, raised.value.field


def with_item(**fields: Any) -> bytes:
    """A paid order of one line, with fields changed; None leaves one out."""
    item = {name: value for name, value in {**line(), **fields}.items() if value is not None}
    return paid("v1", 0, item)


# --- events --------------------------------------------------------------------------------------


def test_an_event_has_its_fields() -> None:
    """All those of the clickstream; unknown ones are passed over."""
    value = click("v7", t=5, event_id="e9", slot="home", banner="B1", sku="A", promotion="D11")
    assert read(value) == Event("e9", T0 + 5, "click", "v7", "home", "B1", ("A",))


def test_only_the_four_required_fields_are_required() -> None:
    """The rest is None or empty."""
    assert read(event("view", event_id="e9")) == Event("e9", T0, "view", "v1")


@pytest.mark.parametrize("field", ["event_id", "event_time", "event", "visitor_id"])
def test_a_required_field_that_is_missing_is_named(field: str) -> None:
    """Absent is missing, null is the wrong type."""
    document = body("click")
    assert rejection(json.dumps(document | {field: None}).encode())[1:] == (Reason.WRONG_TYPE, field)
    del document[field]
    assert rejection(json.dumps(document).encode())[1:] == (Reason.MISSING_FIELD, field)


@pytest.mark.parametrize(("sku", "skus"), [("A", ("A",)), (["A", "B", "A"], ("A", "B", "A")), ([], ())])
def test_skus_come_alone_or_as_a_list(sku: Any, skus: tuple[str, ...]) -> None:
    """As they stand; counting makes them distinct."""
    assert read(click(sku=sku)).skus == skus


def test_an_event_has_a_bounded_number_of_skus() -> None:
    """Five hundred are read, one more is too many."""
    skus = [f"S{number}" for number in range(MAX_SKUS + 1)]
    assert len(read(click(sku=skus[:MAX_SKUS])).skus) == MAX_SKUS
    assert rejection(click(sku=skus))[1:] == (Reason.TOO_MANY_ITEMS, "sku")


def test_a_wrong_sku_in_a_list_is_named() -> None:
    """By its place."""
    assert rejection(click(sku=["A", "a\nb"]))[1:] == (Reason.CONTROL_CHARACTER, "sku[1]")


def test_every_node_and_outcome_is_an_event() -> None:
    """Those of the funnel and those of orders, whatever the topic."""
    named = [read(event(name)).node for name in ("exposure", "click", "view", "cart", "checkout")]
    named += [read(order(name, "v1", 0, line())).node for name in ("order", "paid", "refunded", "cancelled")]
    named += [read(event(name)).node for name in ("payment_attempt", "payment_failed")]
    assert len(set(named)) == 11


def test_nodes_are_those_of_the_funnel() -> None:
    """A funnel of one's own has names of its own, and no others."""
    form = NativeFormat(funnel=Funnel(nodes=("shown", "opened", "paid")))
    assert read(event("opened"), form).node == "opened"
    assert rejection(click(), form) == (Outcome.UNMAPPED, Reason.UNKNOWN_EVENT, "event")


def test_events_may_be_mapped() -> None:
    """Another name for a node, and a name that is passed over on purpose."""
    form = NativeFormat(funnel=Funnel(), events={"purchase": "paid", "click": None})
    assert read(paid(event="purchase"), form).lines == (OrderLine("A", 1, 100),)
    assert rejection(click(), form)[0] is Outcome.UNMAPPED


def test_a_mapping_to_a_node_that_is_none_is_refused() -> None:
    """When the format is made, not when an event comes."""
    with pytest.raises(ConfigError, match=r"events\.tap"):
        NativeFormat(funnel=Funnel(), events={"tap": "clikc"})


def test_fields_are_judged_before_the_name() -> None:
    """An unknown event with a broken field is bad input, not somebody else's event."""
    assert rejection(event("scroll", slot=""))[:2] == (Outcome.INVALID, Reason.EMPTY_FIELD)


# --- extra dimensions ----------------------------------------------------------------------------


def test_extra_dimensions_are_top_level_fields() -> None:
    """In their order; an absent one is None."""
    form = NativeFormat(funnel=Funnel(), extra_fields=("channel", "device", "x y"))
    value = json.dumps(body("click", channel="app") | {"x y": "1"}).encode()
    assert read(value, form).extra == ("app", None, "1")


def test_a_dimension_may_be_a_field_the_format_reads_anyway() -> None:
    """Payments by method, orders by currency: the field serves both."""
    form = NativeFormat(funnel=Funnel(), extra_fields=("payment_method", "channel", "currency"))
    value = order("payment_attempt", payment_method="card", channel="app", currency="CNY")
    found = read(value, form)
    assert found.extra == ("card", "app", "CNY")
    assert (found.payment_method, found.currency) == ("card", "CNY")


def test_two_dimensions_may_read_one_field() -> None:
    """Whatever they are for."""
    form = NativeFormat(funnel=Funnel(), extra_fields=("channel", "channel"))
    assert read(click(channel="app"), form).extra == ("app", "app")


@pytest.mark.parametrize("field", ["event_time", "sku", "items"])
def test_a_dimension_must_be_a_text(field: str) -> None:
    """A time, a list and an order's lines are none."""
    with pytest.raises(ConfigError, match=field):
        NativeFormat(funnel=Funnel(), extra_fields=("channel", field))


def test_a_wrong_extra_field_is_named() -> None:
    """As it is called in the record."""
    form = NativeFormat(funnel=Funnel(), extra_fields=("channel",))
    assert rejection(click(channel="(none)"), form)[1:] == (Reason.RESERVED_KEY, "channel")
    assert rejection(click(channel=7), form)[1:] == (Reason.WRONG_TYPE, "channel")


# --- orders --------------------------------------------------------------------------------------


def test_an_order_has_lines() -> None:
    """Price times quantity in minor units, slot and banner where a line has its own."""
    items = [line("A", "1.50", quantity=2, slot="list"), line(None, "0.01", banner="B2")]
    found = read(paid("v1", 0, *items, order_id="O7", slot="home"))
    assert found.lines == (OrderLine("A", 2, 300, "list"), OrderLine(None, 1, 1, None, "B2"))
    assert (found.order_id, found.currency, found.slot) == ("O7", "CNY", "home")


@pytest.mark.parametrize(
    ("currency", "price", "amount"),
    [
        ("CNY", "39.90", 3990),
        ("CNY", "39.9", 3990),
        ("CNY", "39.9000", 3990),
        ("JPY", "500", 500),
        ("JPY", "500.00", 500),
        ("KWD", "1.234", 1234),
        ("CNY", "0", 0),
    ],
)
def test_a_price_is_decimal(currency: str, price: str, amount: int) -> None:
    """In as many decimals as the currency has; zeros behind them are no precision."""
    assert read(paid("v1", 0, line("A", price), currency=currency)).lines[0].amount_minor == amount


def test_a_price_may_be_in_minor_units() -> None:
    """An integer that says so."""
    for price in (0, 1, 3990):
        assert read(with_item(price=price, minor=True)).lines[0].amount_minor == price


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"price": 3990}, Reason.WRONG_TYPE),
        ({"price": 39.9}, Reason.WRONG_TYPE),
        ({"price": "39.90", "minor": True}, Reason.WRONG_TYPE),
        ({"price": None}, Reason.MISSING_FIELD),
        ({"price": ""}, Reason.EMPTY_FIELD),
        ({"price": "39.901"}, Reason.PRICE_PRECISION),
        ({"price": "-0.01"}, Reason.NEGATIVE_PRICE),
        ({"price": -1, "minor": True}, Reason.NEGATIVE_PRICE),
        ({"price": "1e3"}, Reason.BAD_PRICE),
        ({"price": "¥39"}, Reason.BAD_PRICE),
    ],
    ids=str,
)
def test_a_wrong_price_is_named(fields: dict[str, Any], reason: Reason) -> None:
    """Nothing is guessed about a price."""
    assert rejection(with_item(**fields))[1:] == (reason, "items[0].price")


@pytest.mark.parametrize("quantity", [0, -1, 1.5, 2.0, "2", 10**30])
def test_a_quantity_is_a_whole_number_from_one(quantity: Any) -> None:
    """Anything else is a bad quantity."""
    assert rejection(with_item(quantity=quantity))[1:] == (Reason.BAD_QUANTITY, "items[0].quantity")


@pytest.mark.parametrize("name", ["order", "paid"])
@pytest.mark.parametrize("field", ["order_id", "currency", "items"])
def test_a_placed_order_is_complete(name: str, field: str) -> None:
    """It has an id, a currency and at least one line."""
    document = json.loads(order(name, "v1", 0, line()))
    del document[field]
    assert rejection(json.dumps(document).encode())[1:] == (Reason.MISSING_FIELD, field)


@pytest.mark.parametrize("items", [None, []])
def test_no_lines_are_missing_lines(items: Any) -> None:
    """Null and an empty list are as good as absent."""
    document = json.loads(paid()) | {"items": items}
    assert rejection(json.dumps(document).encode())[1:] == (Reason.MISSING_FIELD, "items")


@pytest.mark.parametrize("name", ["refunded", "cancelled"])
def test_a_reversal_needs_only_the_order(name: str) -> None:
    """Without lines it needs no currency, with them it does."""
    found = read(order(name, order_id="O7", currency=None))
    assert (found.order_id, found.currency, found.lines) == ("O7", None, ())
    assert rejection(order(name, order_id=None))[1:] == (Reason.MISSING_FIELD, "order_id")
    priced = order(name, "v1", 0, line(), currency=None)
    assert rejection(priced)[1:] == (Reason.MISSING_FIELD, "currency")


def test_a_payment_outcome_needs_nothing() -> None:
    """It may say of which order, what was in it, and how it was paid."""
    assert read(event("payment_failed")).order_id is None
    found = read(order("payment_attempt", "v1", 0, line(), payment_method="card"))
    assert (found.order_id, found.payment_method, len(found.lines)) == ("O1", "card", 1)


def test_other_events_do_not_look_into_items() -> None:
    """What a click has there is nobody's business, as long as it is JSON."""
    found = read(click(items=7, order_id="O7", currency="none"))
    assert (found.order_id, found.currency, found.lines) == (None, None, ())


def test_an_order_has_a_bounded_number_of_lines() -> None:
    """Five hundred are read, one more is too many."""
    items = [line(f"S{number}") for number in range(MAX_LINES + 1)]
    assert len(read(paid("v1", 0, *items[:MAX_LINES])).lines) == MAX_LINES
    assert rejection(paid("v1", 0, *items))[1:] == (Reason.TOO_MANY_ITEMS, "items")


def test_currencies_are_iso_4217() -> None:
    """In capitals."""
    assert rejection(paid(currency="cny"))[1:] == (Reason.UNKNOWN_CURRENCY, "currency")
    assert rejection(refunded(currency="???"))[1:] == (Reason.UNKNOWN_CURRENCY, "currency")


# --- the document as it stands -------------------------------------------------------------------


def test_a_document_that_is_none_is_none() -> None:
    """Whatever is wrong with the bytes; the exact decoder says what."""
    for value in (None, b"", b"{", b"\xff", b"[" * 100_000, b"[]", b'{"event_id": 7}'):
        assert FORM.try_document(value) is None
    found = FORM.try_document(click(event_id="e9"))
    assert found is not None
    assert found.event_id == "e9"


@pytest.mark.parametrize("field", ["event_id", "visitor_id", "slot", "banner", "sku", "channel"])
def test_long_texts_are_suspected_by_their_characters(field: str) -> None:
    """In any field that is read, also in a list; exactly the number given is no suspicion."""
    form = NativeFormat(funnel=Funnel(), extra_fields=("channel",))
    for length, suspected in ((64, False), (65, True)):
        texts: list[Any] = ["x" * length, *([["A", "x" * length]] if field == "sku" else [])]
        for text in texts:
            document = form.try_document(event("click", **{field: text}))
            assert document is not None
            assert form.maybe_long(document, 64) is suspected
