"""The tables behind :mod:`tests.support.bad_records`: values that are wrong, and why."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from streams.events import Outcome, Reason

_SNOWPLOW: Final = "com_snowplowanalytics_snowplow"
ACTION: Final = f"unstruct_event_{_SNOWPLOW}_ecommerce_snowplow_ecommerce_action_1"
PRODUCT: Final = f"contexts_{_SNOWPLOW}_ecommerce_product_1"
PROMOTION: Final = f"contexts_{_SNOWPLOW}_ecommerce_promotion_1"
TRANSACTION: Final = f"contexts_{_SNOWPLOW}_ecommerce_transaction_1"
ABSENT: Final = object()

# Where each format keeps what all formats have. Paths are dotted, indexes too; "line_..." is one line of an order.
FIELDS: Final[dict[str, dict[str, str]]] = {
    "native": {
        "id": "event_id",
        "time": "event_time",
        "name": "event",
        "visitor": "visitor_id",
        "slot": "slot",
        "banner": "banner",
        "sku": "sku",
        "order": "order_id",
        "currency": "currency",
        "lines": "items",
        "line_sku": "items.0.sku",
        "line_price": "items.0.price",
        "line_quantity": "items.0.quantity",
    },
    "ga4": {
        "name": "events.0.name",
        "visitor": "user_id",
        "slot": "events.0.params.creative_slot",
        "banner": "events.0.params.creative_name",
        "sku": "events.0.params.items.0.item_id",
        "order": "events.1.params.transaction_id",
        "currency": "events.1.params.currency",
        "lines": "events.1.params.items",
        "line_sku": "events.1.params.items.0.item_id",
        "line_price": "events.1.params.items.0.price",
        "line_quantity": "events.1.params.items.0.quantity",
    },
    "segment": {
        "id": "messageId",
        "time": "timestamp",
        "name": "event",
        "visitor": "userId",
        "slot": "properties.position",
        "banner": "properties.creative",
        "sku": "properties.sku",
        "order": "properties.order_id",
        "currency": "properties.currency",
        "lines": "properties.products",
        "line_sku": "properties.products.0.sku",
        "line_price": "properties.products.0.price",
        "line_quantity": "properties.products.0.quantity",
    },
    "snowplow": {
        "id": "event_id",
        "time": "derived_tstamp",
        "name": f"{ACTION}.type",
        "visitor": "domain_userid",
        "slot": f"{PROMOTION}.0.slot",
        "banner": f"{PROMOTION}.0.creative_id",
        "sku": f"{PROMOTION}.0.product_ids.0",
        "order": f"{TRANSACTION}.0.transaction_id",
        "currency": f"{PRODUCT}.0.currency",
        "lines": PRODUCT,
        "line_sku": f"{PRODUCT}.0.id",
        "line_price": f"{PRODUCT}.0.price",
        "line_quantity": f"{PRODUCT}.0.quantity",
    },
    "sensorsdata": {
        "time": "time",
        "name": "event",
        "visitor": "distinct_id",
        "slot": "properties.slot_id",
        "banner": "properties.banner_id",
        "sku": "properties.product_id",
        "order": "properties.order_id",
        "currency": "properties.currency",
        "lines": "properties.products",
        "line_sku": "properties.products.0.product_id",
        "line_price": "properties.products.0.product_price",
        "line_quantity": "properties.products.0.product_quantity",
    },
}
FIELDS["mapping"] = FIELDS["native"]

_TOO_LONG: Final = ("x" * 257, Reason.FIELD_TOO_LONG)
_ID: Final = [("", Reason.EMPTY_FIELD), _TOO_LONG, (True, Reason.WRONG_TYPE), ({}, Reason.WRONG_TYPE)]
_KEY: Final = [
    ("", Reason.EMPTY_FIELD),
    _TOO_LONG,
    ("页" * 86, Reason.FIELD_TOO_LONG),  # 258 bytes in 86 characters
    ("a\x00b", Reason.CONTROL_CHARACTER),
    ("a\x1b[31m", Reason.CONTROL_CHARACTER),
    ("a\x85b", Reason.CONTROL_CHARACTER),
    ("a\u202eb", Reason.CONTROL_CHARACTER),  # right-to-left override
    ("a\u2066b", Reason.CONTROL_CHARACTER),  # left-to-right isolate
    ("a\u200db", Reason.CONTROL_CHARACTER),  # zero-width joiner
    ("\ufeffa", Reason.CONTROL_CHARACTER),
    ("a\u2028b", Reason.CONTROL_CHARACTER),
    ("(none)", Reason.RESERVED_KEY),
    ("(other)", Reason.RESERVED_KEY),
    (1.5, Reason.WRONG_TYPE),
    (False, Reason.WRONG_TYPE),
]
# What is wrong in every format that has the field.
SHARED: Final[dict[str, list[tuple[object, Reason]]]] = {
    "id": [(ABSENT, Reason.MISSING_FIELD), *_ID],
    "name": [(ABSENT, Reason.MISSING_FIELD), ("", Reason.EMPTY_FIELD), ([], Reason.WRONG_TYPE)],
    "visitor": _ID,
    "slot": _KEY,
    "banner": _KEY,
    "sku": _KEY,
    "time": [
        (ABSENT, Reason.MISSING_FIELD),
        (1_762_689_603, Reason.TIME_IN_SECONDS),
        (0, Reason.TIME_IN_SECONDS),
        (-1, Reason.TIME_IN_SECONDS),
        (1_762_689_603_125_000, Reason.TIME_IN_MICROSECONDS),
        (10**30, Reason.TIME_IN_MICROSECONDS),
        (1_762_689_603_125.5, Reason.WRONG_TYPE),
        (True, Reason.WRONG_TYPE),
        ("", Reason.EMPTY_FIELD),
        ("yesterday", Reason.BAD_TIME),
        ("1762689603125", Reason.BAD_TIME),
        ("2025-11-09T12:00Z", Reason.BAD_TIME),
        ("20251109T120003Z", Reason.BAD_TIME),
        ("2025-W45-7T12:00:03Z", Reason.BAD_TIME),
        ("2025-02-30T12:00:03Z", Reason.BAD_TIME),
        ("2025-11-09T12:00:03+24:00", Reason.BAD_TIME),
        ("1970-01-01T00:00:00Z", Reason.BAD_TIME),
        ("\uff12025-11-09T12:00:03Z", Reason.BAD_TIME),
    ],
    "order": [(ABSENT, Reason.MISSING_FIELD), *_ID],
    "currency": [
        ("", Reason.EMPTY_FIELD),
        ("ABC", Reason.UNKNOWN_CURRENCY),
        ("cny", Reason.UNKNOWN_CURRENCY),
        ("XAU", Reason.UNKNOWN_CURRENCY),
        ([], Reason.WRONG_TYPE),
    ],
    "lines": [(ABSENT, Reason.MISSING_FIELD), ([], Reason.MISSING_FIELD), ("none", Reason.WRONG_TYPE)],
    "line_sku": [
        ("", Reason.EMPTY_FIELD),
        ("a\x07", Reason.CONTROL_CHARACTER),
        ("(none)", Reason.RESERVED_KEY),
    ],
    "line_price": [
        ("", Reason.EMPTY_FIELD),
        ("-0.01", Reason.NEGATIVE_PRICE),
        *(
            (text, Reason.BAD_PRICE)
            for text in ("abc", "1e3", " 1", "1 ", "1_000", "NaN", "Infinity", "+1", "1,5")
        ),
        *((text, Reason.BAD_PRICE) for text in ("\uff11\uff12", "\u0663", "5.", ".5", "0x10", "¥5")),
        ("39.905", Reason.PRICE_PRECISION),
        ("10000000000000.01", Reason.PRICE_TOO_LARGE),
        ("9" * 200, Reason.PRICE_TOO_LARGE),
        ("9" * 300, Reason.FIELD_TOO_LONG),
        (True, Reason.WRONG_TYPE),
        (["1"], Reason.WRONG_TYPE),
    ],
    "line_quantity": [
        *((number, Reason.BAD_QUANTITY) for number in (0, -1, 1_000_001, 10**30)),
        ([1], Reason.WRONG_TYPE),
        (True, Reason.WRONG_TYPE),
    ],
}
# Prices and quantities that are JSON numbers; the native format takes decimal strings only.
VENDORS: Final[dict[str, list[tuple[object, Reason]]]] = {
    "line_price": [
        (-0.01, Reason.NEGATIVE_PRICE),
        (-5, Reason.NEGATIVE_PRICE),
        (1e14, Reason.PRICE_TOO_LARGE),
        (1e300, Reason.PRICE_TOO_LARGE),
        (10**30, Reason.PRICE_TOO_LARGE),
    ],
    "line_quantity": [
        (1.5, Reason.BAD_QUANTITY),
        ("two", Reason.BAD_QUANTITY),
        ("\uff12", Reason.BAD_QUANTITY),
    ],
}


class Change(NamedTuple):
    """What makes the valid record ``of`` a bad one; without ``put`` it stays as it is."""

    case: str
    of: str
    put: dict[str, Any]
    reason: Reason
    field: str
    headers: dict[str, str] = {}  # noqa: RUF012  # never changed
    outcome: Outcome = Outcome.INVALID


def unmapped(case: str, of: str, put: dict[str, Any], field: str) -> Change:
    """A record that is fine but belongs to no node."""
    return Change(case, of, put, Reason.UNKNOWN_EVENT, field, outcome=Outcome.UNMAPPED)


_BINARY: Final = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/clicks", "ce_type": "click"}
_MANY: Final = [{"sku": "a", "item_id": "a", "product_id": "a", "id": "a", "price": "1"}] * 501

# What only one format can get wrong.
OWN: Final[list[Change]] = [
    Change("price as a float", "native.paid", {"items.0.price": 39.9}, Reason.WRONG_TYPE, "items[0].price"),
    Change("bare minor units", "native.paid", {"items.0.price": 3990}, Reason.WRONG_TYPE, "items[0].price"),
    Change("one bad SKU of a list", "native.click", {"sku": ["a", ""]}, Reason.EMPTY_FIELD, "sku[1]"),
    Change("501 SKUs", "native.click", {"sku": ["a"] * 501}, Reason.TOO_MANY_ITEMS, "sku"),
    Change("501 SKUs", "mapping.click", {"sku": ["a"] * 501}, Reason.TOO_MANY_ITEMS, "sku"),
    Change("a text for an object", "mapping.paid", {"items": ["a"]}, Reason.WRONG_TYPE, "items[0]"),
    *(
        Change("501 lines", f"{name}.paid", {FIELDS[name]["lines"]: _MANY}, Reason.TOO_MANY_ITEMS, field)
        for name, field in [
            ("native", "items"),
            ("mapping", "items"),
            ("ga4", "events[1].params.items"),
            ("segment", "properties.products"),
            ("snowplow", PRODUCT),
            ("sensorsdata", "properties.products"),
        ]
    ),
    *(
        Change(f"micros {value!r:.24}", "ga4.click", {where: value}, reason, field)
        for where, field in [
            ("timestamp_micros", "timestamp_micros"),
            ("events.0.timestamp_micros", "events[0].timestamp_micros"),
        ]
        for value, reason in [
            (1_762_689_603, Reason.TIME_IN_SECONDS),
            (1_762_689_603_125, Reason.BAD_TIME),
            (1_762_689_603_125_000_000, Reason.BAD_TIME),
            (10**30, Reason.BAD_TIME),
            (1_762_689_603_125_000.5, Reason.WRONG_TYPE),
            ("soon", Reason.BAD_TIME),
            ("", Reason.BAD_TIME),
            (True, Reason.WRONG_TYPE),
        ]
    ),
    Change(
        "no time at all", "ga4.click", {"timestamp_micros": ABSENT}, Reason.MISSING_FIELD, "timestamp_micros"
    ),
    Change(
        "no visitor", "ga4.click", {"user_id": None, "client_id": None}, Reason.MISSING_FIELD, "client_id"
    ),
    Change("no events", "ga4.click", {"events": ABSENT}, Reason.MISSING_FIELD, "events"),
    Change("empty events", "ga4.click", {"events": []}, Reason.MISSING_FIELD, "events"),
    Change("events of the wrong type", "ga4.click", {"events": {}}, Reason.WRONG_TYPE, "events"),
    Change("26 events", "ga4.click", {"events": [{"name": "x"}] * 26}, Reason.TOO_MANY_ITEMS, "events"),
    Change(
        "params of the wrong type", "ga4.click", {"events.0.params": 1}, Reason.WRONG_TYPE, "events[0].params"
    ),
    Change(
        "item without id and name",
        "ga4.click",
        {"events.0.params.items": [{}]},
        Reason.MISSING_FIELD,
        "events[0].params.items[0].item_id",
    ),
    unmapped("nothing mapped", "ga4.click", {"events": [{"name": "a"}, {"name": "b"}]}, "events[0].name"),
    unmapped("a page call", "segment.click", {"type": "page"}, "type"),
    Change("no visitor", "segment.click", {"userId": ABSENT}, Reason.MISSING_FIELD, "anonymousId"),
    Change(
        "properties of the wrong type", "segment.click", {"properties": []}, Reason.WRONG_TYPE, "properties"
    ),
    Change("no visitor", "snowplow.click", {"domain_userid": ABSENT}, Reason.MISSING_FIELD, "domain_userid"),
    Change(
        "product without id",
        "snowplow.paid",
        {f"{PRODUCT}.0.id": None},
        Reason.MISSING_FIELD,
        f"{PRODUCT}[0].id",
    ),
    Change(
        "two currencies",
        "snowplow.paid",
        {PRODUCT: [{"id": "a", "price": 1, "currency": "EUR"}, {"id": "b", "price": 1, "currency": "GBP"}]},
        Reason.UNKNOWN_CURRENCY,
        f"{PRODUCT}[1].currency",
    ),
    Change(
        "no transaction",
        "snowplow.paid",
        {TRANSACTION: []},
        Reason.MISSING_FIELD,
        f"{TRANSACTION}[0].transaction_id",
    ),
    Change("entity of the wrong type", "snowplow.paid", {TRANSACTION: {}}, Reason.WRONG_TYPE, TRANSACTION),
    unmapped("a page view", "snowplow.click", {ACTION: None, "event_name": "page_view"}, "event_name"),
    unmapped("a profile", "sensorsdata.click", {"type": "profile_set", "event": None}, "type"),
    Change("no visitor", "sensorsdata.click", {"distinct_id": ABSENT}, Reason.MISSING_FIELD, "distinct_id"),
    Change(
        "properties of the wrong type",
        "sensorsdata.click",
        {"properties": 1},
        Reason.WRONG_TYPE,
        "properties",
    ),
    *(
        Change(f"no {name}", "cloudevents.click", {name: ABSENT}, Reason.MISSING_FIELD, name)
        for name in ("specversion", "id", "source", "type", "data")
    ),
    Change(
        "other version",
        "cloudevents.click",
        {"specversion": "2.0"},
        Reason.UNSUPPORTED_CONTENT,
        "specversion",
    ),
    Change(
        "other data",
        "cloudevents.click",
        {"datacontenttype": "application/avro"},
        Reason.UNSUPPORTED_CONTENT,
        "datacontenttype",
    ),
    Change(
        "bad base64",
        "cloudevents.click",
        {"data": None, "data_base64": "§"},
        Reason.UNSUPPORTED_CONTENT,
        "data_base64",
    ),
    Change(
        "base64 of no JSON",
        "cloudevents.click",
        {"data": None, "data_base64": "AAAA"},
        Reason.NOT_JSON,
        "data",
    ),
    Change("no offset", "cloudevents.click", {"time": "2025-11-09T12:00:03"}, Reason.BAD_TIME, "time"),
    Change("no time at all", "cloudevents.click", {"time": ABSENT}, Reason.MISSING_FIELD, "data.event_time"),
    Change("data of the wrong type", "cloudevents.click", {"data": "click"}, Reason.WRONG_TYPE, "data"),
    Change("a bad field inside", "cloudevents.click", {"data.slot": ""}, Reason.EMPTY_FIELD, "data.slot"),
    unmapped("an unknown type", "cloudevents.click", {"type": "com.example.other"}, "data.event"),
    Change(
        "a batch",
        "cloudevents.click",
        {},
        Reason.UNSUPPORTED_CONTENT,
        "content-type",
        {"content-type": "application/cloudevents-batch+json"},
    ),
    Change("binary, no id", "cloudevents.click", {}, Reason.MISSING_FIELD, "ce_id", _BINARY | {"ce_id": ""}),
    Change(
        "binary, other data",
        "cloudevents.click",
        {},
        Reason.UNSUPPORTED_CONTENT,
        "content-type",
        _BINARY | {"content-type": "application/protobuf"},
    ),
]

# What is wrong whatever the format.
BYTES: Final[list[tuple[str, bytes | None, Reason]]] = [
    ("tombstone", None, Reason.TOMBSTONE),
    ("nothing", b"", Reason.NOT_JSON),
    ("white space", b" \n", Reason.NOT_JSON),
    ("plain text", b"click v1 home.top.1", Reason.NOT_JSON),
    ("cut off", b'{"event":"cli', Reason.NOT_JSON),
    ("NaN", b"NaN", Reason.NOT_JSON),
    ("infinity in a field that no one reads", b'{"zzz":-Infinity}', Reason.NOT_JSON),
    ("byte order mark", b"\xef\xbb\xbf{}", Reason.NOT_JSON),
    ("half a surrogate pair", b'{"event":"\\ud800"}', Reason.NOT_JSON),
    ("a bare control character", b'{"event":"a\x01"}', Reason.NOT_JSON),
    ("an array", b"[]", Reason.WRONG_TYPE),
    ("a number", b"1", Reason.WRONG_TYPE),
    ("null", b"null", Reason.WRONG_TYPE),
    ("a string", b'"click"', Reason.WRONG_TYPE),
    ("invalid UTF-8 in a value", b'{"event":"\xff"}', Reason.NOT_UTF8),
    ("invalid UTF-8 in a field that no one reads", b'{"zzz":"\xc3("}', Reason.NOT_UTF8),
    ("a surrogate in UTF-8", b'{"event":"\xed\xa0\x80"}', Reason.NOT_UTF8),
    ("UTF-16", '{"a":1}'.encode("utf-16"), Reason.NOT_UTF8),
    ("arrays 129 deep", b"[" * 129 + b"]" * 129, Reason.NESTING_TOO_DEEP),
    ("arrays 30,000 deep", b"[" * 30_000 + b"]" * 30_000, Reason.NESTING_TOO_DEEP),
    ("objects 10,000 deep, never closed", b'{"a":' * 10_000, Reason.NESTING_TOO_DEEP),
    ("a byte over 64 KiB", b'{"zzz":"' + b"x" * (64 * 1024 - 9) + b'"}', Reason.RECORD_TOO_LARGE),
    ("10 MB", b"[" * 10_000_000, Reason.RECORD_TOO_LARGE),
]
