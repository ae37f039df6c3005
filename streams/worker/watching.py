"""Watching inside a worker: the one that is elected (:mod:`streams.worker.election`) watches for the whole deployment.

The watcher goes on from the newest snapshot in the topic ``watch``, reads the rollups of all shards
from there on, closes buckets and hands them to whoever judges (a :class:`streams.worker.watcher.Watcher`,
of which this room knows no more); what that tells goes to ``incidents``. After a crash the same is worked
out again, and what was told already is not told twice (:mod:`streams.worker.watch_telling`).

Promises: counting never waits for judging, which has a thread of its own, nor ends because it failed:
then watching begins again from its snapshot, after a pause, or without it if nothing else helps
(:mod:`streams.worker.watch_failures`). Who was replaced while he was asleep may repeat what is told
anyway, and destroys no snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka.errors import KafkaError

from streams.errors import FunnelwatchError, TopicError
from streams.metrics.watching import WatchMetrics
from streams.metrics.window_series import WindowSeries
from streams.web.capturing import Capturing
from streams.worker.kafka import Producer, kafka_options
from streams.worker.watch_failures import Failures
from streams.worker.watch_feed import WatchFeed
from streams.worker.watch_fold import JudgingFailed, WatchFold
from streams.worker.watch_log import WatchLog
from streams.worker.watch_reads import WatchReads
from streams.worker.watch_shown import WatchShown
from streams.worker.watch_telling import Telling

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from streams.clock import Clock
    from streams.config import Settings
    from streams.core.windows import Windows
    from streams.web.picture import Picture
    from streams.worker.watch_feed import Fed
    from streams.worker.watcher import MakeWatcher

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
# Without a snapshot: the longest window, and the time that learning takes.
_LOOK_BACK_MS = 2 * 3_600_000
_FIRST_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 60.0
# An election waits for a last snapshot so long; without it, more is read again.
_LAST_SNAPSHOT_SECONDS = 5.0


class NotOurs(TopicError):  # noqa: N818  # says what is the case
    """Somebody else has become the watcher."""


class Watching:
    """See the module.

    Args:
        settings: the whole tree.
        make: makes who judges.
        clock: wall clock.
        registry: of metrics.
    """

    def __init__(
        self, settings: Settings, make: MakeWatcher, clock: Clock, registry: CollectorRegistry
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._watcher = make(settings, registry)
        self._metrics = WatchMetrics(registry)
        self._shown = self._new_shown()
        self._picture: Picture | None = None
        # Called on the event loop when there is another picture.
        self.on_picture: Callable[[], object] = _nothing
        # Likewise when this worker has begun to watch.
        self.on_begin: Callable[[], object] = _nothing
        # Of its own: what fails here is not to fail counting.
        self._producer = Producer(settings.kafka)
        self._telling = Telling(settings, self._producer)
        self._log = WatchLog(kafka_options(settings.kafka), settings.topics.watch, self._producer)
        # One thread: the watcher and the fold are never used twice at once.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="watch")
        self._going = asyncio.Event()
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._fold: WatchFold | None = None
        self._failures = Failures()
        self._due = 0.0
        # What a page or an API shows.
        self.reads = WatchReads(self.asked, self._watcher)

    async def asked(self, ask: Callable[[Windows], T]) -> T | None:
        """Look at the windows, in the watcher's thread; None if there are none."""
        fold = self._fold
        return None if fold is None else await self._in_thread(lambda: ask(fold.windows))

    def _new_shown(self) -> WatchShown:
        watch = self._settings.watch
        series = WindowSeries(watch.max_window_keys, self._watcher.expected, watch.windows)
        return WatchShown(series, Capturing(self._watcher, self._clock))

    @property
    def picture(self) -> Picture | None:
        """What the page shows; None in a worker that does not watch, or did not see a bucket yet."""
        return self._picture

    def _show(self) -> None:
        if self._shown.capturing.picture is not self._picture:
            self._picture = self._shown.capturing.picture
            self.on_picture()

    @property
    def watching(self) -> bool:
        """Whether this worker watches, or is about to."""
        return self._task is not None

    def capture(self) -> Callable[[bool], str]:
        """The windows for Prometheus; see :class:`streams.metrics.window_series.WindowSeries`."""
        return self._shown.series.capture()

    def configure(self, settings: Settings) -> None:
        """Go by other settings; those that need a restart are as before."""
        self._settings = settings
        configure = self._fold.configure if self._fold is not None else self._watcher.configure
        self._thread.submit(configure, settings).add_done_callback(_look_at)

    # --- coming and going ------------------------------------------------------------------------

    async def revoked(self) -> None:
        """Write down what is known, for whoever watches next, and hold still until it is known who."""
        self._going.clear()
        if self._fold is None:
            return
        try:
            async with asyncio.timeout(_LAST_SNAPSHOT_SECONDS):
                await self._write(self._fold)
        except (TimeoutError, TopicError) as error:
            _LOG.warning("no last snapshot of the watcher", extra={"error": str(error)})

    async def assigned(self, *, mine: bool) -> None:
        """Whether this worker watches from now on."""
        if not mine:
            await self._drop()
            return
        self._going.set()
        if self._task is None:
            self._task = asyncio.create_task(self._watch(), name="watch")

    async def stop(self) -> None:
        """Watch no more."""
        await self._drop()
        self._thread.shutdown(wait=False)
        await self._producer.stop()

    async def _drop(self) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        self._forget()

    def _forget(self) -> None:
        self._fold = None
        self._shown = self._new_shown()
        self._show()
        self._metrics.watch(watching=False)
        # Nobody waits for it: whatever comes next is done after it.
        self._thread.submit(self._watcher.begin, None).add_done_callback(_look_at)

    async def _watch(self) -> None:
        """Watch until cancelled, again and again if it fails."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            try:
                await self._watch_once()
            except (FunnelwatchError, KafkaError, OSError) as error:
                _LOG.warning("watching is interrupted", extra={"error": f"{type(error).__name__}: {error}"})
            except JudgingFailed as error:
                then = self._failures.at(error.start_ms, self._judged_ms)
                _LOG.exception("judging failed", extra={"bucket_ms": error.start_ms, "then": then})
                self._metrics.fail()
            except Exception:  # noqa: BLE001  # the edge: counting must not end because judging failed
                _LOG.exception("watching failed", extra={"then": self._failures.elsewhere(self._judged_ms)})
                self._metrics.fail()
            self._forget()
            lasted = time.monotonic() - began > 2 * _LONGEST_PAUSE_SECONDS
            pause = _FIRST_PAUSE_SECONDS if lasted else min(pause * 2, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    @property
    def _judged_ms(self) -> int:
        return 0 if self._fold is None else self._fold.judged_ms

    async def _watch_once(self) -> None:
        snapshot = await self._log.take()
        fold = await self._restored(None if self._failures.begin() else snapshot)
        since_ms = self._clock.now_ms() - _LOOK_BACK_MS
        async with WatchFeed(self._settings) as feed:
            told = await self._telling.recall(feed, fold)
            if told is not None:
                await self._in_thread(self._watcher.recall, told, self._clock.now_ms())
            await feed.begin(fold.offsets, since_ms)
            self._fold = fold
            self._show()
            self._metrics.watch(watching=True)
            self.on_begin()
            self._due = time.monotonic() + self._interval
            _LOG.info("watching", extra={"closed_until_ms": fold.closed_until_ms})
            while True:
                fed = await feed.next()
                await self._step(fold, fed)
                await feed.be_even(fold.ahead_ms)
                behind_ms = self._clock.now_ms() - fold.closed_until_ms if fold.closed_until_ms else 0
                self._metrics.set_behind(await feed.lag() or 0, behind_ms / 1000)
                await self._keep(fold)

    async def _restored(self, snapshot: bytes | None) -> WatchFold:
        make = partial(
            WatchFold,
            self._settings,
            self._watcher,
            self._metrics,
            self._shown,
            left_out=self._failures.left_out,
        )
        try:
            return await self._in_thread(make, snapshot)
        except Exception:
            if snapshot is None:
                raise
            # Of another version, or of another funnel: a snapshot saves time, and is needed for nothing.
            _LOG.exception("snapshot cannot be taken up, going on without")
            return await self._in_thread(make, None)

    # --- step by step ----------------------------------------------------------------------------

    async def _step(self, fold: WatchFold, fed: Fed) -> None:
        """Take in what was read, judge what can be judged, tell it."""
        await self._in_thread(fold.take, fed.rollups, fed.controls)
        if fed.live and not fed.rollups:
            await self._in_thread(fold.tick, self._clock.now_ms())
        more = True
        while more:
            await self._going.wait()
            async with self._turn:
                messages, more = await self._in_thread(partial(fold.close, live=fed.live))
                self._show()
                # Nothing is written down before it has been told.
                await self._telling.tell(fold, messages)

    @property
    def _interval(self) -> float:
        return self._settings.watch.snapshot_interval_ms / 1000

    async def _keep(self, fold: WatchFold) -> None:
        if time.monotonic() < self._due or not self._going.is_set():
            return
        try:
            await self._write(fold)
        except NotOurs:
            raise
        except TopicError as error:
            _LOG.warning("no snapshot of the watcher", extra={"error": str(error)})
        self._due = time.monotonic() + self._interval

    async def _write(self, fold: WatchFold) -> None:
        async with self._turn:
            data = await self._in_thread(fold.encode)
            if not await self._log.write(data):
                raise NotOurs(f"{self._settings.topics.watch}: somebody else watches")
        self._metrics.keep(len(data), self._clock.now_ms())

    async def _in_thread(self, do: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, do, *arguments)


def _nothing() -> None:
    """Nobody wants to know."""


def _look_at(done: Any) -> None:  # noqa: ANN401  # a future of either kind
    if not done.cancelled() and done.exception() is not None:
        _LOG.error("not taken up by the watcher", exc_info=done.exception())
