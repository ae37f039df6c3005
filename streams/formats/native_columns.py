"""The native format straight into columns, at the speed the hot path needs.

Promises: the same rows and the same rejections as one event at a time
(:mod:`streams.formats.event_columns`), record by record. Whatever is unusual - orders, odd times,
anything suspicious - is handed to the exact decoder.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from streams.core.hashing import digests, fingerprint, from_digests
from streams.core.rows import NO_DETAIL, Decoded, Rejected, Rows
from streams.core.sku_lists import MAX_LIST, list_numbers
from streams.core.vocabulary import REJECTED, SEVERAL, UNMAPPED_STAGE
from streams.errors import RejectedRecord
from streams.events import MAX_FIELD_BYTES, MAX_RECORD_BYTES, MAX_TIME_MS, MIN_TIME_MS
from streams.formats.documents import MAX_NESTING
from streams.formats.event_columns import Beside, rejection, row_keys
from streams.formats.keys import text_objection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streams.core.vocabulary import Vocabulary
    from streams.events import RecordBatch
    from streams.formats.native import NativeEvent, NativeFormat

# A text of this many characters may exceed MAX_FIELD_BYTES in UTF-8; a shorter one cannot.
_MAYBE_LONG = MAX_FIELD_BYTES // 4
_CHUNK = 64


class _StageCodes(dict[str, int]):
    def __missing__(self, name: str) -> int:
        return UNMAPPED_STAGE


class _Column:
    """Whole numbers that come in pieces; ``code`` is one of ``array``'s."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._pieces: list[array[int]] = []

    def add(self, values: list[int]) -> None:
        """Take in a piece.

        Raises:
            TypeError: not all are whole numbers.
            OverflowError: not all fit.
        """
        # The constructor reads a list eight times faster than extend() does.
        self._pieces.append(array(self._code, values))

    def values(self) -> NDArray[Any]:
        """All pieces in a row."""
        return np.frombuffer(bytearray().join(self._pieces), dtype=self._code)


@dataclass(slots=True)
class _Read:
    """Columns of the messages read so far: a small chunk is looked through while it is in the cache."""

    keys: tuple[_Column, ...]
    events: list[bytes] = field(default_factory=list)
    visitors: list[bytes] = field(default_factory=list)
    time: _Column = field(default_factory=lambda: _Column("q"))
    node: _Column = field(default_factory=lambda: _Column("h"))
    # Messages with a list of SKUs: their places, how many each has, and all of them in a row.
    listed: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    skus: list[int] = field(default_factory=list)

    def rows(self) -> Rows:
        """The columns as they are; every row is its record's only one."""
        time = self.time.values()
        count = time.size
        return Rows(
            record=np.arange(count, dtype=np.int32),
            topic=np.zeros(count, dtype=np.int8),
            time=time,
            order_time=np.zeros(count, dtype=np.int64),
            node=self.node.values(),
            event=from_digests(self.events),
            visitor=from_digests(self.visitors),
            keys=np.array([column.values() for column in self.keys]),
            detail=np.full(count, NO_DETAIL, dtype=np.int64),
            first=np.ones(count, dtype=np.bool_),
            late=np.zeros(count, dtype=np.bool_),
        )


