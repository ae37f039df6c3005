"""Copies of the counting state of partitions that other workers have, kept up to date.

When one of them dies, its partition's state is here already but for the last second, and whoever
takes it over counts on at once. The price is the memory of that state, and the CPU of applying what
the others write.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from streams.errors import CodecError, TopicError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.worker.log_entries import Marker
    from streams.worker.log_reader import LogReader
    from streams.worker.state_topic import StateTopic

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 1.0
_RETRY_SECONDS = 5.0


class Standby:
    """Follows the logs of some partitions.

    Args:
        open_topic: makes a consumer of the state topic.
        new_reader: makes a reader of one partition that begins where its newest marker says.
        pause_seconds: between two looks.
    """

    def __init__(
        self,
        open_topic: Callable[[], StateTopic],
        new_reader: Callable[[Marker | None], LogReader],
        *,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self._open_topic = open_topic
        self._new_reader = new_reader
        self._pause = pause_seconds
        self._readers: dict[int, LogReader] = {}
        self._missing: set[int] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def behind(self) -> frozenset[int]:
        """Partitions of which no whole copy is here yet."""
        return frozenset(self._missing)

    def nbytes(self) -> dict[str, int]:
        """Bytes of state by kind, over all copies."""
        total: dict[str, int] = {}
        for reader in self._readers.values():
            for kind, size in reader.counts.nbytes().items():
                total[kind] = total.get(kind, 0) + size
        return total

    def follow(self, numbers: Iterable[int], readers: dict[int, LogReader]) -> None:
        """Keep copies of these partitions from now on, beginning with what is there of them."""
        self._readers = {number: readers[number] for number in numbers if number in readers}
        self._missing = set(numbers) - self._readers.keys()
        self._task = asyncio.create_task(self._run())

    async def release(self) -> dict[int, LogReader]:
        """Follow nothing any more; all copies, as far as they have come."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        readers, self._readers = self._readers, {}
        self._missing = set()
        return readers

    async def _run(self) -> None:
        while True:
            try:
                async with self._open_topic() as topic:
                    while True:
                        await self._look(topic)
                        await asyncio.sleep(self._pause)
            except TopicError as error:
                # A copy is a convenience: whoever needs it reads the log itself.
                _LOG.warning("copies of state do not get on", extra={"error": str(error)})
                await asyncio.sleep(_RETRY_SECONDS)

    async def _look(self, topic: StateTopic) -> None:
        for number in sorted(self._missing):
            newest = (await topic.newest([number]))[number]
            self._readers[number] = self._new_reader(newest)
        await topic.read(self._readers)
        broken = {number for number, reader in self._readers.items() if not is_whole(reader)}
        for number in broken:
            del self._readers[number]
        self._missing = broken


def is_whole(reader: LogReader) -> bool:
    """Whether what was read is a state to count on with."""
    try:
        reader.check()
    except CodecError:
        return False
    return True
