"""The fast way of reading native events agrees with the exact one, record by record, on anything."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.lines import open_lines
from streams.core.sku_lists import SkuLists
from streams.core.vocabulary import Vocabulary
from streams.events import Record, RecordBatch
from streams.formats.event_columns import EventColumns
from streams.formats.keys import key_objection
from streams.formats.native import NativeFormat
from streams.formats.native_columns import NativeColumns
from streams.funnel import Funnel
from tests.support.bad_records import VALID, bad_records
from tests.support.builders import T0
from tests.support.traffic import FAULTS, SMALL_SETTINGS, Partition, partitions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.rows import Decoded
    from streams.formats.columns import BatchDecoder

FUNNEL = Funnel(extra_dimensions=("channel", "payment_method"))
FORM = NativeFormat(
    funnel=FUNNEL,
    events={"tap": "click", "purchase": "paid", "ignored": None, "": "view", "long" * 70: "view"},
    extra_fields=("channel", "payment_method"),
)
GOOD = [VALID[name] for name in VALID if name.startswith("native.")]
NASTY = [bad.record.value for bad in bad_records() if bad.format == "native"]


class Said(NamedTuple):
    """What a record says, by name: its verdict, or its time, stage, ids, lines and extra keys."""

    verdict: tuple[Any, ...] = ()
    stage: str = ""
    time: int = 0
    ids: tuple[int, ...] = ()
    lines: tuple[tuple[str, str, str, int], ...] = ()
    extra: tuple[str, ...] = ()
    order: tuple[Any, ...] = ()


class Reader:
    """One way of reading, with a vocabulary of its own."""

    def __init__(self, decoder: type[NativeColumns | EventColumns]) -> None:
        self._vocabulary = Vocabulary(FUNNEL, key_objection)
        self._decoder: BatchDecoder = decoder(FORM, self._vocabulary)

    def read(self, values: Sequence[bytes | None]) -> list[Said]:
        """What each record of a batch says."""
        records = [Record(offset, T0, value) for offset, value in enumerate(values)]
        decoded = self._decoder.decode(RecordBatch.of(records))
        said = {bad.index: Said((bad.outcome, bad.reason, bad.field)) for bad in decoded.rejected}
        for row in range(len(decoded.rows)):
            record = int(decoded.rows.record[row])
            assert record not in said
            said[record] = self._said(decoded, row)
        return [said[record] for record in range(len(records))]

    def _said(self, decoded: Decoded, row: int) -> Said:
        rows, tables = decoded.rows, self._vocabulary.tables
        keys = rows.keys[:, row].tolist()
        detail = decoded.details[int(rows.detail[row])] if rows.detail[row] >= 0 else None
        # One SKU alone may stand in the row or in a list or line of its own; all count alike.
        opened = open_lines(rows, decoded.details, lists_of(decoded))
        slots, banners, skus = opened.keys[:, opened.row == row].tolist()
        amounts = [line.amount_minor for line in detail.lines] if detail else [0] * len(skus)
        lines = list(zip(skus, slots, banners, amounts, strict=True))
        return Said(
            stage=self._vocabulary.stages.names[rows.node[row]],
            time=int(rows.time[row]),
            ids=(int(rows.event[row]), int(rows.visitor[row])),
            lines=tuple(
                (tables[2].names[sku], tables[0].names[slot], tables[1].names[banner], amount)
                for sku, slot, banner, amount in lines
            ),
            extra=tuple(table.names[code] for table, code in zip(tables[3:], keys[3:], strict=True)),
            order=(detail.priced, detail.order, detail.currency) if detail else (False, None, None),
        )


def lists_of(decoded: Decoded) -> SkuLists:
    """The batch's lists of SKUs, as if it were the first to come in."""
    lists = SkuLists()
    lists.adopt(decoded.skus, decoded.rows.detail, T0)
    return lists


def agree(values: Sequence[bytes | None]) -> None:
    """Both ways say the same of every record, alone and in company."""
    fast, exact = Reader(NativeColumns), Reader(EventColumns)
    expected = exact.read(values)
    assert fast.read(values) == expected
    assert [fast.read([value])[0] for value in values] == expected


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**11 - 2, 10**11 + 2),
    st.integers(10**14 - 2, 10**14 + 2),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["x" * 256, "x" * 257, "坑" * 85, "坑" * 86, "(none)", "(other)", "", "a\u2028b", "\ud800"]
    ),
    st.sampled_from(["click", "tap", "paid", "purchase", "ignored", "refunded", "long" * 70]),
    st.sampled_from(["2025-11-09T12:00:00Z", "CNY", "1.50"]),
)
FIELDS = sorted({name for document in GOOD for name in document} | {"channel", "payment_method", "other"})
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=6,
)


@st.composite
def records(draw: st.DrawFn) -> bytes | None:
    """A record: anything at all, or a good one with fields changed, or one of the nasty ones."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.binary(max_size=60))
    if kind == 1:
        return draw(st.sampled_from(NASTY))
    document = copy.deepcopy(draw(st.sampled_from(GOOD)))
    if kind == 2:
        spoiled = FAULTS[draw(st.integers(0, len(FAULTS) - 1))].spoil({"items": [], **document})
        return json.dumps(spoiled).encode() if isinstance(spoiled, dict) else spoiled
    document |= draw(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3))
    return json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


@given(values=st.lists(records(), min_size=1, max_size=8))
def test_both_ways_agree_on_anything(values: list[bytes | None]) -> None:
    """Good, nasty and random records, alone and between each other."""
    agree(values)


@given(
    documents=st.lists(st.sampled_from(GOOD), min_size=1, max_size=4),
    damage=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=3),
)
def test_both_ways_agree_on_damaged_bytes(
    documents: list[dict[str, Any]], damage: list[tuple[int, int]]
) -> None:
    """Good records with bytes replaced anywhere."""
    values = []
    for document in documents:
        value = bytearray(json.dumps(document).encode())
        for place, byte in damage:
            value[place % len(value)] = byte
        values.append(bytes(value))
    agree(values)


@given(partition=partitions(SMALL_SETTINGS))
def test_both_ways_agree_on_traffic(partition: Partition) -> None:
    """The streams that the core is held against the oracle with."""
    for topic in partition:
        if topic:
            agree([record.value for record in topic])


@pytest.mark.parametrize("start", range(0, len(NASTY), 100))
def test_both_ways_agree_on_every_bad_record(start: int) -> None:
    """Each of the records made to be turned away, and the good ones they were made from."""
    good = [json.dumps(document).encode() for document in GOOD]
    agree([*NASTY[start : start + 100], *good])