class NativeColumns:
    """The native format, straight into columns."""

    def __init__(self, form: NativeFormat, vocabulary: Vocabulary) -> None:
        self._form = form
        self._vocabulary = vocabulary
        self._decode_one = form.document
        codes = vocabulary.stages.codes
        # A mapped name that may not stand as a text is left to the exact decoder.
        names = {name: node for name, node in form.nodes.items() if text_objection(name) is None}
        self._stage_of = _StageCodes({name: codes[node] for name, node in names.items()})
        # From here on events carry orders, which the exact decoder reads.
        self._ordering = np.array([name in form.ordering for name in vocabulary.stages.names])

    def decode(self, batch: RecordBatch) -> Decoded:
        """Rows in record order, and the records that cannot be counted."""
        count = len(batch.values)
        odd = np.zeros(count, dtype=np.bool_)
        read = _Read(tuple(_Column("i") for _ in self._vocabulary.tables))
        # In small chunks: what was just decoded is still in the processor's cache, and one bad
        # message does not make the whole batch be read message by message.
        for start in range(0, count, _CHUNK):
            part = slice(start, start + _CHUNK)
            self._read(batch.values[part], start, read, odd[part])
        rows = read.rows()
        odd |= self._ordering[rows.node] | (rows.node == UNMAPPED_STAGE)
        odd |= (rows.time < MIN_TIME_MS) | (rows.time > MAX_TIME_MS)
        odd |= (rows.keys == REJECTED).any(axis=0)
        lists = self._lists(read, rows, odd)
        return self._mend(batch, rows, lists, odd)

    def _read(self, values: Sequence[bytes | None], start: int, read: _Read, odd: NDArray[np.bool_]) -> None:
        docs = self._documents(values, odd)
        events, visitors = [doc.event_id for doc in docs], [doc.visitor_id for doc in docs]
        if not (all(events) and all(visitors)):
            odd |= np.array([not (doc.event_id and doc.visitor_id) for doc in docs])
        read.events.append(digests(events))
        read.visitors.append(digests(visitors))
        _add_times(read.time, [doc.event_time for doc in docs], odd)
        stage_of, (slot, banner, sku, *extra) = self._stage_of, self._vocabulary.tables
        read.node.add([stage_of[doc.event] for doc in docs])
        read.keys[0].add([slot[doc.slot] for doc in docs])
        read.keys[1].add([banner[doc.banner] for doc in docs])
        skus = [sku[doc.sku] for doc in docs]
        read.keys[2].add(skus)
        for column, table, name in zip(read.keys[3:], extra, self._form.extra_attributes, strict=True):
            column.add([table[getattr(doc, name)] for doc in docs])
        if SEVERAL in skus:
            for at in [at for at, code in enumerate(skus) if code == SEVERAL]:
                names = docs[at].sku or ()
                read.listed.append(start + at)
                read.sizes.append(len(names))
                read.skus += map(sku.__getitem__, names)

    def _documents(self, values: Sequence[bytes | None], odd: NDArray[np.bool_]) -> list[NativeEvent]:
        decode = self._decode_one
        try:
            docs = [decode(value) for value in values]  # type: ignore[arg-type]  # None raises
        except Exception:  # noqa: BLE001  # whatever it is, the exact decoder names it
            tried = [self._form.try_document(value) for value in values]
            odd |= np.array([doc is None for doc in tried])
            docs = [self._form.blank if doc is None else doc for doc in tried]
            values = [value or b"" for value in values]
        self._suspect(cast("Sequence[bytes]", values), docs, odd)
        return docs

    def _suspect(self, values: Sequence[bytes], docs: Sequence[NativeEvent], odd: NDArray[np.bool_]) -> None:
        """Mark messages that are not UTF-8, too large, nested too deep, or may have a field too long.

        A message of at most 256 bytes is none of the last three: 128 levels take as many brackets
        to open and to close, and it has its required fields beside them.
        """
        if not all(map(bytes.isascii, values)):
            odd[[at for at, value in enumerate(values) if not (value.isascii() or _is_utf8(value))]] = True
        if max(map(len, values)) <= MAX_FIELD_BYTES:
            return
        for index, value in enumerate(values):
            if len(value) > MAX_FIELD_BYTES:
                brackets = value.count(b"{") + value.count(b"[")
                odd[index] |= (
                    len(value) > MAX_RECORD_BYTES
                    or brackets > MAX_NESTING
                    or self._form.maybe_long(docs[index], _MAYBE_LONG)
                )

    def _lists(self, read: _Read, rows: Rows, odd: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Codes of the lists of SKUs; rows that have one get its number."""
        codes = np.array(read.skus, dtype=np.int32)
        at, sizes = np.array(read.listed, dtype=np.int64), np.array(read.sizes, dtype=np.int64)
        starts = np.cumsum(sizes) - sizes
        bad = (sizes == 0) | (sizes > self._form.max_skus)
        bad[np.repeat(np.arange(at.size), sizes)[codes == REJECTED]] = True
        odd[at[bad]] = True
        rows.detail[at] = list_numbers(starts, np.minimum(sizes, MAX_LIST))
        rows.keys[2, at] = 0
        return codes

    def _mend(
        self, batch: RecordBatch, rows: Rows, lists: NDArray[np.int32], odd: NDArray[np.bool_]
    ) -> Decoded:
        """Let the exact decoder decide the odd records; its rows take the place of ours."""
        exact = Beside(begin=lists.size)
        rejected: list[Rejected] = []
        keep = np.ones(len(rows), dtype=np.bool_)
        for at in np.flatnonzero(odd).tolist():
            try:
                (event,) = self._form.decode(batch.record(at))
                keys, lines = row_keys(event, self._vocabulary)
            except RejectedRecord as error:
                rejected.append(rejection(at, error))
                keep[at] = False
                continue
            rows.time[at] = event.time_ms
            rows.node[at] = self._vocabulary.stages.codes[event.node]
            rows.event[at] = fingerprint(event.event_id)
            rows.visitor[at] = fingerprint(event.visitor_id)
            rows.keys[:, at] = keys
            rows.detail[at] = exact.number(lines)
        skus = np.concatenate((lists, np.array(exact.skus, dtype=np.int32)))
        return Decoded(rows if keep.all() else rows.take(keep), exact.details, rejected, skus)


def _add_times(column: _Column, values: list[Any], odd: NDArray[np.bool_]) -> None:
    """Add event times; one that is no whole number, or does not fit, is odd and stands as 0."""
    try:
        column.add(values)
    except (TypeError, OverflowError):
        odd |= np.array([type(value) is not int for value in values])
        column.add([value if type(value) is int and abs(value) <= MAX_TIME_MS else 0 for value in values])


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
