"""The slow oracle: what the counting contract says, written as plainly as it can be.

It promises to be obviously right: raw records in native format, one sort, dictionaries that never
forget, ``decimal`` for money. It shares no code with the formats or the core; only the names of
outcomes, reasons, nodes and limits. It refuses to be fast, to be bounded, or to know a wall clock:
it sees one source partition whole, and a plain sort stands in for releasing by watermark.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

from streams.events import (
    MAX_FIELD_BYTES,
    MAX_LINES,
    MAX_RECORD_BYTES,
    MAX_SKUS,
    MAX_TIME_MS,
    MIN_TIME_MS,
    Outcome,
    Reason,
    Record,
)
from streams.funnel import ALL, DEFAULT_NODES, NONE, ORDER_OUTCOMES, RESERVED_KEYS, REVERSALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CLICKSTREAM = "clickstream"
ORDERS = "orders"
BUCKET_MS = 10_000
# Dimensions that are counted beside the funnel's, and when bins of lags begin, in seconds.
LAG, PAYMENT_METHOD, COMBINATION = "(lag)", "(payment_method)", "(combination)"
LAG_SECONDS = (0, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1_200, 1_800)
PAYMENT_EVENTS = ("payment_attempt", "payment_failed", "paid")
# Of a visitor's clicks, and of those on one SKU, so many newest ones may be touches.
MOST_TOUCHES = 16
UNKNOWN_CURRENCY = "XXX"
# ISO 4217: active codes by their number of decimals.
_CODES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF"
    " CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD"
    " GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL"
    " MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR"
    " PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP"
    " TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
DECIMALS = {code: places for places, codes in _CODES.items() for code in codes.split()}
_PRICE = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HIDDEN_CHARACTERS = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class OracleSettings:
    """The rules' parameters, all times in milliseconds; defaults are the contract's."""

    max_out_of_orderness_ms: int = 5_000
    allowed_lateness_ms: int = 600_000
    max_future_ms: int = 300_000
    dedupe_horizon_ms: int = 3_600_000
    attribution_window_ms: int = 1_800_000
    attribution: Literal["last", "first", "linear"] = "last"
    remembered_orders: int = 200_000
    nodes: tuple[str, ...] = DEFAULT_NODES
    extra_dimensions: tuple[str, ...] = ()


@dataclass(slots=True)
class OracleResult:
    """Everything that was counted; a key that was never counted is absent.

    ``cells`` maps (dimension, key, node, bucket_ms) to (events, visitors), ``money`` maps
    (dimension, key, currency, kind, bucket_ms) to (orders, amount in minor units), the next two
    map (topic, word) to a number of records. ``inner`` is like ``cells``, of the dimensions that
    nobody is shown.
    """

    cells: dict[tuple[str, str, str, int], tuple[int, int]] = field(default_factory=dict)
    money: dict[tuple[str, str, str, str, int], tuple[int, int]] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)
    reasons: dict[tuple[str, str], int] = field(default_factory=dict)
    inner: dict[tuple[str, str, str, int], tuple[int, int]] = field(default_factory=dict)


# A record of ours that is no event.
_HEARTBEAT = re.compile(
    rb'\{"event":"funnelwatch_heartbeat","event_id":"\d{1,20}","event_time":\d{1,15},"visitor_id":"funnelwatch"\}'
)


class Rejected(Exception):  # noqa: N818 - named for what it is, as in the contract
    """The record is invalid or unmapped."""

    def __init__(self, outcome: Outcome, reason: Reason) -> None:
        super().__init__(outcome, reason)
        self.outcome = outcome
        self.reason = reason


class _Line(NamedTuple):
    sku: str | None
    slot: str | None
    banner: str | None
    amount: int


class _Event(NamedTuple):
    id: str
    time: int
    name: str
    visitor: str
    slot: str | None
    banner: str | None
    skus: list[str]
    extra: list[str | None]
    order_id: str | None
    currency: str | None
    lines: list[_Line]
    method: str | None = None


class _Keyed(NamedTuple):
    """One SKU or order line with the keys it is counted under."""

    sku: str
    slot: str
    banner: str
    amount: int


class _Pending(NamedTuple):
    """A readable event; the first four fields are the processing order.

    ``position`` is the event's place inside its record: always 0 in native format.
    """

    ordering_time: int
    topic_rank: int
    offset: int
    position: int
    event: _Event
    late: bool


# --- reading: bytes to an event, or the reason why not -------------------------------------------


def _invalid(reason: Reason) -> NoReturn:
    raise Rejected(Outcome.INVALID, reason)


def _document(value: bytes | None) -> dict[str, object]:
    if value is None:
        _invalid(Reason.TOMBSTONE)
    if len(value) > MAX_RECORD_BYTES:
        _invalid(Reason.RECORD_TOO_LARGE)
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        _invalid(Reason.NOT_UTF8)
    try:
        # NaN and Infinity are Python's own; JSON has no such words. It knows no limit to a number's
        # digits either, but Python does; cut off, the number is still far too large.
        document = json.loads(
            text,
            parse_constant=lambda _: _invalid(Reason.NOT_JSON),
            parse_int=lambda digits: int(digits[:MAX_FIELD_BYTES]),
        )
    except RecursionError:
        _invalid(Reason.NESTING_TOO_DEEP)
    except ValueError:
        _invalid(Reason.NOT_JSON)
    return _object(document)


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        _invalid(Reason.WRONG_TYPE)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        _invalid(Reason.WRONG_TYPE)
    if not value:
        _invalid(Reason.EMPTY_FIELD)
    if len(value.encode("utf-8", "surrogatepass")) > MAX_FIELD_BYTES:
        _invalid(Reason.FIELD_TOO_LONG)
    return value


def _required(document: dict[str, object], name: str) -> str:
    if name not in document:
        _invalid(Reason.MISSING_FIELD)
    return _text(document[name])


def _optional(document: dict[str, object], name: str) -> str | None:
    return None if document.get(name) is None else _text(document[name])


def _key(value: object) -> str:
    text = _text(value)
    if any(unicodedata.category(character) in _HIDDEN_CHARACTERS for character in text):
        _invalid(Reason.CONTROL_CHARACTER)
    if text in RESERVED_KEYS:
        _invalid(Reason.RESERVED_KEY)
    return text


def _optional_key(document: dict[str, object], name: str) -> str | None:
    return None if document.get(name) is None else _key(document[name])


def _skus(document: dict[str, object]) -> list[str]:
    value = document.get("sku")
    if value is None:
        return []
    if not isinstance(value, list):
        return [_key(value)]
    if len(value) > MAX_SKUS:
        _invalid(Reason.TOO_MANY_ITEMS)
    return [_key(sku) for sku in value]


def _time(document: dict[str, object]) -> int:
    if "event_time" not in document:
        _invalid(Reason.MISSING_FIELD)
    value = document["event_time"]
    if isinstance(value, str):
        return _rfc_3339(value)
    if isinstance(value, bool) or not isinstance(value, int):
        _invalid(Reason.WRONG_TYPE)
    if value < MIN_TIME_MS:
        _invalid(Reason.TIME_IN_SECONDS)
    if value > MAX_TIME_MS:
        _invalid(Reason.TIME_IN_MICROSECONDS)
    return value


def _rfc_3339(text: str) -> int:
    if not _text(text) or not _RFC_3339.fullmatch(text):
        _invalid(Reason.BAD_TIME)
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        _invalid(Reason.BAD_TIME)
    time = (moment - _EPOCH) // timedelta(milliseconds=1)
    return time if MIN_TIME_MS <= time <= MAX_TIME_MS else _invalid(Reason.BAD_TIME)


def _currency(document: dict[str, object]) -> str | None:
    code = _optional(document, "currency")
    if code is not None and code not in DECIMALS:
        _invalid(Reason.UNKNOWN_CURRENCY)
    return code


_MOST_MONEY = 10**15
_MOST_PIECES = 10**6


def _price_minor(item: dict[str, object], currency: str) -> int:
    price = item.get("price")
    if price is None:
        _invalid(Reason.MISSING_FIELD)
    if item.get("minor") is True and isinstance(price, int) and not isinstance(price, bool):
        return price if price >= 0 else _invalid(Reason.NEGATIVE_PRICE)
    if item.get("minor") is True or not isinstance(price, str):
        _invalid(Reason.WRONG_TYPE)
    if not _PRICE.fullmatch(_text(price)):
        _invalid(Reason.BAD_PRICE)
    with localcontext() as context:
        context.prec = 2 * MAX_FIELD_BYTES
        minor = Decimal(price).scaleb(DECIMALS[currency])
        if minor < 0:
            _invalid(Reason.NEGATIVE_PRICE)
        if minor != minor.to_integral_value():
            _invalid(Reason.PRICE_PRECISION)
        return int(minor)


def _quantity(item: dict[str, object]) -> int:
    quantity = item.get("quantity", 1)
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 1 <= quantity <= _MOST_PIECES:
        _invalid(Reason.BAD_QUANTITY)
    return quantity


def _line(value: object, currency: str) -> _Line:
    item = _object(value)
    price = _price_minor(item, currency)
    amount = price * _quantity(item)
    if price > _MOST_MONEY or amount > _MOST_MONEY:
        _invalid(Reason.PRICE_TOO_LARGE)
    return _Line(
        _optional_key(item, "sku"), _optional_key(item, "slot"), _optional_key(item, "banner"), amount
    )


def _lines(document: dict[str, object], currency: str | None, *, required: bool) -> list[_Line]:
    items = document.get("items")
    if items is not None and not isinstance(items, list):
        _invalid(Reason.WRONG_TYPE)
    if not items and not required:
        return []
    if not items or currency is None:
        _invalid(Reason.MISSING_FIELD)
    if len(items) > MAX_LINES:
        _invalid(Reason.TOO_MANY_ITEMS)
    return [_line(item, currency) for item in items]


def read_event(value: bytes | None, settings: OracleSettings) -> _Event:
    """One record's value as an event; raises :class:`Rejected` with its outcome and reason."""
    document = _document(value)
    event_id, time = _required(document, "event_id"), _time(document)
    name, visitor = _required(document, "event"), _required(document, "visitor_id")
    slot, banner, skus = _optional_key(document, "slot"), _optional_key(document, "banner"), _skus(document)
    extra = [_optional_key(document, dimension) for dimension in settings.extra_dimensions]
    if name not in settings.nodes and name not in ORDER_OUTCOMES:
        raise Rejected(Outcome.UNMAPPED, Reason.UNKNOWN_EVENT)
    is_order = name in ("order", "paid")
    carries_order = is_order or name in ORDER_OUTCOMES
    named = _required if is_order or name in REVERSALS else _optional
    order_id = named(document, "order_id") if carries_order else None
    currency = _currency(document) if carries_order else None
    lines = _lines(document, currency, required=is_order) if carries_order else []
    method = _optional(document, "payment_method") if carries_order else None
    return _Event(event_id, time, name, visitor, slot, banner, skus, extra, order_id, currency, lines, method)


