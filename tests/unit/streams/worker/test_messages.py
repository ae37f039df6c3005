"""Batches travel in bearable parts, and are held by nobody but the agent."""

from __future__ import annotations

import pytest
from faust.types import TP

from streams.events import Record, RecordBatch
from streams.worker.fetching import MAX_BATCH_RECORDS
from streams.worker.messages import BatchMessage, parts_of

CLICKS = TP("clicks", 0)


def batch_of(count: int) -> RecordBatch:
    """Records with gaps between their offsets."""
    return RecordBatch.of([Record(2 * number, 1_000 + number, b"%d" % number) for number in range(count)])


@pytest.mark.parametrize(
    "count", [1, 2 * MAX_BATCH_RECORDS, 2 * MAX_BATCH_RECORDS + 1, 5 * MAX_BATCH_RECORDS]
)
def test_parts_are_the_whole(count: int) -> None:
    """Parts put together are the batch, in order, each of bearable size and none empty."""
    batch = batch_of(count)
    parts = [part for tp, part in parts_of(CLICKS, batch) if tp == CLICKS]
    assert all(0 < len(part.offsets) <= 2 * MAX_BATCH_RECORDS for part in parts)
    for column, whole in zip(zip(*parts, strict=True), batch, strict=True):
        assert [item for part in column for item in part] == list(whole)


def test_a_message_says_where_it_ends() -> None:
    """Its offset is that of the first record, ``behind`` that after the last; its time is the newest."""
    message = BatchMessage(CLICKS, batch_of(3), 7)
    assert (message.tp, message.offset, message.behind) == (CLICKS, 0, 5)
    assert (message.timestamp, message.generation_id) == (1.002, 7)
    assert not message.acked
