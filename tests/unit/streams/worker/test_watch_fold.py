"""The watcher's work as a fold: what is told depends on the records alone, also over a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from streams.codec import encode_rollup
from streams.config import Dimension, Settings, Topics, Watch
from streams.errors import CodecError
from streams.events import Record
from streams.metrics.watching import WatchMetrics
from streams.metrics.window_series import WindowSeries
from streams.worker.watch_fold import WatchFold
from tests.support.listener import Listener
from tests.support.logs_of_rollups import BUCKET, Speaker
from tests.support.rollups import T0

if TYPE_CHECKING:
    from collections.abc import Iterable

SETTINGS = Settings(topics=Topics(rollup_shards=2), watch=Watch(patience_ms=1_000))
BUCKETS = 40


def fold(snapshot: bytes | None = None, settings: Settings = SETTINGS) -> WatchFold:
    """A fold with a listener."""
    return WatchFold(settings, Listener(), WatchMetrics(CollectorRegistry()), WindowSeries(), snapshot)


def shards() -> list[list[Record]]:
    """What two shards of one source partition hold."""
    return [[*_records(Speaker(shard=shard))] for shard in range(2)]


def _records(speaker: Speaker) -> Iterable[Record]:
    for number in range(BUCKETS):
        counts = {("all", "all"): {1: number + 1}} if speaker.shard == 0 else {("slot", "s"): {1: 1}}
        rollup = speaker.says((number + 1) * BUCKET, counts, bucket=max(number - number % 3, 0))
        yield Record(number, rollup.told_at_ms, encode_rollup(rollup))


def said(offset: int, at: int, what: str = "x") -> Record:
    """A control record, written so long after the start."""
    return Record(offset, T0 + at, what.encode())


def told(watched: WatchFold, *, live: bool = False) -> list[str]:
    """All that can be told now."""
    found: list[str] = []
    more = True
    while more:
        messages, more = watched.close(live=live)
        found += [value.decode() for _, value in messages]
    return found


def test_after_a_snapshot_the_same_is_told() -> None:
    """Wherever it was taken, and however the shards are mixed behind it."""
    one, other = shards()
    whole = fold()
    whole.take({0: one, 1: other}, [])
    expected = told(whole)
    assert len(expected) > BUCKETS // 2
    for cut in (1, 7, BUCKETS - 2):
        first = fold()
        first.take({0: one[:cut], 1: other[: cut // 2]}, [])
        before = told(first)
        heir = fold(first.encode())
        assert heir.offsets.shards == [cut, cut // 2 or None]
        heir.take({1: other[cut // 2 :]}, [])
        heir.take({0: one[cut:]}, [])
        assert before + told(heir) == expected


def test_what_was_said_holds_from_the_next_bucket_on() -> None:
    """Read before any bucket, it waits for its time; a snapshot does not lose what waits."""
    one, other = shards()
    watched = fold()
    watched.take({}, [said(5, 20 * BUCKET)])
    assert told(watched) == []
    watched.take({0: one[:12], 1: other[:12]}, [])
    assert not any("said" in line for line in told(watched))
    assert watched.offsets.control is None
    watched.take({0: one[12:], 1: other[12:]}, [])
    lines = told(watched)
    place = next(at for at, line in enumerate(lines) if line == "said x")
    assert 0 < place < len(lines) - 1
    assert watched.offsets.control == 6


def test_what_is_said_now_holds_now() -> None:
    """When all was read there is no bucket to wait for."""
    watched = fold()
    watched.take({}, [said(0, 1 << 40), said(1, 1 << 40, "y")])
    assert told(watched) == []
    assert told(watched, live=True) == ["said x", "said y"]


def test_a_tombstone_says_nothing() -> None:
    """It lets an older record go, and is passed over."""
    watched = fold()
    watched.take({}, [Record(3, T0, None)])
    assert told(watched, live=True) == []
    assert watched.offsets.control == 4


def test_what_cannot_be_read_is_passed_over() -> None:
    """One damaged rollup costs what was in it and no more."""
    one, other = shards()
    watched = fold()
    watched.take({0: [Record(0, T0, b"x"), *one], 1: other}, [])
    assert len(told(watched)) > BUCKETS // 2


@pytest.mark.parametrize("data", [b"", b"x", fold().encode()[:-3]])
def test_a_damaged_snapshot_is_refused(data: bytes) -> None:
    """Nobody goes on from half of a state."""
    with pytest.raises(CodecError, match="damaged"):
        fold(data)


@pytest.mark.parametrize(
    "other",
    [
        Settings(topics=Topics(rollup_shards=3)),
        SETTINGS.model_copy(update={"dimensions": (Dimension(name="channel", field="channel"),)}),
    ],
    ids=["shards", "dimensions"],
)
def test_a_snapshot_of_another_deployment_is_refused(other: Settings) -> None:
    """Its offsets and keys mean nothing there."""
    with pytest.raises(CodecError, match="another"):
        fold(fold().encode(), other)