def _classified(
    topic: str, records: Sequence[Record], settings: OracleSettings, result: _Tables
) -> list[_Pending]:
    """Reads one topic-partition by offset; what it turns away gets its outcome here."""
    rank = (CLICKSTREAM, ORDERS).index(topic)
    newest: int | None = None
    pending = []
    for record in records:
        if _HEARTBEAT.fullmatch(record.value or b""):
            result.outcomes[topic, Outcome.HEARTBEAT] += 1
            continue
        try:
            event = read_event(record.value, settings)
        except Rejected as rejected:
            result.outcomes[topic, rejected.outcome] += 1
            result.reasons[topic, rejected.reason] += 1
            continue
        if event.time > record.timestamp_ms + settings.max_future_ms:
            result.outcomes[topic, Outcome.FUTURE] += 1
            continue
        newest = event.time if newest is None else max(newest, event.time)
        behind = newest - event.time
        if behind > settings.allowed_lateness_ms:
            result.outcomes[topic, Outcome.TOO_LATE] += 1
            continue
        late = behind > settings.max_out_of_orderness_ms
        ordering_time = max(event.time, newest - settings.max_out_of_orderness_ms)
        pending.append(_Pending(ordering_time, rank, record.offset, 0, event, late))
    return pending


# --- counting: events in processing order --------------------------------------------------------


