"""The watcher's work, bucket by bucket: rollups are closed, summed up in windows, and judged.

Promises: what is told depends on the records taken, on their order within each shard and on nothing
else, so whoever reads again from a snapshot tells the same again. Control records take effect before
the first bucket that closed after they were written. All of it is slow and synchronous: it belongs
into a thread, one call at a time.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import cramjam
import msgspec

from streams.codec import decode_message
from streams.core.closing import Closing, ClosingState
from streams.core.shard_progress import ClosingSettings
from streams.core.windows import Sale, Windows, WindowSettings, WindowsState
from streams.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from streams.closed import ClosedBucket
    from streams.config import Settings
    from streams.events import Record
    from streams.metrics.watching import WatchMetrics
    from streams.worker.watcher import Message, Watcher

_LOG = logging.getLogger(__name__)
VERSION = 1
# After so many closed buckets others have their turn: a rebalance, a snapshot.
_AT_ONCE = 6
# In a backlog gauges are of long ago anyway, and copying them takes longer than judging a bucket.
_SHOWN_EVERY = 60


class Shows(Protocol):
    """Shows what windows have."""

    def refresh(self, windows: Windows) -> None:
        """Copy what is to be shown from now on."""
        ...


class Offsets(msgspec.Struct, array_like=True):
    """What was read: the next offset of each shard and of control, and where incidents ended then.

    None where nothing was read yet.
    """

    shards: list[int | None]
    control: int | None = None
    incidents: int | None = None


class FoldState(msgspec.Struct, array_like=True):
    """All of it; ``shape`` is of the deployment, ``watcher`` is what the watcher says of itself."""

    version: int
    shape: list[str]
    offsets: Offsets
    closing: ClosingState
    windows: WindowsState
    watcher: Any


class JudgingFailed(Exception):  # noqa: N818  # says what happened; the error is its cause
    """The watcher failed at the bucket that starts at ``start_ms``."""

    def __init__(self, start_ms: int) -> None:
        super().__init__(f"at the bucket of {start_ms}")
        self.start_ms = start_ms


class Told(NamedTuple):
    """Messages in order, and whether more buckets can be closed at once."""

    messages: list[Message]
    more: bool


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(FoldState).decode


class WatchFold:
    """See the module.

    Args:
        settings: the whole tree.
        watcher: who judges; it begins anew here.
        metrics: of the watcher.
        series: is told when there is another bucket to be shown.
        snapshot: as :meth:`encode` wrote it; None begins with nothing.
        left_out: starts of buckets that are not judged.

    Raises:
        CodecError: the snapshot is of another version or deployment, or damaged.
    """

    def __init__(
        self,
        settings: Settings,
        watcher: Watcher,
        metrics: WatchMetrics,
        series: Shows,
        snapshot: bytes | None = None,
        left_out: Collection[int] = (),
    ) -> None:
        self._watcher = watcher
        self._left_out = left_out
        self._metrics = metrics
        self._series = series
        self._controls: deque[Record] = deque()
        # Start of the newest bucket that was judged; 0 before.
        self.judged_ms = 0
        # Buckets closed since gauges were refreshed.
        self._unshown = 0
        self._begin(settings, snapshot)

    def _begin(self, settings: Settings, snapshot: bytes | None) -> None:
        shards, watch = settings.topics.rollup_shards, settings.watch
        waiting = ClosingSettings(patience_ms=watch.patience_ms, max_keys=settings.counting.max_tracked_keys)
        self._closing = Closing(shards, settings=waiting)
        lateness_ms = settings.counting.allowed_lateness_ms
        self._windows = Windows(WindowSettings(watch.time_zone, lateness_ms), sales_of(settings))
        self.offsets = Offsets([None] * shards)
        self._shape = [*settings.funnel.nodes, "/", *settings.funnel_model().dimensions, "/", str(shards)]
        state = None if snapshot is None else decode_state(snapshot, self._shape)
        self._watcher.begin(None if state is None else state.watcher)
        if state is not None:
            self._closing.restore(state.closing)
            self._windows.restore(state.windows)
            self.offsets = state.offsets
            self._series.refresh(self._windows)

    @property
    def windows(self) -> Windows:
        """As of the last closed bucket."""
        return self._windows

    @property
    def closed_until_ms(self) -> int:
        """Event time up to which buckets are closed; 0 before the first."""
        return self._closing.next_ms or 0

    def ahead_ms(self, shard: int) -> int:
        """By how much a shard was read ahead of the slowest, in event time."""
        return self._closing.waiting(shard)

    def take(self, rollups: Mapping[int, Sequence[Record]], controls: Sequence[Record]) -> None:
        """Take in what was read, by shard and in order."""
        for shard, records in rollups.items():
            for record in records:
                self._take(shard, record)
        self._controls.extend(controls)

    def _take(self, shard: int, record: Record) -> None:
        self.offsets.shards[shard] = record.offset + 1
        try:
            self._closing.take(shard, decode_message(record.value))
        except CodecError as error:
            _LOG.warning("rollup cannot be read", extra={"shard": shard, "error": str(error)})

    def tick(self, now_ms: int) -> None:
        """What time it is; only while there is nothing to be read."""
        self._closing.tick(now_ms)

    def close(self, *, live: bool) -> Told:
        """Close and judge the next buckets, a few at a time.

        Args:
            live: all was read that there is, so controls are of now.
        """
        messages: list[Message] = []
        closed = 0
        for bucket in self._closing.closed():
            messages += self._obey(bucket.closed_at_ms)
            messages += self._judge(bucket)
            closed += 1
            if closed == _AT_ONCE:
                break
        more = closed == _AT_ONCE
        self._unshown += closed
        if live and not more:
            messages += self._obey(None)
        if self._unshown and (not more or self._unshown >= _SHOWN_EVERY):
            self._series.refresh(self._windows)
            self._unshown = 0
        return Told(messages, more)

    def _judge(self, bucket: ClosedBucket) -> Sequence[Message]:
        began = time.perf_counter()
        self._windows.take(bucket)
        messages = () if bucket.start_ms in self._left_out else self._observed(bucket)
        self._metrics.observe_bucket(time.perf_counter() - began)
        return messages

    def _observed(self, bucket: ClosedBucket) -> Sequence[Message]:
        try:
            told = self._watcher.observe(bucket, self._windows)
        except Exception as error:
            raise JudgingFailed(bucket.start_ms) from error
        self.judged_ms = bucket.start_ms
        return told

    def _obey(self, until_ms: int | None) -> Iterator[Message]:
        """Do what people said until then; None for all."""
        while self._controls and (until_ms is None or self._controls[0].timestamp_ms <= until_ms):
            record = self._controls.popleft()
            self.offsets.control = record.offset + 1
            # A tombstone only lets an older record go.
            if record.value is not None:
                yield from self._watcher.control(record.value)

    def configure(self, settings: Settings) -> None:
        """Go by other settings from the next bucket on; those that need a restart are not looked at."""
        self._windows.plan(sales_of(settings))
        self._watcher.configure(settings)

    def encode(self) -> bytes:
        """All that is known, compressed. Everything told so far must have arrived."""
        state = FoldState(
            VERSION,
            self._shape,
            self.offsets,
            self._closing.snapshot(),
            self._windows.snapshot(),
            self._watcher.snapshot(),
        )
        data = _encode(state)
        return bytes(cramjam.zstd.compress(data, level=1))


def decode_state(data: bytes, shape: list[str]) -> FoldState:
    """A snapshot from its bytes.

    Raises:
        CodecError: of another version or deployment, or damaged.
    """
    try:
        plain = bytes(cramjam.zstd.decompress(data))
        version, *_ = msgspec.msgpack.decode(plain, type=list[msgspec.Raw])
        if msgspec.msgpack.decode(version) != VERSION:
            raise CodecError("a snapshot of another version")
        state: FoldState = _decode(plain)
    except (msgspec.MsgspecError, cramjam.DecompressionError, ValueError) as error:
        raise CodecError("a damaged snapshot") from error
    if state.shape != shape:
        raise CodecError("a snapshot of another funnel, other dimensions, or another number of shards")
    return state


def sales_of(settings: Settings) -> list[Sale]:
    """The promotions as windows know them."""
    return [Sale(p.name, p.start_ms, p.end_ms, p.scope) for p in settings.calendar().promotions]
