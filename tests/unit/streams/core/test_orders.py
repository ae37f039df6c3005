"""Money: paid orders and what reverses them, per key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streams.core.buckets import BucketCounts
from streams.core.lines import open_lines
from streams.core.orders import (
    NO_CURRENCY,
    OrderBook,
    PaidOrder,
    PaidOrders,
    amounts,
    reversed_lines,
    reversed_shares,
    split,
)
from streams.core.rows import NO_DETAIL, Detail, Line
from streams.core.vocabulary import OTHER_CODE, Vocabulary
from streams.formats.keys import key_objection
from streams.funnel import Funnel
from tests.support.columns import i64, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

VOCABULARY = Vocabulary(Funnel(), key_objection)
STAGES = VOCABULARY.stages
T0 = 1_762_689_600_000
X, Y, Z = (VOCABULARY.sku[name] for name in "XYZ")
IDENTITY = VOCABULARY.sku.identity
SMALL = Vocabulary(Funnel(), key_objection, max_keys=1)  # of a process that numbers no SKU but W
SMALL.sku["W"]
ORDER = 77


def paid_order(number: int = 0) -> PaidOrder:
    """An order that can be told from others by its amount."""
    return PaidOrder("CNY", (Line(X, 1, 2, number),))


# --- which orders are remembered -----------------------------------------------------------------


def test_beyond_the_limit_the_order_paid_longest_ago_is_forgotten() -> None:
    """Memory is bounded by a number of orders."""
    paid = PaidOrders(3)
    for number in range(1_000):
        paid.remember(number, paid_order(number))
    assert [order for order in range(1_000) if paid.get(order)] == [997, 998, 999]
    assert len(paid) == 3


def test_an_order_paid_again_is_new() -> None:
    """It takes the place of the first payment and is forgotten last."""
    paid = PaidOrders(2)
    for number, order in enumerate((1, 2, 1, 3)):
        paid.remember(order, paid_order(number))
    assert [paid.get(order) for order in (1, 2, 3)] == [paid_order(2), None, paid_order(3)]


def test_what_is_paid_is_told_once() -> None:
    """With the number it was paid under; again if it is paid again, and as part of a copy."""
    paid = PaidOrders(9)
    for number, order in enumerate((1, 2, 1)):
        paid.remember(order, paid_order(number))
    assert paid.serials == range(3)
    assert paid.changes(range(0)) == [(1, 2, paid_order(1)), (2, 1, paid_order(2))]
    assert paid.changes(range(0)) == []
    paid.remember(3, paid_order(3))
    assert paid.changes(range(2)) == [(1, 2, paid_order(1)), (3, 3, paid_order(3))]


def test_an_order_is_not_told_twice_at_once() -> None:
    """New, and in the part that is copied as well."""
    paid = PaidOrders(9)
    paid.remember(1, paid_order())
    assert paid.changes(range(9)) == [(0, 1, paid_order())]


def test_what_was_forgotten_before_it_was_told_is_not_told() -> None:
    """A flush is no larger than what is remembered."""
    paid = PaidOrders(2)
    for number in range(100):
        paid.remember(number, paid_order(number))
    assert [serial for serial, _, _ in paid.changes(range(100))] == [98, 99]
    assert paid.serials == range(98, 100)


def test_a_copy_forgets_in_the_same_order() -> None:
    """By when orders were paid last, not by when they came over."""
    paid, copy = PaidOrders(3), PaidOrders(3)
    for number, order in enumerate((1, 2, 3, 1)):
        paid.remember(order, paid_order(number))
    copy.apply(reversed(paid.changes(range(0))))
    for order in (4, 5):
        for one in (paid, copy):
            one.remember(order, paid_order())
            assert [one.get(number) for number in range(6)] == [paid.get(number) for number in range(6)]
    assert [order for order in range(6) if copy.get(order)] == [1, 4, 5]


def test_an_older_payment_does_not_undo_a_newer_one() -> None:
    """What is told again, of a copy that is behind, changes nothing."""
    copy = PaidOrders(3)
    copy.apply([(5, 1, paid_order(5)), (2, 1, paid_order(2)), (5, 1, paid_order(5))])
    assert (copy.get(1), len(copy), copy.serials) == (paid_order(5), 1, range(5, 6))


def test_what_came_over_is_no_news_of_the_copy() -> None:
    """Numbers go on behind it."""
    copy = PaidOrders(3)
    copy.apply([(7, 1, paid_order())])
    assert copy.changes(range(0)) == []
    copy.remember(2, paid_order(1))
    assert copy.changes(range(0)) == [(8, 2, paid_order(1))]


def test_an_unknown_order_is_none() -> None:
    """As is an event that names no order."""
    paid = PaidOrders(1)
    paid.remember(ORDER, paid_order())
    assert paid.get(ORDER) == paid_order()
    assert paid.get(1) is None
    assert paid.get(None) is None


def test_nothing_may_be_remembered() -> None:
    """A limit of none keeps none."""
    paid = PaidOrders(0)
    paid.remember(ORDER, paid_order())
    assert len(paid) == 0


# --- under which keys ----------------------------------------------------------------------------

PAID = PaidOrder("CNY", (Line(X, 1, 2, 100), Line(Y, 3, 4, 200), Line(X, 5, 6, 300)))


def test_an_unknown_order_is_reversed_under_its_own_attribution() -> None:
    """What is not remembered cannot say where it was paid."""
    credited = (Line(X, 7, 8, 50),)
    assert reversed_lines(credited, credited, None, IDENTITY) == credited


def test_without_lines_the_whole_order_is_reversed() -> None:
    """Under the keys and amounts it was paid under."""
    assert reversed_lines((), (Line(0, 7, 8, 0),), PAID, IDENTITY) == PAID.lines


def test_own_lines_take_the_keys_of_the_paid_ones() -> None:
    """By SKU; amounts are the event's own, and of two paid lines of one SKU the first has the keys."""
    own = (Line(Y, 0, 0, 20), Line(X, 9, 9, 10))
    credited = (Line(Y, 7, 8, 20), Line(X, 9, 9, 10))
    assert reversed_lines(own, credited, PAID, IDENTITY) == (Line(Y, 3, 4, 20), Line(X, 1, 2, 10))