class _Tables:
    """Counters while counting."""

    def __init__(self) -> None:
        self.events: Counter[tuple[str, str, str, int]] = Counter()
        self.visitors: Counter[tuple[str, str, str, int]] = Counter()
        self.orders: Counter[tuple[str, str, str, str, int]] = Counter()
        self.amounts: Counter[tuple[str, str, str, str, int]] = Counter()
        self.inner_events: Counter[tuple[str, str, str, int]] = Counter()
        self.inner_visitors: Counter[tuple[str, str, str, int]] = Counter()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.reasons: Counter[tuple[str, str]] = Counter()

    def result(self) -> OracleResult:
        cells = {cell: (number, self.visitors[cell]) for cell, number in self.events.items()}
        money = {row: (number, self.amounts[row]) for row, number in self.orders.items()}
        inner = {
            cell: (self.inner_events[cell], self.inner_visitors[cell])
            for cell in self.inner_events | self.inner_visitors
        }
        return OracleResult(cells, money, dict(self.outcomes), dict(self.reasons), inner)


class _Click(NamedTuple):
    time: int
    slot: str
    banner: str


class _Attempt(NamedTuple):
    time: int
    method: str


class _PaidOrder(NamedTuple):
    currency: str
    lines: list[list[_Keyed]]  # the shares of each line


