"""Seeded traffic that leans towards every edge of the counting contract.

It promises few visitors, SKUs, slots and orders, so that things collide; times that sit within, at
and one millisecond beyond each bound; every kind of record that is turned away. One generator
serves twice: driven by ``random.Random`` for long runs, and by hypothesis, which shrinks it. It
refuses to be realistic: shares and delays are those that find faults, not those of a shop.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st

from streams.events import MAX_FIELD_BYTES, MAX_RECORD_BYTES, MAX_SKUS, Reason, Record
from tests.support.builders import T0
from tests.support.oracle import BUCKET_MS, CLICKSTREAM, ORDERS, OracleSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import DrawFn, SearchStrategy

Document = dict[str, Any]
SMALL_SETTINGS = OracleSettings(
    max_out_of_orderness_ms=3_000,
    allowed_lateness_ms=20_000,
    max_future_ms=15_000,
    dedupe_horizon_ms=40_000,
    attribution_window_ms=30_000,
)
_CURRENCIES = {"CNY": 2, "USD": 2, "JPY": 0, "KWD": 3}
_ZONES = (UTC, timezone(timedelta(hours=8)), timezone(-timedelta(hours=9, minutes=30)))
_EVENTS = {
    CLICKSTREAM: {"exposure": 5, "click": 6, "view": 3, "cart": 2, "checkout": 2},
    ORDERS: {
        "order": 3,
        "paid": 6,
        "refunded": 3,
        "cancelled": 2,
        "payment_attempt": 3,
        "payment_failed": 2,
    },
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How crowded the traffic is: the pools that ids are drawn from, and how often time jumps."""

    visitors: int = 3
    skus: int = 3
    slots: int = 2
    orders: int = 3
    gap_share: float = 0.06
    rejected_share: float = 0.08


class Partition(NamedTuple):
    """One source partition: its two topic-partitions, each in offset order."""

    clickstream: list[Record]
    orders: list[Record]


class _Moment(NamedTuple):
    """When a draft happens: ``delta_ms`` from where ``anchor`` points."""

    anchor: str  # "newest" of its topic, "previous" draft, or start of the "bucket"
    delta_ms: int
    back: int = 1  # which earlier draft, for "previous"


class Draft(NamedTuple):
    """A record before it has a place in a topic."""

    topic: str
    moment: _Moment
    document: Document
    repeat: int | None = None  # takes the event id of that many drafts ago
    verbatim: bool = False  # takes its whole value too
    future_ms: int | None = None  # how far beyond (or before) the future bound
    written: timezone | None = None  # event time as RFC 3339 in this zone, else as a number
    fault: int | None = None  # index into FAULTS
    heartbeat: bool = False  # one of ours, and no event


# --- faults: one record spoiled in one way -------------------------------------------------------


class Fault(NamedTuple):
    """A way to spoil a good record, and the reason it must then be given."""

    reason: Reason
    spoil: Callable[[Document], bytes | Document | None]
    needs_items: bool = False


def _with(**fields: Any) -> Callable[[Document], Document]:
    return lambda document: {**document, **fields}


def _without(name: str) -> Callable[[Document], Document]:
    return lambda document: {key: value for key, value in document.items() if key != name}


def _with_item(**fields: Any) -> Callable[[Document], Document]:
    return lambda document: {**document, "items": [*document["items"], {**_GOOD_ITEM, **fields}]}


def _bytes(value: bytes | None) -> Callable[[Document], bytes | None]:
    return lambda _: value


def _padded(document: Document) -> bytes:
    value = json.dumps(document).encode()
    return value + b" " * (MAX_RECORD_BYTES + 1 - len(value))


