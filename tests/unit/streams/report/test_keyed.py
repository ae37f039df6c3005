"""Counts and money of every key."""

from __future__ import annotations

from streams.core.merge import MoneyKey
from streams.report.keyed import MAX_CURRENCIES, KeyedSums
from streams.report.outline import Times
from tests.support.reported import CLICK, MINUTE, START, counts, paid
from tests.support.window_oracle import BUCKET, Buckets

TIMES = Times(START, START + MINUTE)


def test_every_key_in_its_row() -> None:
    """Names grow from bucket to bucket; what is of another time counts nothing."""
    sums, written = KeyedSums(TIMES, {}), Buckets()
    for number in range(8):
        slots = [(f"s{key}", 1.0) for key in range(20 * (number + 1))]
        sums.take(written.close(START + number * BUCKET, counts(10, 1, slots)))
    found = dict(zip(sums.names("slot"), sums.counts("slot")[:, CLICK].tolist(), strict=True))
    assert len(found) == 160
    assert (found["s0"], found["s99"], found["s119"], found["s150"]) == (60, 20, 10, 0)
    assert sums.dimensions == ("slot",)


def test_a_scope_leaves_out_all_others() -> None:
    """Keys that are not in it, and dimensions of which it says nothing."""
    sums = KeyedSums(TIMES, {"slot": frozenset({"b"})})
    written = Buckets()
    mixed = counts(10, 1) | {("sku", "S", CLICK): 4}
    sums.take(written.close(START, mixed))
    assert sums.dimensions == ("slot",)
    assert sums.names("slot") == ["b"]
    assert sums.counts("slot")[:, CLICK].tolist() == [4]


def test_what_was_paid_by_key_and_currency() -> None:
    """In the time that it is of; refunds are of no key here."""
    sums = KeyedSums(TIMES, {})
    sums.take(Buckets().close(START, counts(10, 1)))
    for start_ms in (START, TIMES.end_ms):
        [(key, (orders, amount))] = paid(3, dimension="slot", key="b").items()
        sums.pay(start_ms, key, orders, amount)
        sums.pay(start_ms, key._replace(kind="refunded"), 1, 100)
        sums.pay(start_ms, key._replace(dimension="all"), 1, 100)
    assert sums.paid("slot", "CNY").tolist() == [0, 6_000]
    assert sums.paid("slot", "USD").tolist() == sums.paid("slot", None).tolist() == [0, 0]


def test_currencies_are_bounded() -> None:
    """The first ones are kept."""
    sums = KeyedSums(TIMES, {})
    sums.take(Buckets().close(START, counts(10, 1)))
    for number in range(MAX_CURRENCIES + 1):
        sums.pay(START, MoneyKey("slot", "a", f"C{number}", "paid"), 1, 5)
    assert sums.paid("slot", f"C{MAX_CURRENCIES - 1}").tolist() == [5, 0]
    assert sums.paid("slot", f"C{MAX_CURRENCIES}").tolist() == [0, 0]
