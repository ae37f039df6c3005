"""Counting state as bytes: what comes back, what is refused, and keys under new numbers."""

from __future__ import annotations

import msgspec
import pytest
from xxhash import xxh3_64_digest

from streams.core.orders import PaidOrder
from streams.core.rows import Detail, Line
from streams.core.slots import TableState
from streams.core.snapshot import (
    VERSION,
    PartitionState,
    Renumbering,
    decode_state,
    encode_state,
    rows_to_bytes,
)
from streams.core.vocabulary import OTHER_CODE, Vocabulary, counted_codes
from streams.errors import CodecError
from streams.formats.keys import key_objection
from streams.funnel import Funnel
from tests.support.columns import i32, rows

SKUS = ["(none)", "(other)", "A", "B", "C"]
NAMES = [["(none)", "(other)", "home"], ["(none)", "(other)"], SKUS]
STATE = PartitionState(
    ("exposure", "click"),
    ("all", "slot", "banner", "sku"),
    NAMES,
    (1_762_689_600_000, -(1 << 62)),
    5,
    6,
    7,
    [[rows_to_bytes(rows(2, [(2, 0, 3), (1, 0, 4)], time=[5, 6]))], []],
    [(3, Detail((Line(4, 2, 0, 100),), True, 2**64 - 1, "CNY"))],
    (8, b"", [(8, 5)]),
    {"dedupe": TableState(None, b"", b"", [])},
    [(9, PaidOrder("CNY", (Line(2, 0, 0, 1),))), (10, PaidOrder("CNY", (Line(2, 0, 0, 1),) * 2, (2,)))],
    "linear",
)


def vocabulary(*skus: str, max_keys: int = 100) -> Vocabulary:
    """A vocabulary that has met these SKUs, in this order."""
    known = Vocabulary(Funnel(), key_objection, max_keys=max_keys)
    for sku in skus:
        known.sku[sku]
    return known


def test_a_state_comes_back_as_it_was() -> None:
    """Every field, of every type."""
    assert decode_state(encode_state(STATE)) == STATE


def test_the_head_says_what_it_is() -> None:
    """Three letters and the version, then eight bytes of checksum."""
    data = encode_state(STATE)
    assert data[:4] == b"FWS" + bytes([VERSION])
    assert data[4:12] == xxh3_64_digest(data[12:])


@pytest.mark.parametrize("data", [b"", b"FWS", b"FWS\x01short", b"FWR\x01" + b"\0" * 20, b"\x9b\x01"])
def test_other_bytes_are_no_state(data: bytes) -> None:
    """Nothing, too little, a rollup, or bare MessagePack."""
    with pytest.raises(CodecError, match=r"^not a state$"):
        decode_state(data)


@pytest.mark.parametrize("version", [0, VERSION + 1, 255])
def test_another_version_is_named(version: int) -> None:
    """The error says which version came and which is read."""
    data = encode_state(STATE)
    with pytest.raises(CodecError, match=f"version {version}, this build reads version {VERSION}"):
        decode_state(data[:3] + bytes([version]) + data[4:])


def test_every_flipped_bit_is_noticed() -> None:
    """Anywhere: in the head, in the checksum, in a time, in a name."""
    data = encode_state(STATE)
    for at in range(len(data)):
        for bit in range(8):
            flipped = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            with pytest.raises(CodecError):
                decode_state(flipped)


def test_every_truncation_is_noticed() -> None:
    """Cut anywhere, and with something behind the end."""
    data = encode_state(STATE)
    for end in range(len(data)):
        with pytest.raises(CodecError):
            decode_state(data[:end])
    with pytest.raises(CodecError, match=r"^damaged state$"):
        decode_state(data + b"\0")


@pytest.mark.parametrize("body", [b"", b"\xc1", msgspec.msgpack.encode([1, 2]), msgspec.msgpack.encode("x")])
def test_a_sound_checksum_over_another_layout_is_not_enough(body: bytes) -> None:
    """What another build wrote under the same version is refused as well."""
    with pytest.raises(CodecError, match=r"^state of another layout$"):
        decode_state(b"FWS" + bytes([VERSION]) + xxh3_64_digest(body) + body)


# --- keys under new numbers ----------------------------------------------------------------------


