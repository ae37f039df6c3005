"""What one record of the source topics says, whatever format it came in.

A format turns bytes into :class:`Event` values or raises
:class:`streams.errors.RejectedRecord`; nothing behind it knows formats.
"""

from __future__ import annotations

from bisect import bisect_left
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_RECORD_BYTES = 64 * 1024
MAX_FIELD_BYTES = 256
MAX_SKUS = 500
MAX_LINES = 500
# Below: seconds since the epoch; above: microseconds. Both are common slips.
MIN_TIME_MS = 100_000_000_000
MAX_TIME_MS = 100_000_000_000_000


class Outcome(StrEnum):
    """What became of a record; every record read has exactly one."""

    INVALID = "invalid"
    HEARTBEAT = "heartbeat"
    UNMAPPED = "unmapped"
    FUTURE = "future"
    TOO_LATE = "too_late"
    DUPLICATE = "duplicate"
    LATE = "late"
    ACCEPTED = "accepted"


class Reason(StrEnum):
    """Why a record is invalid or unmapped."""

    TOMBSTONE = "tombstone"
    RECORD_TOO_LARGE = "record_too_large"
    NOT_JSON = "not_json"
    NOT_UTF8 = "not_utf8"
    NESTING_TOO_DEEP = "nesting_too_deep"
    WRONG_TYPE = "wrong_type"
    MISSING_FIELD = "missing_field"
    EMPTY_FIELD = "empty_field"
    FIELD_TOO_LONG = "field_too_long"
    CONTROL_CHARACTER = "control_character"
    RESERVED_KEY = "reserved_key"
    BAD_TIME = "bad_time"
    TIME_IN_SECONDS = "time_in_seconds"
    TIME_IN_MICROSECONDS = "time_in_microseconds"
    NEGATIVE_PRICE = "negative_price"
    BAD_PRICE = "bad_price"
    PRICE_PRECISION = "price_precision"
    PRICE_TOO_LARGE = "price_too_large"
    BAD_QUANTITY = "bad_quantity"
    UNKNOWN_CURRENCY = "unknown_currency"
    TOO_MANY_ITEMS = "too_many_items"
    UNKNOWN_EVENT = "unknown_event"
    UNSUPPORTED_CONTENT = "unsupported_content"


class OrderLine(msgspec.Struct, frozen=True, gc=False):
    """One line of an order; ``amount_minor`` is price x quantity in minor units."""

    sku: str | None
    quantity: int
    amount_minor: int
    slot: str | None = None
    banner: str | None = None


class Event(msgspec.Struct, gc=False):
    """One event, format-free.

    ``node`` is a node of the funnel or one of :data:`streams.funnel.ORDER_OUTCOMES`.
    ``lines`` is empty unless the event carries an order. ``extra`` holds the values of
    the configured extra dimensions, in their order.
    """

    event_id: str
    time_ms: int
    node: str
    visitor_id: str
    slot: str | None = None
    banner: str | None = None
    skus: tuple[str, ...] = ()
    extra: tuple[str | None, ...] = ()
    order_id: str | None = None
    currency: str | None = None
    lines: tuple[OrderLine, ...] = ()
    payment_method: str | None = None


class Record(NamedTuple):
    """One record as it stands in the source topic. ``timestamp_ms`` is Kafka's."""

    offset: int
    timestamp_ms: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class RawRecord(Protocol):
    """What a record still holds beside its value: looked at only when it is needed."""

    @property
    def key(self) -> bytes | None:
        """Key of the record."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Headers of the record."""
        ...


class RecordBatch(NamedTuple):
    """Records of one topic-partition as columns, in offset order; at least one record.

    Attributes:
        offsets: offset per record, ascending.
        timestamps: Kafka's timestamp per record, ms.
        values: value per record, None for a tombstone.
        raw: the records themselves, for their keys and headers.
    """

    offsets: Sequence[int]
    timestamps: Sequence[int]
    values: Sequence[bytes | None]
    raw: Sequence[RawRecord]

    def record(self, index: int) -> Record:
        """One record by its place in the batch."""
        raw = self.raw[index]
        return Record(
            self.offsets[index],
            self.timestamps[index],
            self.values[index],
            raw.key,
            tuple(raw.headers),
        )

    def since(self, offset: int) -> RecordBatch | None:
        """The part of the batch from an offset on, or None if there is none."""
        start = bisect_left(self.offsets, offset)
        if start == 0:
            return self
        if start == len(self.offsets):
            return None
        return RecordBatch(
            self.offsets[start:], self.timestamps[start:], self.values[start:], self.raw[start:]
        )

    @classmethod
    def of(cls, records: Sequence[Record]) -> RecordBatch:
        """Columns of single records."""
        return cls(
            [record.offset for record in records],
            [record.timestamp_ms for record in records],
            [record.value for record in records],
            records,
        )
