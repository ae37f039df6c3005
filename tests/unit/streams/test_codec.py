"""Bytes of the rollups topic: what comes back, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from streams.codec import (
    decode_message,
    decode_messages,
    decode_rollup,
    encode_fence,
    encode_rollup,
    sent_again,
)
from streams.errors import CodecError
from streams.results import VERSION, Fence, MoneyCounts, OutcomeCounts, Rollup
from tests.support.rollups import key_counts, rollup

GOOD = rollup(
    {("all", "all"): {0: 9}, ("slot", "坑位"): {1: 5, 17: 2**48, 31: 1}},
    {("sku", "A", "CNY", "paid"): (2, 7980)},
    {(0, "accepted"): 12, (1, "too_late"): 1},
    partition=3,
    generation=1_762_689_600_000,
    shard=2,
    sequence=2**40,
    until=12_345,
    complete=7_345,
    told_at=12_999,
    idle=True,
)


def damaged(**fields: Any) -> bytes:
    """A rollup with other fields, encoded as if all were well."""
    return encode_rollup(msgspec.structs.replace(GOOD, **fields))


def test_a_rollup_comes_back_as_it_was() -> None:
    """Every field, counts as bytes of columns."""
    assert decode_rollup(encode_rollup(GOOD)) == GOOD


def test_an_empty_rollup_comes_back() -> None:
    """Nothing counted is a rollup too."""
    assert decode_rollup(encode_rollup(rollup())) == rollup()


def test_the_head_says_what_it_is() -> None:
    """Three letters and the version; a reader can tell without decoding."""
    assert encode_rollup(GOOD)[:4] == b"FWR" + bytes([VERSION])


@pytest.mark.parametrize("data", [None, b"", b"F", b"FWS\x02rest", b'{"version":1}'])
def test_other_bytes_are_no_rollup(data: bytes | None) -> None:
    """A tombstone, nothing, or somebody else's message."""
    with pytest.raises(CodecError, match=r"^not a rollup$"):
        decode_rollup(data)


@pytest.mark.parametrize("version", [0, VERSION - 1, VERSION + 1, 255])
def test_another_version_is_named(version: int) -> None:
    """The error says which version came and which is read."""
    data = encode_rollup(GOOD)
    with pytest.raises(CodecError, match=f"version {version}, this build reads version {VERSION}"):
        decode_rollup(data[:3] + bytes([version]) + data[4:])


def test_every_truncation_is_refused() -> None:
    """Cut anywhere, down to the bare head, it is damaged or no rollup, and nothing else is raised."""
    data = encode_rollup(GOOD)
    for end in range(len(data)):
        with pytest.raises(CodecError):
            decode_rollup(data[:end])


def test_something_behind_the_end_is_refused() -> None:
    """Two rollups in one message are none."""
    data = encode_rollup(GOOD)
    with pytest.raises(CodecError, match=r"^damaged rollup$"):
        decode_rollup(data + data[4:])


def test_columns_of_unequal_length_are_refused() -> None:
    """Index, column and count belong together."""
    good = key_counts("slot", {"A": {1: 5}})
    for name in ("index", "column", "count"):
        counts = msgspec.structs.replace(good, **{name: getattr(good, name) * 2})
        with pytest.raises(CodecError, match=r"^damaged rollup$"):
            decode_rollup(damaged(counts=[counts]))


def test_half_a_number_is_refused() -> None:
    """A column whose bytes are no whole numbers."""
    counts = msgspec.structs.replace(key_counts("slot", {"A": {1: 5}}), count=b"\0" * 7)
    with pytest.raises(CodecError, match=r"^damaged rollup$"):
        decode_rollup(damaged(counts=[counts]))


def test_an_index_beyond_the_keys_is_refused() -> None:
    """Every count is some key's."""
    counts = msgspec.structs.replace(key_counts("slot", {"A": {1: 5}}), keys=[])
    with pytest.raises(CodecError, match=r"^damaged rollup$"):
        decode_rollup(damaged(counts=[counts]))


@dataclass(frozen=True)
class Wrong:
    """Fields that contradict each other."""

    name: str
    fields: dict[str, Any]


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong("orders went down", {"money": [MoneyCounts("sku", "A", "CNY", "paid", -1, 9)]}),
        Wrong("an amount went down", {"money": [MoneyCounts("sku", "A", "CNY", "paid", 1, -9)]}),
        Wrong("records went down", {"outcomes": [OutcomeCounts(0, "late", -1)]}),
        Wrong("a third topic", {"outcomes": [OutcomeCounts(2, "late", 1)]}),
        Wrong("a topic before the first", {"outcomes": [OutcomeCounts(-1, "late", 1)]}),
        Wrong("a number before the first", {"sequence": -1}),
        Wrong("sent before its life", {"written_by": GOOD.generation - 1}),
        Wrong("a count below zero", {"counts": [key_counts("slot", {"A": {1: 2**64 - 1}})]}),
        Wrong("a count that nobody counts", {"counts": [key_counts("slot", {"A": {1: 2**48 + 1}})]}),
        Wrong("a column of the next key", {"counts": [key_counts("slot", {"A": {32: 1}, "B": {0: 1}})]}),
        Wrong("told before there were clocks", {"told_at_ms": -1}),
        Wrong("more nodes than stages", {"nodes": len(GOOD.stages) + 1}),
    ],
    ids=lambda wrong: wrong.name,
)
def test_what_cannot_be_is_refused(wrong: Wrong) -> None:
    """Counts only grow, numbers begin at zero, topics are two, nodes are stages: else it is damage."""
    with pytest.raises(CodecError, match=r"^damaged rollup$"):
        decode_rollup(damaged(**wrong.fields))