def test_codes_follow_their_names() -> None:
    """Whatever numbers the reader's vocabulary gives; (none) and (other) keep theirs."""
    known = vocabulary("C", "X", "A")
    renumbering = Renumbering(NAMES, known)
    codes = renumbering.codes(2, i32(0, 1, 2, 3, 4, 2)).tolist()
    assert [known.sku.names[code] for code in codes] == ["(none)", "(other)", "A", "B", "C", "A"]
    assert codes[2] == known.sku["A"] == 4


def test_names_beyond_the_readers_bound_become_other() -> None:
    """A smaller vocabulary holds what it can; what SKU it was is still told apart."""
    known = vocabulary("C", max_keys=2)
    for name in "XY":
        known.slot[name]
    renumbering = Renumbering(NAMES, known)
    assert renumbering.codes(0, i32(1, 2)).tolist() == [OTHER_CODE, OTHER_CODE]
    codes = renumbering.codes(2, i32(2, 3, 4))
    assert codes.tolist() == [3, known.sku["B"], 2]
    assert counted_codes(codes).tolist() == [3, OTHER_CODE, 2]


def test_skus_beyond_the_writers_bound_stay_what_they_are() -> None:
    """Their code is what the reader gives them too, or the identity of the number it gives."""
    small, known = vocabulary("A", max_keys=1), vocabulary("B")
    code = small.sku["B"]
    renumbering = Renumbering([table.names for table in small.tables], known)
    assert renumbering.codes(2, i32(code, 2, 0)).tolist() == [code, known.sku["A"], 0]
    assert renumbering.lines([Line(code, 0, 0, 5)]) == (Line(code, 0, 0, 5),)
    assert renumbering.rows(rows_to_bytes(rows(1, [(0, 0, code)]))).keys[2].tolist() == [code]
    assert code == known.sku.identity(known.sku["B"])


def test_lines_are_renumbered_by_dimension() -> None:
    """SKU, slot and banner each by their own table; amounts stay."""
    known = vocabulary("X", "C", "B")
    known.slot["X"]
    lines = Renumbering(NAMES, known).lines([Line(4, 2, 1, 100), Line(0, 0, 0, 5)])
    assert lines == (Line(3, 3, 1, 100), Line(0, 0, 0, 5))
    assert all(type(number) is int for line in lines for number in line)


def test_extra_dimensions_are_renumbered_with_the_rows() -> None:
    """Lines have none."""
    known = Vocabulary(Funnel(extra_dimensions=("channel",)), key_objection)
    known.tables[3]["web"]
    renumbering = Renumbering([*NAMES, ["(none)", "(other)", "app", "web"]], known)
    assert renumbering.lines([Line(2, 2, 0, 1)]) == (Line(2, 2, 0, 1),)
    some = renumbering.rows(rows_to_bytes(rows(2, [(0, 0, 0, 2), (0, 0, 0, 3)])))
    assert some.keys[3].tolist() == [3, 2]


def test_rows_come_back_under_new_codes() -> None:
    """Every column as it was, keys by name."""
    before = rows(
        2, [(2, 0, 3), (1, 0, 4)], record=[7, 8], topic=1, time=[5, 6], order_time=[9, 10], node=[3, 4],
        event=[2**64 - 1, 1], visitor=[5, 2**63], detail=[-1, 12], first=[True, False], late=[False, True],
    )  # fmt: skip
    after = Renumbering(NAMES, vocabulary("C", "B")).rows(rows_to_bytes(before))
    assert after.keys.tolist() == [[2, 1], [0, 0], [3, 2]]
    for name in (
        "record",
        "topic",
        "time",
        "order_time",
        "node",
        "event",
        "visitor",
        "detail",
        "first",
        "late",
    ):
        assert getattr(after, name).tolist() == getattr(before, name).tolist()
        assert getattr(after, name).dtype == getattr(before, name).dtype


def test_no_rows_come_back_as_none() -> None:
    """An empty block keeps its shape."""
    assert Renumbering(NAMES, vocabulary()).rows(rows_to_bytes(rows(0))).keys.shape == (3, 0)


def test_columns_are_little_endian() -> None:
    """The same bytes on every machine."""
    columns = rows_to_bytes(rows(1, [(1, 2, 3)], time=[258], visitor=[1]))
    assert columns["time"] == b"\x02\x01" + b"\0" * 6
    assert columns["visitor"] == b"\x01" + b"\0" * 7
    assert columns["keys"] == b"\x01\0\0\0\x02\0\0\0\x03\0\0\0"