def test_a_line_that_was_not_paid_keeps_its_attribution() -> None:
    """A SKU the order never had."""
    line = Line(Z, 7, 8, 5)
    assert reversed_lines((line,), (line,), PAID, IDENTITY) == (line,)


@pytest.mark.parametrize(
    ("then", "now"),
    [(VOCABULARY, VOCABULARY), (SMALL, SMALL), (SMALL, VOCABULARY)],
    ids=["numbered", "beyond", "numbered since"],
)
def test_skus_beyond_the_bound_are_found(then: Vocabulary, now: Vocabulary) -> None:
    """A SKU may have been without a number when the order was paid; the line keeps its code of now."""
    skus = [then.sku[name] for name in "XYX"]
    lines = (line._replace(sku=sku) for line, sku in zip(PAID.lines, skus, strict=True))
    paid = PaidOrder("CNY", tuple(lines))
    own = tuple(Line(now.sku[name], 9, 9, 10) for name in "YXZ")
    identity = now.sku.identity
    places = [(3, 4), (1, 2), (9, 9)]
    assert reversed_lines(own, own, paid, identity) == tuple(
        Line(line.sku, *place, 10) for line, place in zip(own, places, strict=True)
    )
    one_each = paid._replace(shares=(1, 1, 1))
    shared = reversed_shares(own, PaidOrder("CNY", own, (1, 1, 1)), one_each, identity)
    assert [line[1:3] for line in shared] == places


# --- shares --------------------------------------------------------------------------------------

# X half and half, then a second line of X, then Y in three.
SHARED = PaidOrder(
    "CNY",
    (Line(X, 1, 0, 50), Line(X, 2, 0, 50), Line(X, 9, 0, 7), *(Line(Y, slot, 0, 10) for slot in (1, 2, 3))),
    (2, 1, 3),
)


