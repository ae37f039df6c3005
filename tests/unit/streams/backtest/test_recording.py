"""Rollups in a file: what went in comes out, and what is damaged is refused."""

from __future__ import annotations

from io import BytesIO

import pytest

from streams.backtest.recording import messages_of, recorded, shards_of
from streams.errors import CodecError
from streams.results import VERSION, Fence, Rollup
from tests.support.logs_of_rollups import Speaker

MESSAGES: list[Rollup | Fence] = [
    Fence(VERSION, 0, 0, 1),
    *(Speaker(shard=1).says(at, {("all", "all"): {0: 3}}) for at in (1, 2)),
]


def written() -> bytes:
    """A recording."""
    file = BytesIO()
    assert list(recorded(MESSAGES, 3, file)) == MESSAGES
    return file.getvalue()


def test_what_went_in_comes_out() -> None:
    """Shards, fences and rollups, in order."""
    file = BytesIO(written())
    assert shards_of(file) == 3
    assert list(messages_of(file)) == MESSAGES


@pytest.mark.parametrize("data", [b"", b"FWLO", b"{}\n" * 9, b"FWLOG\x02\x01\x00", written()[:7]])
def test_another_file_is_refused(data: bytes) -> None:
    """No recording, a newer one, or only its beginning."""
    with pytest.raises(CodecError):
        shards_of(BytesIO(data))


@pytest.mark.parametrize("cut", [1, 3, 20])
def test_a_recording_that_ends_too_soon_is_refused(cut: int) -> None:
    """A disk that ran full is not taken for a quiet evening."""
    file = BytesIO(written()[:-cut])
    shards_of(file)
    with pytest.raises(CodecError):
        list(messages_of(file))
