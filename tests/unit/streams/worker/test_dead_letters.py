"""Dead letters say what, where and why; too many in a row end the worker."""

from __future__ import annotations

import pytest

from streams.errors import DeadLetterLimit
from streams.events import MAX_RECORD_BYTES, Record, RecordBatch
from tests.support.builders import T0, click
from tests.unit.streams.worker.counting_bench import CLICKSTREAM, Bench


async def test_a_dead_letter_says_what_where_and_why() -> None:
    """Key, head of the value, outcome, reason, field and place of the record; a tombstone has no value."""
    bench = Bench()
    large = b"x" * (MAX_RECORD_BYTES + 1)
    records = [Record(7, T0, b"{", b"k"), Record(8, T0, None, b"gone"), Record(9, T0, large)]
    bench.counting.take(CLICKSTREAM, 0, RecordBatch.of(records), lambda: None)
    assert await bench.outbox.send()
    letters = bench.wire.held("deadletter", None)
    assert len(letters) == 3
    assert [(letter.key, letter.value) for letter in letters] == [
        (b"k", b"{"),
        (b"gone", None),
        (None, large[:MAX_RECORD_BYTES]),
    ]
    assert dict(letters[0].headers) == {
        "outcome": b"invalid",
        "reason": b"not_json",
        "field": b"",
        "topic": b"clickstream",
        "partition": b"0",
        "offset": b"7",
        "timestamp": str(T0).encode(),
        "bytes": b"1",
    }
    assert [dict(letter.headers)["reason"] for letter in letters[1:]] == [b"tombstone", b"record_too_large"]
    assert dict(letters[2].headers)["bytes"] == str(len(large)).encode()


async def test_too_many_invalid_records_in_a_row_end_the_worker() -> None:
    """One that counts in between starts the row anew; the error names topic and partition."""
    bench = Bench(stop_after=4)
    bench.take("a", [b"{", b"{", b"{"])
    bench.take("b", [b"{", click("v1", 0)], first=3)
    bench.take("c", [b"{", b"{", b"{"], first=5)
    with pytest.raises(DeadLetterLimit, match="4 invalid records in a row on clickstream/0"):
        bench.take("d", [b"{"], first=8)


async def test_what_went_over_the_limit_is_left_to_be_read_again() -> None:
    """Once the mistake is mended those records count: neither a flush nor the end says a word of them."""
    bench = Bench(stop_after=2)
    bench.take("a", [click("v1", 0)])
    with pytest.raises(DeadLetterLimit):
        bench.take("b", [b"{", b"{"], first=1)
    await bench.flush()
    assert await bench.counting.give([0]) == []
    assert set(bench.topics()) <= {"deadletter"}
    assert bench.acked == []
