"""Bytes of rollups, damaged: refused with CodecError, or a rollup that merging can take."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codec import decode_rollup, encode_rollup
from streams.core.merge import Applied, MoneyKey, ShardMerge, Totals
from streams.errors import CodecError
from tests.support.rollups import rollup

if TYPE_CHECKING:
    from streams.results import Rollup

GOOD = encode_rollup(
    rollup(
        {("all", "all"): {0: 9, 17: 3}, ("slot", "坑位"): {1: 5, 2: 2**40}},
        {("sku", "A", "CNY", "paid"): (2, 7980)},
        {(0, "accepted"): 12, (1, "late"): 1},
        generation=1_762_689_600_000,
        sequence=7,
    )
)


def check(data: bytes) -> None:
    """Either it is refused, or it is merged as it stands: no number goes down or to another name."""
    try:
        decoded = decode_rollup(data)
    except CodecError:
        return
    merge, totals = ShardMerge(), Totals()
    if merge.apply(decoded) is not Applied.APPLIED:
        # Lives before the first.
        assert decoded.generation < 0
        return
    assert merge.apply(decoded) is Applied.REPEATED
    assert merge.missing(decoded.partition) == 0
    totals.add(decoded)
    assert totals.cells == cells_of(decoded)
    assert totals.money == money_of(decoded)
    records: Counter[tuple[int, str]] = Counter()
    for item in decoded.outcomes:
        records[item.topic, item.outcome] += item.records
    assert totals.outcomes == records
    assert all(topic in (0, 1) and number >= 0 for (topic, _), number in records.items())


def cells_of(decoded: Rollup) -> dict[tuple[int, str, str], Counter[int]]:
    """By (bucket, dimension, key) and column, one by one; nothing below zero."""
    found: dict[tuple[int, str, str], Counter[int]] = {}
    for counts in decoded.counts:
        for at, column, count in zip(*(array.tolist() for array in counts.cells()), strict=True):
            assert count >= 0
            name = (decoded.bucket_ms, counts.dimension, counts.keys[at])
            found.setdefault(name, Counter())[column] += count
    return found


def money_of(decoded: Rollup) -> dict[tuple[int, MoneyKey], tuple[int, int]]:
    """Orders and amount by (bucket, what), one by one; nothing below zero."""
    found: dict[tuple[int, MoneyKey], tuple[int, int]] = {}
    for item in decoded.money:
        assert item.orders >= 0
        assert item.amount_minor >= 0
        key = (decoded.bucket_ms, MoneyKey(item.dimension, item.key, item.currency, item.kind))
        orders, amount = found.get(key, (0, 0))
        found[key] = (orders + item.orders, amount + item.amount_minor)
    return found


@given(
    changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=5)
)
def test_changed_bytes(changes: list[tuple[int, int]]) -> None:
    """Any bytes replaced by any."""
    data = bytearray(GOOD)
    for place, byte in changes:
        data[place] = byte
    check(bytes(data))


@pytest.mark.parametrize("byte", [0, 1, 31, 32, 127, 255])
def test_every_byte_changed(byte: int) -> None:
    """Each on its own, so that none is left to chance."""
    for place in range(len(GOOD)):
        check(GOOD[:place] + bytes([byte]) + GOOD[place + 1 :])


@given(place=st.integers(0, len(GOOD)), inserted=st.binary(max_size=4), removed=st.integers(0, 4))
def test_inserted_and_removed_bytes(place: int, inserted: bytes, removed: int) -> None:
    """Bytes put in or left out anywhere."""
    check(GOOD[:place] + inserted + GOOD[place + removed :])


@given(data=st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    """Nothing but CodecError, with and without the right head."""
    check(data)
    check(GOOD[:4] + data)


MESSAGES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=14) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)
FIELDS = len(msgspec.msgpack.decode(GOOD[4:]))


@given(fields=st.lists(st.tuples(st.integers(0, FIELDS - 1), MESSAGES), min_size=1, max_size=3))
def test_fields_of_any_value(fields: list[tuple[int, object]]) -> None:
    """Sound MessagePack in which fields hold anything."""
    message = msgspec.msgpack.decode(GOOD[4:])
    for at, value in fields:
        message[at] = value
    check(GOOD[:4] + msgspec.msgpack.encode(message))


@given(end=st.integers(0, len(GOOD) - 1))
def test_truncated_bytes(end: int) -> None:
    """Cut anywhere it is no rollup."""
    with pytest.raises(CodecError):
        decode_rollup(GOOD[:end])
