"""Snapshots of the watcher: what counts of the log, and what was torn, damaged or somebody else's."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple, Self

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.errors import CodecError, TopicError
from streams.worker import watch_log
from streams.worker.totals_entries import marker_key
from streams.worker.watch_log import WatchLog, newest_snapshot

BIG = bytes(range(256)) * 6_000


class Entry(NamedTuple):
    """A record as a consumer has it."""

    offset: int
    key: bytes
    value: bytes | None


class MemoryTopic:
    """One partition: whoever sends appends, whoever reads sees it to its end."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.sizes: list[int] = []
        self.silent = False

    async def send(self, topic: str, **record: Any) -> asyncio.Future[Entry]:
        """Append a record."""
        entry = Entry(len(self.entries), record["key"], record["value"])
        self.entries.append(entry)
        self.sizes.append(len(record["value"] or b""))
        done: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        if self.silent and entry.key.startswith(b"marker/"):
            done.set_exception(KafkaConnectionError())
        else:
            done.set_result(entry)
        return done

    async def discard(self) -> None:
        """Nothing is under way."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""

    async def read(self, _: int, since: int) -> list[Entry]:
        """All records from an offset on."""
        return self.entries[since:]

    def compact(self) -> None:
        """Only the newest record of each key stays."""
        newest = {entry.key: entry.offset for entry in self.entries}
        self.entries = [
            entry if newest[entry.key] == entry.offset else entry._replace(value=None)
            for entry in self.entries
        ]


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> MemoryTopic:
    """A topic that readers read."""
    made = MemoryTopic()
    monkeypatch.setattr(watch_log, "TotalsReader", lambda *_: made)
    return made


def watcher(topic: MemoryTopic) -> WatchLog:
    """Somebody who watches."""
    return WatchLog({}, "watch", topic)


async def test_the_next_one_has_what_was_written_last(topic: MemoryTopic) -> None:
    """In pieces of half a MiB at most, and whatever compaction has taken."""
    one = watcher(topic)
    assert await one.take() is None
    for data in (b"first", BIG, b"third" + BIG):
        assert await one.write(data)
        topic.compact()
        assert await watcher(topic).take() == data
        one = watcher(topic)
        await one.take()
    assert max(topic.sizes) <= 512 * 1024


async def test_a_torn_snapshot_leaves_the_one_before(topic: MemoryTopic) -> None:
    """Pieces without their marker are not there, and take no place of those that are needed."""
    one = watcher(topic)
    await one.take()
    await one.write(BIG)
    await one.write(BIG[::-1])
    topic.entries = topic.entries[:-1]
    topic.compact()
    assert newest_snapshot(topic.entries) == BIG


async def test_a_marker_of_which_nobody_knows(topic: MemoryTopic) -> None:
    """It arrived, but nobody said so: the next snapshot takes no place of what it names."""
    one = watcher(topic)
    await one.take()
    await one.write(b"first")
    topic.silent = True
    with pytest.raises(TopicError):
        await one.write(BIG)
    topic.silent = False
    assert newest_snapshot(topic.entries) == BIG
    await one.write(BIG[::-1])
    topic.entries.pop()
    assert newest_snapshot(topic.entries) == BIG


async def test_who_was_replaced_writes_nothing_that_counts(topic: MemoryTopic) -> None:
    """He finds out with his next snapshot; the other's stands, and whoever comes next has that."""
    asleep, heir = watcher(topic), watcher(topic)
    await asleep.take()
    assert await asleep.write(b"old")
    assert await heir.take() == b"old"
    assert await heir.write(b"new")
    assert not await asleep.write(b"asleep")
    assert not await asleep.write(b"still")
    assert await heir.write(b"newer")
    assert await watcher(topic).take() == b"newer"


async def test_what_cannot_be_read_is_left(topic: MemoryTopic) -> None:
    """A snapshot saves time and is needed for nothing: a damaged one is told, and watching begins anew."""
    one = watcher(topic)
    await one.take()
    await one.write(BIG)
    place = next(at for at, entry in enumerate(topic.entries) if entry.key.startswith(b"piece/"))
    topic.entries[place] = topic.entries[place]._replace(value=b"x")
    with pytest.raises(CodecError, match="checksum"):
        newest_snapshot(topic.entries)
    assert await watcher(topic).take() is None


async def test_earlier_owners_leave_nothing_behind(topic: MemoryTopic) -> None:
    """Once there is a newer snapshot, the keys of the one before are deleted."""
    one, heir = watcher(topic), watcher(topic)
    await one.take()
    await one.write(BIG)
    await heir.take()
    await heir.write(b"new")
    newest = {entry.key: entry.value for entry in topic.entries}
    alive = {key for key, value in newest.items() if value is not None}
    assert len(alive) == 3
    assert not any(key.startswith(marker_key(0)) for key in alive)