@pytest.mark.parametrize(
    ("amount", "parts", "shares"),
    [
        (100, 3, [34, 33, 33]),
        (2, 3, [1, 1, 0]),
        (0, 2, [0, 0]),
        (7, 1, [7]),
        (10**15, 16, [10**15 // 16] * 16),
    ],
)
def test_an_amount_is_split_to_the_minor_unit(amount: int, parts: int, shares: list[int]) -> None:
    """Every share the same, what is left over one each to the first; they add up."""
    places = [Line(0, slot, 9) for slot in range(parts)]
    found = list(split(Line(X, 7, 7, amount), places))
    assert found == [Line(X, slot, 9, share) for slot, share in enumerate(shares)]
    assert sum(line.amount_minor for line in found) == amount


def test_shares_of_an_unknown_order_are_its_reversals() -> None:
    """What is not remembered cannot say where it was paid."""
    credited = PaidOrder("CNY", (Line(X, 7, 8, 50), Line(X, 6, 8, 50)), (2,))
    assert reversed_shares((Line(X, 0, 0, 100),), credited, None, IDENTITY) == credited.lines


def test_without_lines_every_share_is_reversed() -> None:
    """As it was paid."""
    assert reversed_shares((), PaidOrder("CNY", (Line(0, 7, 8),), (1,)), SHARED, IDENTITY) == SHARED.lines


def test_own_lines_are_split_as_they_were_paid() -> None:
    """By SKU, of two paid lines the first; a SKU that was not paid keeps its own shares."""
    own = (Line(X, 0, 0, 5), Line(Z, 0, 0, 4), Line(Y, 0, 0, 4))
    credited = PaidOrder(
        "CNY", (Line(X, 7, 0, 5), Line(Z, 7, 0, 2), Line(Z, 8, 0, 2), Line(Y, 7, 0, 4)), (1, 2, 1)
    )
    assert reversed_shares(own, credited, SHARED, IDENTITY) == (
        Line(X, 1, 0, 3),
        Line(X, 2, 0, 2),
        Line(Z, 7, 0, 2),
        Line(Z, 8, 0, 2),
        Line(Y, 1, 0, 2),
        Line(Y, 2, 0, 1),
        Line(Y, 3, 0, 1),
    )


def test_shares_are_booked_and_remembered() -> None:
    """A paid order's lines split between clicks, and a refund that follows them."""
    buckets = BucketCounts(4)
    details = {
        0: Detail((Line(X, 0, 0, 100), Line(Y, 0, 0, 20)), True, ORDER, "CNY"),
        1: Detail((Line(X, 0, 0, 31),), True, ORDER, "CNY"),
    }
    some = rows(2, node=[STAGES.paid, STAGES.codes["refunded"]], detail=[0, 1], time=T0)
    lines, _ = open_lines(some, details).split(i64(3, 1, 1), i64())
    lines.keys[0] = (1, 2, 1, 4, 9)
    book = OrderBook(VOCABULARY, buckets, 9)
    book.count(some, lines, details)
    (change,) = buckets.flush()
    slots = {(key[3], key[1]): (number, amount) for key, number, amount in change.money if key[0] == 1}
    assert slots == {
        ("paid", 1): (1, 67),
        ("paid", 2): (1, 33),
        ("paid", 4): (1, 20),
        ("refunded", 1): (1, 21),
        ("refunded", 2): (1, 10),
    }
    assert book.paid.changes(range(0))[0][2].shares == (3, 1)


# --- how much per key ----------------------------------------------------------------------------


def test_lines_that_share_a_key_are_one_order_for_it() -> None:
    """Every key once with the sum of its lines; all has the sum of all."""
    lines = [Line(X, 1, 2, 100), Line(Y, 1, 3, 20), Line(X, 0, 3, 3)]
    assert sorted(amounts(lines)) == [
        (0, 0, 123),
        (1, 0, 3),
        (1, 1, 120),
        (2, 2, 100),
        (2, 3, 23),
        (3, X, 103),
        (3, Y, 20),
    ]


def test_skus_beyond_the_bound_are_one_key() -> None:
    """Two of them in an order are one order under (other)."""
    lines = [Line(SMALL.sku[name], 1, 2, 100) for name in "XYW"]
    assert [row for row in amounts(lines) if row[0] == 3] == [(3, OTHER_CODE, 200), (3, 2, 100)]


def test_a_free_order_is_an_order() -> None:
    """An amount of zero is counted under its keys."""
    assert sorted(amounts([Line(X, 1, 2, 0)])) == [(0, 0, 0), (1, 1, 0), (2, 2, 0), (3, X, 0)]


# --- booking -------------------------------------------------------------------------------------


def book(
    kinds: Sequence[str], details: Sequence[Detail | None], remembered: int = 9
) -> dict[Any, tuple[int, int]]:
    """(kind, currency, dimension, code) -> (orders, amount), of events with a detail each."""
    buckets = BucketCounts(4)
    orders = OrderBook(VOCABULARY, buckets, remembered)
    serials = [NO_DETAIL if detail is None else at for at, detail in enumerate(details)]
    known = {at: detail for at, detail in enumerate(details) if detail is not None}
    some = rows(len(kinds), node=[STAGES.codes[kind] for kind in kinds], detail=serials, time=T0)
    orders.count(some, open_lines(some, known), known)
    return {
        (kind, currency, dimension, code): (number, amount)
        for change in buckets.flush()
        for (dimension, code, currency, kind), number, amount in change.money
    }


def test_a_paid_order_brings_money_under_each_key() -> None:
    """One order, and the amount of the lines that carry the key."""
    booked = book(["paid"], [Detail((Line(X, 1, 2, 100), Line(Y, 1, 4, 20)), True, ORDER, "CNY")])
    assert booked == {
        ("paid", "CNY", 0, 0): (1, 120),
        ("paid", "CNY", 1, 1): (1, 120),
        ("paid", "CNY", 2, 2): (1, 100),
        ("paid", "CNY", 2, 4): (1, 20),
        ("paid", "CNY", 3, X): (1, 100),
        ("paid", "CNY", 3, Y): (1, 20),
    }


@pytest.mark.parametrize("kind", ["refunded", "cancelled"])
def test_a_reversal_is_counted_on_its_own(kind: str) -> None:
    """It takes nothing from what was paid, and has keys, amount and currency of the paid order."""
    paid = Detail((Line(X, 1, 2, 100),), True, ORDER, "CNY")
    booked = book(["paid", kind], [paid, Detail((Line(0, 0, 0),), False, ORDER)])
    assert booked["paid", "CNY", 0, 0] == (1, 100)
    assert {key[2:]: value for key, value in booked.items() if key[0] == kind} == {
        (0, 0): (1, 100),
        (1, 1): (1, 100),
        (2, 2): (1, 100),
        (3, X): (1, 100),
    }


def test_a_reversals_own_currency_wins() -> None:
    """Only without one it is the paid order's."""
    paid = Detail((Line(X, 1, 2, 100),), True, ORDER, "CNY")
    booked = book(["paid", "refunded"], [paid, Detail((Line(X, 0, 0, 7),), True, ORDER, "USD")])
    assert booked["refunded", "USD", 0, 0] == (1, 7)


def test_an_unknown_order_has_no_currency() -> None:
    """ISO 4217's XXX, amount zero, under the event's own keys."""
    booked = book(["refunded"], [Detail((Line(X, 1, 2),), False, ORDER)])
    assert booked["refunded", NO_CURRENCY, 3, X] == (1, 0)
    assert booked["refunded", NO_CURRENCY, 1, 1] == (1, 0)


def test_a_forgotten_order_is_unknown() -> None:
    """Beyond the number of remembered orders a refund stands on its own."""
    paid = [Detail((Line(X, 1, 2, 100),), True, order, "CNY") for order in (1, 2)]
    refund = Detail((Line(0, 0, 0),), False, 1)
    assert book(["paid", "paid", "refunded"], [*paid, refund])["refunded", "CNY", 0, 0] == (1, 100)
    forgotten = book(["paid", "paid", "refunded"], [*paid, refund], remembered=1)
    assert forgotten["refunded", NO_CURRENCY, 0, 0] == (1, 0)


def test_a_refund_before_its_payment_does_not_know_it() -> None:
    """Rows are booked in processing order."""
    paid = Detail((Line(X, 1, 2, 100),), True, ORDER, "CNY")
    booked = book(["refunded", "paid"], [Detail((Line(0, 0, 0),), False, ORDER), paid])
    assert booked["refunded", NO_CURRENCY, 0, 0] == (1, 0)


def test_an_order_without_an_id_is_counted_but_not_remembered() -> None:
    """Nobody could refund it by name."""
    paid = Detail((Line(X, 1, 2, 100),), True, None, "CNY")
    booked = book(["paid", "refunded"], [paid, Detail((Line(X, 0, 0),), False, None)])
    assert booked["paid", "CNY", 0, 0] == (1, 100)
    assert booked["refunded", NO_CURRENCY, 0, 0] == (1, 0)


@pytest.mark.parametrize(
    "kind", ["exposure", "click", "checkout", "order", "payment_attempt", "payment_failed"]
)
def test_other_stages_move_no_money(kind: str) -> None:
    """An order that is placed but not paid brings nothing."""
    assert book([kind], [Detail((Line(X, 1, 2, 100),), True, ORDER, "CNY")]) == {}


def test_a_row_without_detail_moves_no_money() -> None:
    """A reversal that says nothing about its order is no sum of money."""
    assert book(["refunded"], [None]) == {}


def test_money_goes_to_the_keys_as_attributed() -> None:
    """Slot and banner are taken from the attributed lines, SKU and amount from the order's."""
    buckets = BucketCounts(4)
    details = {0: Detail((Line(X, 0, 0, 100), Line(Y, 0, 0, 20)), True, ORDER, "CNY")}
    some = rows(2, [(0, 0, 0)] * 2, node=[STAGES.click, STAGES.paid], detail=[NO_DETAIL, 0], time=T0)
    lines = open_lines(some, details)
    lines.keys[0] = (9, 1, 3)
    lines.keys[1] = (9, 2, 4)
    OrderBook(VOCABULARY, buckets, 9).count(some, lines, details)
    (change,) = buckets.flush()
    assert {(key[0], key[1]): amount for key, _, amount in change.money} == {
        (0, 0): 120,
        (1, 1): 100,
        (1, 3): 20,
        (2, 2): 100,
        (2, 4): 20,
        (3, X): 100,
        (3, Y): 20,
    }
    assert change.bucket_ms == T0