def test_nothing_may_be_added() -> None:
    """A free order adds no amount; zero is no damage."""
    free = rollup({("slot", "A"): {1: 0}}, {("sku", "A", "CNY", "paid"): (1, 0)}, {(1, "late"): 0})
    assert decode_rollup(encode_rollup(free)) == free


def test_the_reason_of_an_error_holds_no_payload() -> None:
    """Keys may be secret; the message names none."""
    data = encode_rollup(GOOD).replace("坑位".encode(), b"\xff" * 6)
    with pytest.raises(CodecError) as raised:
        decode_rollup(data)
    assert str(raised.value) == "damaged rollup"


def test_decoded_rollups_are_rollups() -> None:
    """The type is the contract's."""
    assert type(decode_rollup(encode_rollup(GOOD))) is Rollup


# --- lives that send more than their own ---------------------------------------------------------

FENCE = Fence(VERSION, 3, 1_762_689_600_000, 2)


def test_a_rollup_is_sent_again_by_the_next_life() -> None:
    """It says who sent it, and is in all else what it was: the same number of the same life."""
    again = decode_rollup(sent_again(encode_rollup(GOOD), GOOD.generation + 7))
    assert again.written_by == GOOD.generation + 7
    assert msgspec.structs.replace(again, written_by=GOOD.generation) == GOOD
    thrice = decode_rollup(sent_again(encode_rollup(again), GOOD.generation + 9))
    assert (thrice.generation, thrice.written_by) == (GOOD.generation, GOOD.generation + 9)


def test_no_life_sends_for_one_after_it() -> None:
    """It would lift the fence of that one."""
    again = sent_again(encode_rollup(GOOD), GOOD.generation + 7)
    with pytest.raises(ValueError, match="those after it"):
        sent_again(again, GOOD.generation + 6)


def test_a_fence_comes_back_as_it_was() -> None:
    """Which partition and life it is of, and to which shard it says so."""
    assert decode_message(encode_fence(FENCE)) == FENCE


def test_a_message_is_a_rollup_or_a_fence() -> None:
    """Told apart by the head; one is never taken for the other."""
    assert decode_message(encode_rollup(GOOD)) == GOOD
    with pytest.raises(CodecError, match=r"^not a rollup$"):
        decode_rollup(encode_fence(FENCE))
    with pytest.raises(CodecError, match=r"^not a rollup$"):
        decode_message(b"something else")


@pytest.mark.parametrize("field", ["partition", "generation", "shard"])
def test_a_fence_of_nothing_is_refused(field: str) -> None:
    """Partitions, lives and shards are numbered from zero."""
    with pytest.raises(CodecError, match=r"^damaged fence$"):
        decode_message(encode_fence(msgspec.structs.replace(FENCE, **{field: -1})))


def test_a_damaged_fence_is_refused() -> None:
    """Cut anywhere, with something behind it, or of another version."""
    data = encode_fence(FENCE)
    for end in range(len(data)):
        with pytest.raises(CodecError):
            decode_message(data[:end])
    with pytest.raises(CodecError, match=r"^damaged fence$"):
        decode_message(data + b"\0")
    with pytest.raises(CodecError, match=f"fence version 9, this build reads version {VERSION}"):
        decode_message(data[:3] + b"\x09" + data[4:])


# --- many at once --------------------------------------------------------------------------------


def test_many_are_the_same_as_one_by_one() -> None:
    """Rollups, empty ones and fences, in order."""
    assert list(decode_messages(map_encoded(GOOD, FENCE, rollup()))) == [GOOD, FENCE, rollup()]
    assert list(decode_messages([])) == []


@pytest.mark.parametrize(
    "bad",
    [
        damaged(sequence=-1),
        damaged(counts=[key_counts("slot", {"A": {32: 1}})]),
        damaged(counts=[msgspec.structs.replace(key_counts("slot", {"A": {1: 5}}), keys=[])]),
        b"something else",
    ],
)
def test_those_before_a_damaged_one_are_delivered(bad: bytes) -> None:
    """Then it is refused, as it would be alone."""
    decoded = decode_messages([encode_rollup(GOOD), bad, encode_rollup(GOOD)])
    assert next(decoded) == GOOD
    with pytest.raises(CodecError):
        next(decoded)


def map_encoded(*messages: Rollup | Fence) -> list[bytes]:
    """Bytes of each."""
    return [encode_fence(one) if isinstance(one, Fence) else encode_rollup(one) for one in messages]
