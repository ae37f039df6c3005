"""Buckets that another process closes: the same ones, and what goes wrong there is heard of here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from streams.backtest.beside import beside, worthwhile
from streams.backtest.recording import closed_of, recorded
from streams.core.shard_progress import ClosingSettings
from streams.errors import CodecError, FunnelwatchError
from tests.support.logs_of_rollups import BUCKET, Speaker, plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.closed import ClosedBucket
    from streams.results import Rollup

BUCKETS = 40
SETTINGS = ClosingSettings(patience_ms=5_000)


def messages() -> Iterator[Rollup]:
    """A new key in each bucket, and one that comes late."""
    speaker = Speaker()
    for number in range(2, BUCKETS):
        late = {("sku", f"s{number - 2}"): {0: 1}, ("slot", "top"): {1: number}}
        yield speaker.says(number * BUCKET, late, bucket=number - 2)
        counts = {("sku", f"s{number}"): {0: number}, ("all", "all"): {0: 1, 17: 2}}
        yield speaker.says((number + 1) * BUCKET, counts, bucket=number)


def recording(folder: Path) -> Path:
    """A file of them."""
    path = folder / "rollups"
    with path.open("wb") as file:
        assert len(list(recorded(messages(), 1, file))) == 2 * (BUCKETS - 2)
    return path


def told(bucket: ClosedBucket) -> tuple[object, ...]:
    """All that it says, and says at once."""
    every = [bucket.everything(dimension) for dimension in sorted(bucket.names)]
    return (
        *plain(bucket),
        [*bucket.names],
        [[*(column.tolist() for column in (*cells, starts))] for cells, starts in every],
    )


def test_it_closes_the_same_buckets(tmp_path: Path) -> None:
    """Counts, late ones, names, money and progress, one by one."""
    path = recording(tmp_path)
    alone = [told(bucket) for bucket in closed_of(path, SETTINGS)]
    with beside(closed_of, path, SETTINGS) as buckets:
        assert [told(bucket) for bucket in buckets] == alone
    assert len(alone) >= BUCKETS - 3


def test_what_is_raised_there_is_raised_here(tmp_path: Path) -> None:
    """As it was: a recording that is cut off has the same words."""
    path = recording(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with (
        beside(closed_of, path, SETTINGS) as buckets,
        pytest.raises(CodecError, match=r"^the recording is cut off$"),
    ):
        list(buckets)


def test_a_process_that_ends_without_a_word_is_told() -> None:
    """Nobody takes what came before for all there was."""
    with (
        beside(os._exit, 0) as buckets,
        pytest.raises(FunnelwatchError, match=r"^the process that closes buckets has ended$"),
    ):
        list(buckets)


def test_nobody_need_read_to_the_end(tmp_path: Path) -> None:
    """The other process ends with whoever listens."""
    with beside(closed_of, recording(tmp_path), SETTINGS) as buckets:
        assert next(buckets).start_ms > 0


@pytest.mark.parametrize(("cores", "size", "is_it"), [(2, 10**9, True), (2, 1_000, False), (1, 10**9, False)])
def test_a_short_recording_is_not_worth_a_process(cores: int, size: int, *, is_it: bool) -> None:
    """Nor is one core."""
    assert worthwhile(size, cores) is is_it