_GOOD_ITEM = {"sku": "S0", "price": "1", "quantity": 1}
FAULTS = (
    Fault(Reason.TOMBSTONE, _bytes(None)),
    Fault(Reason.RECORD_TOO_LARGE, _padded),
    Fault(Reason.NOT_JSON, _bytes(b'{"event_id": "e1"')),
    Fault(Reason.NOT_JSON, _bytes(b"")),
    Fault(Reason.NOT_UTF8, _bytes(b'{"event_id": "\xff\xfe"}')),
    Fault(Reason.WRONG_TYPE, _bytes(b"[]")),
    Fault(Reason.NESTING_TOO_DEEP, _bytes(b"[" * 30_000 + b"]" * 30_000)),
    Fault(Reason.UNKNOWN_EVENT, _with(event="scroll")),
    *(
        Fault(Reason.MISSING_FIELD, _without(name))
        for name in ("event_id", "event_time", "event", "visitor_id")
    ),
    *(
        Fault(Reason.EMPTY_FIELD, _with(**{name: ""}))
        for name in ("event_id", "visitor_id", "slot", "banner")
    ),
    *(
        Fault(Reason.WRONG_TYPE, _with(**{name: 7}))
        for name in ("event_id", "event", "visitor_id", "slot", "sku")
    ),
    Fault(Reason.FIELD_TOO_LONG, _with(visitor_id="v" * (MAX_FIELD_BYTES + 1))),
    Fault(Reason.FIELD_TOO_LONG, _with(slot="坑" * (MAX_FIELD_BYTES // 3 + 1))),
    Fault(Reason.CONTROL_CHARACTER, _with(slot="home\n1")),
    Fault(Reason.CONTROL_CHARACTER, _with(banner="\u202ehero")),
    Fault(Reason.RESERVED_KEY, _with(sku="(none)")),
    Fault(Reason.RESERVED_KEY, _with(slot="(other)")),
    Fault(Reason.TOO_MANY_ITEMS, _with(sku=[f"S{number}" for number in range(MAX_SKUS + 1)])),
    Fault(Reason.TIME_IN_SECONDS, _with(event_time=T0 // 1_000)),
    Fault(Reason.TIME_IN_MICROSECONDS, _with(event_time=T0 * 1_000)),
    Fault(Reason.BAD_TIME, _with(event_time="2025-11-09T12:00:00")),
    Fault(Reason.BAD_TIME, _with(event_time="yesterday")),
    Fault(Reason.WRONG_TYPE, _with(event_time=True)),
    Fault(Reason.UNKNOWN_CURRENCY, _with(currency="cny"), needs_items=True),
    Fault(Reason.MISSING_FIELD, _without("order_id"), needs_items=True),
    Fault(Reason.MISSING_FIELD, _without("currency"), needs_items=True),
    Fault(Reason.WRONG_TYPE, _with_item(price=1.5), needs_items=True),
    Fault(Reason.WRONG_TYPE, _with_item(price=1), needs_items=True),
    Fault(Reason.BAD_PRICE, _with_item(price="cheap"), needs_items=True),
    Fault(Reason.NEGATIVE_PRICE, _with_item(price="-1"), needs_items=True),
    Fault(Reason.NEGATIVE_PRICE, _with_item(price=-1, minor=True), needs_items=True),
    Fault(Reason.PRICE_PRECISION, _with_item(price="1.00001"), needs_items=True),
    Fault(Reason.BAD_QUANTITY, _with_item(quantity=0), needs_items=True),
)


# --- drafts: one record at a time, from any source of randomness ---------------------------------


def draft(rng: Random, settings: OracleSettings, shape: Shape) -> Draft:
    """One record's description, independent of those before it."""
    topic = rng.choice([CLICKSTREAM, CLICKSTREAM, ORDERS])
    name = _weighted(rng, _EVENTS[topic])
    if _chance(rng, 0.05):
        topic = ORDERS if topic == CLICKSTREAM else CLICKSTREAM
    made = Draft(topic, _moment(rng, settings, shape), _document(rng, name, shape))
    if _chance(rng, 0.12):
        made = made._replace(repeat=rng.randint(1, 8), verbatim=_chance(rng, 0.4))
    if _chance(rng, 0.05):
        made = made._replace(written=rng.choice(_ZONES))
    if _chance(rng, 0.03):
        return made._replace(future_ms=rng.choice([0, 1, 1, 5_000]))
    if _chance(rng, shape.rejected_share):
        return made._replace(fault=_fault(rng, made.document))
    return made._replace(heartbeat=_chance(rng, 0.02))


def _chance(rng: Random, share: float) -> bool:
    return rng.randrange(100) >= 100 - round(100 * share)  # false at 0, where hypothesis shrinks to


def _weighted(rng: Random, weights: dict[str, int]) -> str:
    return rng.choice([name for name, weight in weights.items() for _ in range(weight)])


def _fault(rng: Random, document: Document) -> int:
    with_items = document["event"] in ("order", "paid") and _chance(rng, 0.5)
    return rng.choice([index for index, fault in enumerate(FAULTS) if fault.needs_items == with_items])


def _moment(rng: Random, settings: OracleSettings, shape: Shape) -> _Moment:
    bound, lateness = settings.max_out_of_orderness_ms, settings.allowed_lateness_ms
    window, horizon = settings.attribution_window_ms, settings.dedupe_horizon_ms
    edges = [bound, bound + 1, lateness, lateness + 1]
    if _chance(rng, shape.gap_share):
        gap = rng.choice([window, window + 1, horizon, horizon + 1])
        return _Moment("previous", gap, rng.randint(1, 3))
    kind = rng.randrange(10)
    if kind < 5:
        return _Moment("newest", rng.randint(0, bound // 3))
    if kind < 7:
        return _Moment("newest", -rng.choice([rng.randint(0, bound), rng.randint(bound, lateness), *edges]))
    if kind < 8:
        return _Moment("bucket", rng.choice([-1, 0, BUCKET_MS - 1, BUCKET_MS]))
    if kind < 9:
        return _Moment("previous", rng.choice([0, 0, 1, -1]), rng.randint(1, 6))
    return _Moment("previous", -rng.choice([*edges, horizon, horizon + 1, window]), rng.randint(1, 3))


def _document(rng: Random, name: str, shape: Shape) -> Document:
    document: Document = {"event": name, "visitor_id": f"v{rng.randrange(shape.visitors)}"}
    document |= _placing(rng, shape, 0.6 if name in ("exposure", "click") else 0.15)
    if _chance(rng, 0.6):
        document["channel"] = rng.choice(["app", "web"])
    if name in _EVENTS[ORDERS]:
        document |= _order_fields(rng, name, shape)
        skus_share = 0.1 if "items" not in document else 0.0
    else:
        skus_share = 0.8
    if _chance(rng, skus_share):
        document["sku"] = _skus(rng, shape)
    return document


def _placing(rng: Random, shape: Shape, share: float) -> Document:
    placing: Document = {}
    if _chance(rng, share):
        placing["slot"] = f"slot{rng.randrange(shape.slots)}"
    if _chance(rng, share):
        placing["banner"] = f"banner{rng.randrange(shape.slots)}"
    return placing


def _sku(rng: Random, shape: Shape) -> str:
    return f"S{rng.randrange(shape.skus)}"


def _skus(rng: Random, shape: Shape) -> str | list[str]:
    if _chance(rng, 0.3):
        return [_sku(rng, shape) for _ in range(rng.randint(1, 4))]
    return _sku(rng, shape)


def _order_fields(rng: Random, name: str, shape: Shape) -> Document:
    required = name in ("order", "paid")
    known = shape.orders if required else shape.orders + 1  # the last one is never paid
    fields: Document = {"order_id": f"o{rng.randrange(known)}"}
    with_items = required or _chance(rng, 0.4)
    if name in ("payment_attempt", "payment_failed", "paid") and _chance(rng, 0.4):
        fields["payment_method"] = rng.choice(["card", "alipay"])
    if name.startswith("payment") and _chance(rng, 0.1):
        del fields["order_id"]
    if with_items or _chance(rng, 0.3):
        fields["currency"] = rng.choice(list(_CURRENCIES))
    if with_items:
        decimals = _CURRENCIES[fields["currency"]]
        fields["items"] = [_item(rng, shape, decimals) for _ in range(rng.choice([1, 1, 2, 3]))]
    return fields


def _item(rng: Random, shape: Shape, decimals: int) -> Document:
    item: Document = {"sku": _sku(rng, shape)} | _placing(rng, shape, 0.35)
    minor = rng.choice([0, 1, 990, 1_000, 123_456])
    if _chance(rng, 0.25):
        item |= {"price": minor, "minor": True}
    else:
        item["price"] = _decimal(minor, decimals) + _trailing_zeros(rng, decimals)
    if _chance(rng, 0.5):
        item["quantity"] = rng.randint(1, 3)
    return item


def _decimal(minor: int, decimals: int) -> str:
    whole, fraction = divmod(minor, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}" if decimals else str(whole)


def _trailing_zeros(rng: Random, decimals: int) -> str:
    if not _chance(rng, 0.15):
        return ""
    return "00" if decimals else ".0"


# --- topics: drafts in the order they are written ------------------------------------------------


@dataclass(slots=True)
class _Writer:
    """Gives drafts their times, ids and offsets, one after the other."""

    settings: OracleSettings
    topics: dict[str, list[Record]] = field(default_factory=lambda: {CLICKSTREAM: [], ORDERS: []})
    newest: dict[str, int] = field(default_factory=lambda: {CLICKSTREAM: T0, ORDERS: T0})
    written: list[tuple[str, int, bytes]] = field(default_factory=list)

    def write(self, made: Draft) -> None:
        """Appends one record to its topic."""
        if made.heartbeat:
            stamp = max(self.newest.values())
            beat = b'{"event":"funnelwatch_heartbeat","event_id":"%d","event_time":%d,"visitor_id":"funnelwatch"}'
            self._append(made.topic, stamp, beat % (stamp, stamp))
            return
        event_id, time, value = self._id(made), self._time(made), None
        if made.verbatim and made.repeat is not None and made.repeat <= len(self.written):
            event_id, time, value = self.written[-made.repeat]
        document = {"event_id": event_id, "event_time": _time_field(time, made.written), **made.document}
        value = value or json.dumps(document, ensure_ascii=False).encode()
        self.written.append((event_id, time, value))
        stamp = max(time, *self.newest.values())
        if made.future_ms is not None:
            stamp = time - self.settings.max_future_ms - made.future_ms
        self._append(made.topic, stamp, value if made.fault is None else _spoiled(document, made.fault))
        if made.fault is None and not (made.future_ms or 0) > 0:
            self.newest[made.topic] = max(self.newest[made.topic], time)

    def _id(self, made: Draft) -> str:
        if made.repeat is not None and made.repeat <= len(self.written):
            return self.written[-made.repeat][0]
        return f"e{len(self.written)}"

    def _time(self, made: Draft) -> int:
        moment, newest = made.moment, self.newest[made.topic]
        if moment.anchor == "bucket":
            return newest // BUCKET_MS * BUCKET_MS + moment.delta_ms
        if moment.anchor == "previous" and moment.back <= len(self.written):
            return self.written[-moment.back][1] + moment.delta_ms
        return newest + moment.delta_ms

    def _append(self, topic: str, stamp: int, value: bytes | None) -> None:
        records = self.topics[topic]
        records.append(Record(len(records), stamp, value))


def _time_field(time: int, zone: timezone | None) -> int | str:
    if zone is None:
        return time
    moment = datetime.fromtimestamp(time // 1_000, zone) + timedelta(milliseconds=time % 1_000)
    return moment.isoformat(timespec="milliseconds")


def _spoiled(document: Document, fault: int) -> bytes | None:
    spoiled = FAULTS[fault].spoil(document)
    return json.dumps(spoiled, ensure_ascii=False).encode() if isinstance(spoiled, dict) else spoiled


def write(drafts: list[Draft], settings: OracleSettings) -> Partition:
    """The two topic-partitions that the drafts make, in their order."""
    writer = _Writer(settings)
    for made in drafts:
        writer.write(made)
    return Partition(writer.topics[CLICKSTREAM], writer.topics[ORDERS])


def traffic(
    seed: int, records: int, settings: OracleSettings = SMALL_SETTINGS, shape: Shape | None = None
) -> Partition:
    """``records`` records of one source partition; the same seed gives the same bytes."""
    rng, shape = Random(seed), shape or Shape()
    return write([draft(rng, settings, shape) for _ in range(records)], settings)


# --- the same for hypothesis ---------------------------------------------------------------------


def all_settings() -> SearchStrategy[OracleSettings]:
    """Settings in several proportions: the contract's, small ones, and bounds that coincide."""
    coinciding = OracleSettings(
        max_out_of_orderness_ms=10_000,
        allowed_lateness_ms=10_000,
        max_future_ms=0,
        dedupe_horizon_ms=10_000,
        attribution_window_ms=10_000,
        remembered_orders=2,
    )
    no_disorder = OracleSettings(
        max_out_of_orderness_ms=0, allowed_lateness_ms=5_000, dedupe_horizon_ms=7_000
    )
    return st.sampled_from([SMALL_SETTINGS, OracleSettings(), coinciding, no_disorder])


@st.composite
def drafts(draw: DrawFn, settings: OracleSettings, max_size: int = 40) -> list[Draft]:
    """Lists of drafts, each shrinking on its own; some lists are long from the start."""
    one = st.randoms(use_true_random=False).map(lambda rng: draft(rng, settings, Shape()))
    at_least = draw(st.sampled_from([0, max_size // 4, max_size // 2]))
    return draw(st.lists(one, min_size=at_least, max_size=max_size))


@st.composite
def partitions(draw: DrawFn, settings: OracleSettings, max_size: int = 40) -> Partition:
    """One source partition; a topic may be empty or end early."""
    partition = write(draw(drafts(settings, max_size)), settings)
    topic = draw(st.sampled_from([None, None, None, CLICKSTREAM, ORDERS]))
    keep = draw(st.integers(0, 5)) if topic else 0
    if topic == CLICKSTREAM:
        return partition._replace(clickstream=partition.clickstream[:keep])
    return partition._replace(orders=partition.orders[:keep]) if topic else partition
