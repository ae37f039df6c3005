"""Processes: a worker until a signal ends it, and the topics it needs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from functools import partial
from typing import TYPE_CHECKING

from streams.errors import ConfigError
from streams.reload import ConfigFile
from streams.worker import topic_admin
from streams.worker.app import Worker
from streams.worker.frame import WorkerFrame
from streams.worker.kafka import kafka_options
from streams.worker.wiring import wanted_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from streams.config import Settings
    from streams.topics import TopicProblem
    from streams.worker.delivering import MakeNotifier
    from streams.worker.frame import MakePages
    from streams.worker.topic_admin import CreatedTopics
    from streams.worker.watcher import MakeWatcher

_LOG = logging.getLogger(__name__)


def run_worker(
    settings: Settings,
    make_watcher: MakeWatcher | None = None,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    make_pages: MakePages | None = None,
    make_notifier: MakeNotifier | None = None,
) -> int:
    """Run one worker until SIGINT or SIGTERM; 0 after a clean stop, 1 after a crash.

    It does what ``worker.only`` says, all if that says nothing.

    Args:
        settings: the whole tree.
        make_watcher: makes who judges what was counted; None watches nothing.
        config: the file that is taken up anew when it changes, and on SIGHUP.
        environ: the variables that go over it.
        make_pages: makes what is served beside metrics and health.
        make_notifier: makes who tells people of what went wrong; None tells nobody.

    Raises:
        ConfigError: a channel lacks something, or there is nothing to do.
    """
    only = settings.worker.only
    if only == "watch" and not settings.watch.enabled:
        raise ConfigError("watch.enabled", "must be true for a worker that does nothing but watch")
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415  # not on every platform

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    worker = partial(
        Worker if only in {None, "count"} else WorkerFrame,
        settings,
        make_watcher=make_watcher if only in {None, "watch"} else None,
        make_pages=make_pages,
        make_notifier=make_notifier if only in {None, "notify"} else None,
    )
    return asyncio.run(_until_signal(worker, config, environ or {}))


def _quiet_collector() -> None:
    """Collect garbage seldom: state lives in arrays, and what agents make dies by reference count."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


async def _until_signal(
    make: Callable[[], WorkerFrame], config: Path | None, environ: Mapping[str, str]
) -> int:
    worker = make()
    _quiet_collector()
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(worker.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    file = ConfigFile(config, environ, worker.settings, worker.configure, worker.reloads.count)
    loop.add_signal_handler(signal.SIGHUP, file.ask)
    reloading = asyncio.create_task(file.watch(), name="config")
    try:
        await running
    except asyncio.CancelledError:
        _LOG.info("worker stopped")
    except Exception as error:  # noqa: BLE001  # the edge: whatever it is, it is why this process ends
        _LOG.exception("worker ended", extra={"reason": f"{type(error).__name__}: {error}"})
        return 1
    finally:
        reloading.cancel()
    return 0


async def create_topics(settings: Settings) -> CreatedTopics:
    """Create the topics that are missing."""
    options = kafka_options(settings.kafka)
    return await topic_admin.create_topics(
        options.pop("bootstrap_servers"), wanted_topics(settings), **options
    )


async def verify_topics(settings: Settings) -> Sequence[TopicProblem]:
    """How the topics differ from what is wanted."""
    options = kafka_options(settings.kafka)
    wanted = wanted_topics(settings)
    return await topic_admin.verify_topics(options.pop("bootstrap_servers"), wanted, **options)
