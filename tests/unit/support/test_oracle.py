"""The oracle by itself: reading, writing, adding up, and the generator that feeds it.

Its counting rules are held to hand-made expectations in ``streams/core/test_contract_rules.py``,
where every test runs on the oracle too.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from streams.events import Outcome, Reason, Record
from tests.support import oracle, traffic
from tests.support.builders import T0, body, click, event, line, order, paid, stream, view
from tests.support.clock import ManualClock

SETTINGS = oracle.OracleSettings(extra_dimensions=("channel",))


def _reason(value: bytes | None) -> Reason | None:
    try:
        oracle.read_event(value, SETTINGS)
    except oracle.Rejected as rejected:
        return rejected.reason
    return None


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", traffic.FAULTS, ids=lambda fault: str(fault.reason))
def test_each_fault_has_its_reason(fault: traffic.Fault) -> None:
    """A good order spoiled in one way is rejected for exactly that."""
    good = body("paid", order_id="O1", currency="CNY", items=[line("S", "1.00")])
    assert _reason(json.dumps(good).encode()) is None
    spoiled = fault.spoil(good)
    assert _reason(json.dumps(spoiled).encode() if isinstance(spoiled, dict) else spoiled) is fault.reason


def test_every_counting_reason_is_among_the_faults() -> None:
    """The traffic knows every reason a native record can be rejected for, save by price limits."""
    missing = set(Reason) - {fault.reason for fault in traffic.FAULTS}
    assert missing == {Reason.PRICE_TOO_LARGE, Reason.UNSUPPORTED_CONTENT}


def test_an_unmapped_record_is_not_invalid() -> None:
    """An unknown name is its own outcome."""
    with pytest.raises(oracle.Rejected) as caught:
        oracle.read_event(event("scroll"), SETTINGS)
    assert (caught.value.outcome, caught.value.reason) == (Outcome.UNMAPPED, Reason.UNKNOWN_EVENT)


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_are_not_json(word: bytes) -> None:
    """Python reads NaN and infinity; JSON does not have them."""
    assert _reason(b'{"event_time": %s}' % word) is Reason.NOT_JSON


@pytest.mark.parametrize(
    "text",
    [
        "2025-11-09T12:00:03.125Z",
        "2025-11-09T20:00:03.125+08:00",
        "2025-11-09T02:30:03.125-09:30",
        "2025-11-09t12:00:03.125000z",
    ],
)
def test_rfc_3339_in_any_zone(text: str) -> None:
    """Offsets are taken into account; the result is milliseconds since the epoch."""
    assert oracle.read_event(click(event_time=text), SETTINGS).time == T0 + 3_125


@pytest.mark.parametrize(
    "text",
    [
        "2025-11-09T12:00:03",
        "2025-11-09",
        "2025-13-09T12:00:03Z",
        "2025-11-09T25:00:03Z",
        str(T0),
        "20251109T120003Z",
    ],
)
def test_other_texts_are_bad_times(text: str) -> None:
    """No offset, no such day, another notation."""
    assert _reason(click(event_time=text)) is Reason.BAD_TIME


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (10**11, None),
        (10**11 - 1, Reason.TIME_IN_SECONDS),
        (10**14, None),
        (10**14 + 1, Reason.TIME_IN_MICROSECONDS),
        (float(T0), Reason.WRONG_TYPE),
    ],
)
def test_times_of_the_wrong_scale(time: float, reason: Reason | None) -> None:
    """The limits themselves are allowed."""
    assert _reason(click(event_time=time)) is reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("s" * 256, None),
        ("s" * 257, Reason.FIELD_TOO_LONG),
        ("坑" * 85, None),
        ("坑" * 86, Reason.FIELD_TOO_LONG),
        ("a\u0000", Reason.CONTROL_CHARACTER),
        ("a\u200b", Reason.CONTROL_CHARACTER),
        ("a\u2028", Reason.CONTROL_CHARACTER),
        ("(none)", Reason.RESERVED_KEY),
        ("(other)", Reason.RESERVED_KEY),
        ("(None)", None),
        (" ", None),
        ("", Reason.EMPTY_FIELD),
    ],
)
@pytest.mark.parametrize("field", ["slot", "banner", "sku", "channel"])
def test_keys_are_clean(field: str, value: str, reason: Reason | None) -> None:
    """Keys hold at most 256 bytes, no hidden characters, no reserved word."""
    assert _reason(json.dumps(body("click") | {field: value}).encode()) is reason


def test_null_is_absent_for_keys() -> None:
    """A null slot is no slot."""
    value = json.dumps(body("click") | {"slot": None, "banner": None, "sku": None}).encode()
    read = oracle.read_event(value, SETTINGS)
    assert (read.slot, read.banner, read.skus) == (None, None, [])


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"price": "1.005"}, Reason.PRICE_PRECISION),
        ({"price": "1.0000"}, None),
        ({"price": "-0.01"}, Reason.NEGATIVE_PRICE),
        ({"price": "0"}, None),
        ({"price": "1,00"}, Reason.BAD_PRICE),
        ({"price": "NaN"}, Reason.BAD_PRICE),
        ({"price": 1.0}, Reason.WRONG_TYPE),
        ({"price": 1}, Reason.WRONG_TYPE),
        ({"price": 1, "minor": False}, Reason.WRONG_TYPE),
        ({"price": 1, "minor": True}, None),
        ({"price": True, "minor": True}, Reason.WRONG_TYPE),
        ({"price": "1", "quantity": 0}, Reason.BAD_QUANTITY),
        ({"price": "1", "quantity": -1}, Reason.BAD_QUANTITY),
        ({"price": "1", "quantity": 10**6 + 1}, Reason.BAD_QUANTITY),
        ({"price": "10000000000000.01"}, Reason.PRICE_TOO_LARGE),
        ({"price": "10000000.01", "quantity": 10**6}, Reason.PRICE_TOO_LARGE),
        ({}, Reason.MISSING_FIELD),
    ],
)
def test_prices_and_quantities(item: dict[str, Any], reason: Reason | None) -> None:
    """Decimal strings within the currency's decimals, or minor integers; whole quantities."""
    assert _reason(paid("v1", 0, {"sku": "S", **item})) is reason


