"""Keeps a board of incidents and silences as their topics tell them.

Promises: every worker has the same board, whether it watches or not; while Kafka is out of reach it stays
as it was. No group: each worker reads both topics whole, they are short.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import KafkaUnreachable
from streams.worker.kafka import kafka_options, open_consumer

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.config import Settings
    from streams.web.board import Board

_LOG = logging.getLogger(__name__)
_WAIT_MS = 1_000
_AT_ONCE = 500
_PAUSE_SECONDS = 3.0


class BoardFeed:
    """See the module.

    Args:
        settings: topic names, and how to reach Kafka.
        board: that is kept.
        on_change: called when it has changed.
    """

    def __init__(self, settings: Settings, board: Board, on_change: Callable[[], object]) -> None:
        self._settings = settings
        self._board = board
        self._on_change = on_change
        self._incidents = TopicPartition(settings.topics.incidents, 0)
        self._control = TopicPartition(settings.topics.control, 0)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read, on the running loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._feed(), name="board")

    async def stop(self) -> None:
        """Read no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _feed(self) -> None:
        while True:
            try:
                await self._read()
            except (KafkaError, KafkaUnreachable, OSError) as error:
                _LOG.warning("the board waits for kafka", extra={"error": type(error).__name__})
            except Exception:  # noqa: BLE001  # the edge: the page is not to be blind for good
                _LOG.exception("the board failed, it is read again")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(
            **kafka_options(self._settings.kafka),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=self._settings.kafka.fetch_max_wait_ms,
        )
        await open_consumer(consumer, self._incidents.topic)
        try:
            consumer.assign([self._incidents, self._control])
            await consumer.seek_to_beginning(self._incidents, self._control)
            while True:
                self._take(await consumer.getmany(timeout_ms=_WAIT_MS, max_records=_AT_ONCE))
        finally:
            await consumer.stop()

    def _take(self, fetched: dict[TopicPartition, list[object]]) -> None:
        before = self._board.revision
        for tp, records in fetched.items():
            take = self._board.tell if tp == self._incidents else self._board.hear
            for record in records:
                take(record.value)  # type: ignore[attr-defined]  # aiokafka has no types
        if self._board.revision != before:
            self._on_change()