class _Partition:
    """What one source partition remembers while its events are counted in processing order."""

    def __init__(self, settings: OracleSettings, tables: _Tables) -> None:
        self.settings = settings
        self.tables = tables
        self.accepted_at: dict[tuple[int, str], int] = {}
        self.clicks: dict[str, list[_Click]] = {}
        self.sku_clicks: dict[tuple[str, str], list[_Click]] = {}
        self.marks: dict[tuple[str, str, str, str], int] = {}
        self.paid_orders: dict[str, _PaidOrder] = {}
        self.attempts: dict[str, _Attempt] = {}

    def process(self, pending: _Pending) -> None:
        """Gives the event its outcome and, if it is new, counts it."""
        topic = (CLICKSTREAM, ORDERS)[pending.topic_rank]
        event = pending.event
        if self._is_duplicate(pending.topic_rank, event):
            self.tables.outcomes[topic, Outcome.DUPLICATE] += 1
            return
        self.tables.outcomes[topic, Outcome.LATE if pending.late else Outcome.ACCEPTED] += 1
        if event.name in self.settings.nodes:
            self._count_node(event)
        if event.name in PAYMENT_EVENTS:
            self._count_payment(event)
        if event.name == "paid":
            self._count_paid(event)
        if event.name in REVERSALS:
            self._count_reversal(event)
        if event.name == self.settings.nodes[1]:
            self._remember_click(event)

    def _is_duplicate(self, topic_rank: int, event: _Event) -> bool:
        before = self.accepted_at.get((topic_rank, event.id))
        if before is not None and abs(event.time - before) <= self.settings.dedupe_horizon_ms:
            return True
        self.accepted_at[topic_rank, event.id] = event.time
        return False

    def _remember_click(self, event: _Event) -> None:
        """Keeps clicks by time, of equal times in processing order: a sort is stable."""
        click = _Click(event.time, event.slot or NONE, event.banner or NONE)
        lists = [self.clicks.setdefault(event.visitor, [])]
        lists += [self.sku_clicks.setdefault((event.visitor, sku), []) for sku in sorted(set(event.skus))]
        for clicks in lists:
            clicks.append(click)
            clicks.sort(key=lambda click: click.time)

    def _claims(self, event: _Event, sku: str | None) -> list[_Click]:
        """The clicks that share what the event owes, the earliest first; at least one."""
        lists = [self.clicks.get(event.visitor, [])]
        if sku is not None:
            lists.insert(0, self.sku_clicks.get((event.visitor, sku), []))
        for clicks in lists:
            remembered = clicks[-1:] if self.settings.attribution == "last" else clicks[-MOST_TOUCHES:]
            earliest = event.time - self.settings.attribution_window_ms
            touches = [click for click in remembered if earliest <= click.time <= event.time]
            if touches:
                return touches[:1] if self.settings.attribution == "first" else touches
        return [_Click(event.time, NONE, NONE)]

    def _attributed(self, event: _Event, line: _Line) -> list[_Keyed]:
        """The line in as many shares as it has claims."""
        slot, banner = line.slot or event.slot, line.banner or event.banner
        if event.name in self.settings.nodes[:2]:
            return [_Keyed(line.sku or NONE, slot or NONE, banner or NONE, line.amount)]
        claims = self._claims(event, line.sku)
        return [
            _Keyed(line.sku or NONE, slot or click.slot, banner or click.banner, amount)
            for click, amount in zip(claims, _split(line.amount, len(claims)), strict=True)
        ]

    def _keyed(self, event: _Event) -> list[list[_Keyed]]:
        """The event's lines, else its SKUs, else the bare event, each in shares with their keys."""
        bare = [_Line(sku, None, None, 0) for sku in event.skus] or [_Line(None, None, None, 0)]
        return [self._attributed(event, line) for line in event.lines or bare]

    def _count_node(self, event: _Event) -> None:
        bucket = event.time // BUCKET_MS * BUCKET_MS
        shares = [share for line in self._keyed(event) for share in line]
        keys = {(dimension, key) for share in shares for dimension, key in _keys(share)}
        keys |= {
            (dimension, key or NONE)
            for dimension, key in zip(self.settings.extra_dimensions, event.extra, strict=True)
        }
        for dimension, key in keys:
            cell = (dimension, key, event.name, bucket)
            self.tables.events[cell] += 1
            if event.name != self.settings.nodes[0]:
                new = self._is_new_visitor(event, dimension, key)
                self.tables.visitors[cell] += new
                if new and dimension == "all":
                    self._count_lag(event)
        if event.name in (self.settings.nodes[1], "order", "paid"):
            for slot, banner, sku in {(share.slot, share.banner, share.sku) for share in shares}:
                key = f"{slot}\x1f{banner}\x1f{sku}"
                if self._is_new_visitor(event, COMBINATION, key):
                    self.tables.inner_visitors[COMBINATION, key, event.name, bucket] += 1

    def _count_lag(self, event: _Event) -> None:
        """How long ago the visitor, who is counted now, was counted at the node before."""
        place = self.settings.nodes.index(event.name)
        if place >= 2:
            before = self.marks.get((event.visitor, "all", ALL, self.settings.nodes[place - 1]))
            if before is not None and 0 <= event.time - before <= self.settings.attribution_window_ms:
                self._add_lag(event, event.time - before, self.tables.inner_visitors)

    def _add_lag(self, event: _Event, lag_ms: int, table: Counter[tuple[str, str, str, int]]) -> None:
        edge = [seconds for seconds in LAG_SECONDS if 1_000 * seconds <= lag_ms][-1]
        table[LAG, str(edge), event.name, event.time // BUCKET_MS * BUCKET_MS] += 1

    def _count_payment(self, event: _Event) -> None:
        """Under its own method, or that of the order's newest attempt."""
        method = event.method
        if event.order_id is not None and event.name != "payment_attempt":
            attempt = self.attempts.get(event.order_id)
            if attempt and 0 <= event.time - attempt.time <= self.settings.attribution_window_ms:
                method = method or attempt.method
                self._add_lag(event, event.time - attempt.time, self.tables.inner_events)
        method = method or NONE
        self.tables.inner_events[PAYMENT_METHOD, method, event.name, event.time // BUCKET_MS * BUCKET_MS] += 1
        if event.order_id is not None and event.name == "payment_attempt":
            before = self.attempts.get(event.order_id)
            if before is None or event.time >= before.time:
                self.attempts[event.order_id] = _Attempt(event.time, method)

    def _is_new_visitor(self, event: _Event, dimension: str, key: str) -> bool:
        mark = self.marks.get((event.visitor, dimension, key, event.name))
        if mark is not None and event.time - mark <= self.settings.attribution_window_ms:
            return False
        self.marks[event.visitor, dimension, key, event.name] = event.time
        return True

    def _count_paid(self, event: _Event) -> None:
        assert event.order_id is not None
        assert event.currency is not None
        lines = self._keyed(event)
        self._count_money(event, event.currency, lines)
        self.paid_orders.pop(event.order_id, None)
        self.paid_orders[event.order_id] = _PaidOrder(event.currency, lines)
        if len(self.paid_orders) > self.settings.remembered_orders:
            del self.paid_orders[next(iter(self.paid_orders))]

    def _count_reversal(self, event: _Event) -> None:
        assert event.order_id is not None
        paid = self.paid_orders.get(event.order_id)
        lines = self._keyed(event)
        if paid and event.lines:
            lines = [self._as_paid(line, paid) for line in lines]
        elif paid:
            lines = paid.lines
        currency = event.currency or (paid.currency if paid else UNKNOWN_CURRENCY)
        self._count_money(event, currency, lines)

    def _as_paid(self, shares: list[_Keyed], paid: _PaidOrder) -> list[_Keyed]:
        """A line of the event, split as the paid order's first line of its SKU was."""
        amount = sum(share.amount for share in shares)
        for before in paid.lines:
            if before[0].sku == shares[0].sku:
                amounts = _split(amount, len(before))
                return [old._replace(amount=new) for old, new in zip(before, amounts, strict=True)]
        return shares

    def _count_money(self, event: _Event, currency: str, lines: list[list[_Keyed]]) -> None:
        bucket = event.time // BUCKET_MS * BUCKET_MS
        amounts: Counter[tuple[str, str]] = Counter()
        for share in (share for line in lines for share in line):
            for dimension, key in _keys(share):
                amounts[dimension, key] += share.amount
        for (dimension, key), amount in amounts.items():
            row = (dimension, key, currency, event.name, bucket)
            self.tables.orders[row] += 1
            self.tables.amounts[row] += amount


def _split(amount: int, parts: int) -> list[int]:
    """Equal parts; what is left over goes to the first ones, one each."""
    split = [amount // parts] * parts
    for number in range(amount - sum(split)):
        split[number] += 1
    return split


def _keys(line: _Keyed) -> list[tuple[str, str]]:
    return [("all", ALL), ("slot", line.slot), ("banner", line.banner), ("sku", line.sku)]


# --- the oracle's answers ------------------------------------------------------------------------


def count(
    clickstream: Sequence[Record], orders: Sequence[Record], settings: OracleSettings | None = None
) -> OracleResult:
    """What one source partition counts to, its two topic-partitions given in offset order."""
    settings = settings or OracleSettings()
    tables = _Tables()
    pending = _classified(CLICKSTREAM, clickstream, settings, tables)
    pending += _classified(ORDERS, orders, settings, tables)
    partition = _Partition(settings, tables)
    for event in sorted(pending, key=lambda event: event[:4]):
        partition.process(event)
    return tables.result()


def add(results: Iterable[OracleResult]) -> OracleResult:
    """What several source partitions count to together."""
    total = OracleResult()
    for result in results:
        for cell, (events, visitors) in result.cells.items():
            before = total.cells.get(cell, (0, 0))
            total.cells[cell] = (before[0] + events, before[1] + visitors)
        for cell, (events, visitors) in result.inner.items():
            before = total.inner.get(cell, (0, 0))
            total.inner[cell] = (before[0] + events, before[1] + visitors)
        for row, (orders, amount) in result.money.items():
            sums = total.money.get(row, (0, 0))
            total.money[row] = (sums[0] + orders, sums[1] + amount)
        for words, more in ((total.outcomes, result.outcomes), (total.reasons, result.reasons)):
            for word, number in more.items():
                words[word] = words.get(word, 0) + number
    return total


def count_lines(result: OracleResult) -> list[str]:
    """The JSON lines of ``funnelwatch replay --counts``: node counts, then money, each sorted."""
    cell_names = ("dimension", "key", "node", "bucket_ms", "events", "visitors")
    row_names = ("dimension", "key", "currency", "kind", "bucket_ms", "orders", "amount_minor")
    cells = [
        dict(zip(cell_names, (*cell, *result.cells[cell]), strict=True)) for cell in sorted(result.cells)
    ]
    rows = [dict(zip(row_names, (*row, *result.money[row]), strict=True)) for row in sorted(result.money)]
    return [json.dumps(line, separators=(",", ":"), ensure_ascii=False) for line in cells + rows]


def file_records(lines: Iterable[bytes]) -> list[Record]:
    """A file of JSON lines as one topic-partition.

    The offset is the line's index; Kafka's timestamp is the field ``kafka_timestamp`` (ms), else
    the event time, so that nothing without the field is in the future.
    """
    return [Record(offset, _file_timestamp(line), line) for offset, line in enumerate(lines)]


def _file_timestamp(line: bytes) -> int:
    try:
        document = _document(line)
        stamp = document.get("kafka_timestamp")
        return stamp if isinstance(stamp, int) else _time(document)
    except Rejected:
        return 0