def test_a_currency_is_needed_where_there_are_items() -> None:
    """A refund may leave out both, but not the currency alone."""
    assert _reason(order("refunded", currency=None)) is None
    assert _reason(order("refunded", "v1", 0, line(), currency=None)) is Reason.MISSING_FIELD


# --- counting, once as a whole -------------------------------------------------------------------


def test_a_small_evening_by_hand() -> None:
    """A click, its view and its order: all four tables, worked out by hand."""
    clickstream = [click(t=0, slot="A", sku="S"), view(t=10_000, sku="S"), b"?"]
    orders = [paid("v1", 20_000, line("S", "2.50", quantity=2))]
    result = oracle.count(stream(clickstream), stream(orders))
    keys = (("all", "all"), ("slot", "A"), ("banner", "(none)"), ("sku", "S"))
    nodes = (("click", T0), ("view", T0 + 10_000), ("paid", T0 + 20_000))
    assert result.cells == {(*key, *node): (1, 1) for key in keys for node in nodes}
    assert result.money == {(*key, "CNY", "paid", T0 + 20_000): (1, 500) for key in keys}
    assert result.outcomes == {
        ("clickstream", "accepted"): 2,
        ("clickstream", "invalid"): 1,
        ("orders", "accepted"): 1,
    }
    assert result.reasons == {("clickstream", "not_json"): 1}


def test_partitions_add_up() -> None:
    """The same visitor in two partitions is two visitors; everything else sums as well."""
    one = oracle.count(stream([click(t=0), None]), stream([paid(t=1)]))
    total = oracle.add([one, one, oracle.OracleResult()])
    assert total.cells["all", "all", "click", T0] == (2, 2)
    assert total.money["all", "all", "CNY", "paid", T0] == (2, 200)
    assert total.outcomes["clickstream", "invalid"] == 2
    assert total.reasons["clickstream", "tombstone"] == 2
    assert one.cells["all", "all", "click", T0] == (1, 1)


