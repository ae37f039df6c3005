"""Events into columns, one at a time: every format is read this way, exactly.

Promises: a record counts whole or not at all; keys are codes of the vocabulary, and what one row cannot
hold (lines of orders, lists of SKUs) stands beside it. This is what :mod:`streams.formats.native_columns`
has to agree with, record by record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from streams.core.hashing import fingerprint, fingerprints
from streams.core.rows import NO_DETAIL, Decoded, Detail, Line, Rejected, Rows
from streams.core.sku_lists import list_number
from streams.core.vocabulary import REJECTED
from streams.errors import RejectedRecord
from streams.events import Outcome
from streams.funnel import PAYMENT_OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.vocabulary import KeyTable, Vocabulary
    from streams.events import Event, RecordBatch
    from streams.formats.base import Format


@dataclass(slots=True)
class Beside:
    """What stands beside the rows because it does not fit one: details of orders, and lists of SKUs behind the ``begin`` codes before."""

    begin: int = 0
    details: dict[int, Detail] = field(default_factory=dict)
    skus: list[int] = field(default_factory=list)

    def number(self, lines: Detail | list[int] | None) -> int:
        """Take in what a row has; what the row says of it."""
        if lines is None:
            return NO_DETAIL
        if isinstance(lines, Detail):
            self.details[len(self.details)] = lines
            return len(self.details) - 1
        start = self.begin + len(self.skus)
        self.skus += lines
        return list_number(start, len(lines))


@dataclass(slots=True)
class _Builder:
    """Columns under construction, as lists."""

    vocabulary: Vocabulary
    record: list[int] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    node: list[int] = field(default_factory=list)
    event: list[str] = field(default_factory=list)
    visitor: list[str] = field(default_factory=list)
    keys: list[tuple[int, ...]] = field(default_factory=list)
    detail: list[int] = field(default_factory=list)
    first: list[bool] = field(default_factory=list)
    lines: Beside = field(default_factory=Beside)

    def add(self, record: int, events: Sequence[Event]) -> None:
        """Rows of one record: of all its events, or of none if one of them is rejected."""
        rows = [row_keys(event, self.vocabulary) for event in events]
        for number, (event, (keys, lines)) in enumerate(zip(events, rows, strict=True)):
            self.record.append(record)
            self.time.append(event.time_ms)
            self.node.append(self.vocabulary.stages.codes[event.node])
            self.event.append(event.event_id)
            self.visitor.append(event.visitor_id)
            self.keys.append(keys)
            self.first.append(number == 0)
            self.detail.append(self.lines.number(lines))

    def rows(self) -> Rows:
        count = len(self.time)
        width = len(self.vocabulary.tables)
        return Rows(
            record=np.array(self.record, dtype=np.int32),
            topic=np.zeros(count, dtype=np.int8),
            time=np.array(self.time, dtype=np.int64),
            order_time=np.zeros(count, dtype=np.int64),
            node=np.array(self.node, dtype=np.int16),
            event=fingerprints(self.event),
            visitor=fingerprints(self.visitor),
            keys=np.array(self.keys, dtype=np.int32).reshape(count, width).T.copy(),
            detail=np.array(self.detail, dtype=np.int64),
            first=np.array(self.first, dtype=np.bool_),
            late=np.zeros(count, dtype=np.bool_),
        )


def row_keys(event: Event, vocabulary: Vocabulary) -> tuple[tuple[int, ...], Detail | list[int] | None]:
    """Key codes of an event, one per keyed dimension, and what one row cannot hold.

    That is a detail for lines and for what belongs to an order, or else codes of several SKUs.

    Raises:
        RejectedRecord: a key may not stand as one.
    """
    slot, banner = _code(vocabulary.slot, event.slot), _code(vocabulary.banner, event.banner)
    extra = tuple(
        _code(table, value) for table, value in zip(vocabulary.tables[3:], event.extra, strict=True)
    )
    sku = vocabulary.sku
    order = fingerprint(event.order_id) if event.order_id is not None else None
    method = vocabulary.method(event.payment_method)
    if event.lines:
        lines = tuple(
            Line(
                _code(sku, line.sku),
                _code(vocabulary.slot, line.slot) or slot,
                _code(vocabulary.banner, line.banner) or banner,
                line.amount_minor,
            )
            for line in event.lines
        )
        return (slot, banner, 0, *extra), Detail(lines, True, order, event.currency, method)
    skus = [_code(sku, name) for name in event.skus] or [0]
    if order is not None or (method and event.node in PAYMENT_OUTCOMES):
        lines = tuple(Line(code, slot, banner) for code in skus)
        return (slot, banner, 0, *extra), Detail(lines, False, order, event.currency, method)
    if len(skus) > 1:
        return (slot, banner, 0, *extra), skus
    return (slot, banner, skus[0], *extra), None


def _code(table: KeyTable, key: str | None) -> int:
    code = table[key]
    if code == REJECTED:
        raise RejectedRecord(Outcome.INVALID, table.objection(key), table.dimension)
    return code


def rejection(index: int, error: RejectedRecord) -> Rejected:
    """What a batch says of a record that is turned away."""
    # Of a heartbeat there is nothing to complain.
    reason = None if error.outcome is Outcome.HEARTBEAT else error.reason
    return Rejected(index, error.outcome, reason, error.field)


class EventColumns:
    """Any format, one event at a time."""

    def __init__(self, form: Format, vocabulary: Vocabulary) -> None:
        self._form = form
        self._vocabulary = vocabulary

    def decode(self, batch: RecordBatch) -> Decoded:
        """Rows in record order, and the records that cannot be counted."""
        built = _Builder(self._vocabulary)
        rejected = []
        for index in range(len(batch.values)):
            try:
                built.add(index, self._form.decode(batch.record(index)))
            except RejectedRecord as error:
                rejected.append(rejection(index, error))
        skus = np.array(built.lines.skus, dtype=np.int32)
        return Decoded(built.rows(), built.lines.details, rejected, skus)
