"""Bytes of rollups, damaged: refused with CodecError, or a rollup that merging can take."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codec import decode_rollup, encode_rollup
from streams.core.merge import ShardMerge, Totals
from streams.errors import CodecError
from tests.support.rollups import rollup

GOOD = encode_rollup(
    rollup(
        {("all", "all"): {0: (9, 4), 17: (3, 0)}, ("slot", "坑位"): {1: (5, 0), 2: (2**40, 1)}},
        {("sku", "A", "CNY", "paid"): (2, 7980, 1, 3990)},
        {(0, "accepted"): (12, 3), (1, "late"): (1, 0)},
        generation=1_762_689_600_000,
        part=7,
        open_from=6,
    )
)


def check(data: bytes) -> None:
    """Either it is refused, or it merges without a number that goes down."""
    try:
        decoded = decode_rollup(data)
    except CodecError:
        return
    _, increment = ShardMerge().apply(decoded)
    Totals().add(increment)
    assert all(grown > 0 for cells in increment.counts.values() for _, grown in cells)
    assert all(orders > 0 and amount >= 0 for _, orders, amount in increment.money)
    assert all(topic in (0, 1) and records > 0 for topic, _, records in increment.outcomes)


@given(
    changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=5)
)
def test_changed_bytes(changes: list[tuple[int, int]]) -> None:
    """Any bytes replaced by any."""
    data = bytearray(GOOD)
    for place, byte in changes:
        data[place] = byte
    check(bytes(data))


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


@given(fields=st.lists(st.tuples(st.integers(0, 12), MESSAGES), min_size=1, max_size=3))
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