def test_lines_are_sorted_json() -> None:
    """Node counts first, then money, each in the order of its key fields."""
    result = oracle.count([], stream([paid("v1", 0, line("坑", "1.00", slot="A"))]))
    lines = [json.loads(text) for text in oracle.count_lines(result)]
    assert lines[0] == {
        "dimension": "all",
        "key": "all",
        "node": "paid",
        "bucket_ms": T0,
        "events": 1,
        "visitors": 1,
    }
    assert lines[-1] == {
        "dimension": "slot",
        "key": "A",
        "currency": "CNY",
        "kind": "paid",
        "bucket_ms": T0,
        "orders": 1,
        "amount_minor": 100,
    }
    assert [line["dimension"] for line in lines] == ["all", "banner", "sku", "slot"] * 2
    assert "坑" in oracle.count_lines(result)[2]


def test_a_file_is_one_topic_partition() -> None:
    """Offsets are line numbers, timestamps the field or the event time."""
    lines = [
        click(t=0, kafka_timestamp=T0 + 5),
        click(t=2_000),
        click(event_time="2025-11-09T12:00:00Z"),
        b"?",
    ]
    records = oracle.file_records(lines)
    assert [record.offset for record in records] == [0, 1, 2, 3]
    assert [record.timestamp_ms for record in records] == [T0 + 5, T0 + 2_000, T0, 0]
    assert oracle.count(records, []).outcomes == {
        ("clickstream", "accepted"): 3,
        ("clickstream", "invalid"): 1,
    }


# --- what feeds it -------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Traffic is repeatable, and another seed is other traffic."""
    assert traffic.traffic(7, 200) == traffic.traffic(7, 200)
    assert traffic.traffic(7, 200) != traffic.traffic(8, 200)


def test_traffic_reaches_every_corner() -> None:
    """Every outcome and reason, every node and kind, places found and not found occur."""
    partition = traffic.traffic(1, 4_000)
    result = oracle.count(partition.clickstream, partition.orders, traffic.SMALL_SETTINGS)
    assert {outcome for _, outcome in result.outcomes} == set(Outcome)
    assert {reason for _, reason in result.reasons} == {fault.reason for fault in traffic.FAULTS}
    assert {node for _, _, node, _ in result.cells} == set(SETTINGS.nodes)
    assert {kind for *_, kind, _ in result.money} == {"paid", "refunded", "cancelled"}
    assert {currency for _, _, currency, _, _ in result.money} == {"CNY", "USD", "JPY", "KWD", "XXX"}
    assert {key for dimension, key, *_ in result.money if dimension == "slot"} == {"slot0", "slot1", "(none)"}


def test_traffic_hits_the_bounds_exactly() -> None:
    """Events exactly at, and a millisecond beyond, the bound and the allowed lateness occur often."""
    behind: Counter[int] = Counter()
    newest = 0
    for record in traffic.traffic(2, 4_000).clickstream:
        if _reason(record.value) is None:
            time = oracle.read_event(record.value, SETTINGS).time
            newest = max(newest, time if time <= record.timestamp_ms + 15_000 else 0)
            behind[newest - time] += 1
    assert all(behind[edge] >= 10 for edge in (0, 3_000, 3_001, 20_000, 20_001))


# --- the clock -----------------------------------------------------------------------------------


def test_a_manual_clock_only_moves_on() -> None:
    """It stands still until moved, and refuses to run backwards."""
    clock = ManualClock(100)
    assert (clock.now_ms(), clock.now_ms()) == (100, 100)
    assert (clock.advance(5), clock.move_to(110), clock.now_ms()) == (105, 110, 110)
    with pytest.raises(ValueError, match="backwards"):
        clock.move_to(109)


def test_records_keep_their_place() -> None:
    """A hand-made stream numbers its records and stamps them alike."""
    assert stream([b"a", None], kafka_ms=3) == [Record(0, T0 + 3, b"a"), Record(1, T0 + 3, None)]
