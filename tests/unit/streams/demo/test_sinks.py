"""Sinks: lines that can be replayed, partitions that agree, and a pace that follows the clock given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from streams.demo.simulator import SimulatedRecord, TrafficSettings, simulate
from streams.demo.sinks import JsonLinesSink, agreed, at_once, deliver, in_real_time, json_line, partition_of
from streams.errors import ConfigError, TopicError
from tests.support.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

START_MS = 1_762_689_600_000


def record(arrival_ms: int) -> SimulatedRecord:
    """A record of which only the arrival matters."""
    return SimulatedRecord("clickstream", arrival_ms, arrival_ms, b"v1", b"{}")


class TimedSink:
    """Notes when each record came, by a clock that only sleeping moves."""

    def __init__(self, start_ms: int = 0) -> None:
        self.clock = ManualClock(start_ms)
        self.seen: list[tuple[int, int]] = []
        self.chunks: list[int] = []

    async def write(self, records: Sequence[SimulatedRecord]) -> None:
        """Note arrival and time."""
        self.chunks.append(len(records))
        self.seen += [(each.arrival_ms, self.clock.now_ms()) for each in records]

    async def sleep(self, seconds: float) -> None:
        """Let the time pass instead of waiting for it."""
        self.clock.advance(round(seconds * 1_000))


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (b'{"event":"click"}', b'{"event":"click","kafka_timestamp":5}\n'),
        (b'{ "a" : 1 } ', b'{ "a" : 1,"kafka_timestamp":5}\n'),
        (b"{}", b'{"kafka_timestamp":5}\n'),
        (b'{\n"a":1\r\n}', b'{ "a":1,"kafka_timestamp":5}\n'),
        ('{"a":"主会场"}'.encode(), '{"a":"主会场","kafka_timestamp":5}\n'.encode()),
        (b'[{"a":1}]', b'[{"a":1}]\n'),
        (b'{"a":{"b":1}', b'{"a":{"b":1}\n'),
        (b"not\njson", b"not json\n"),
        (b'{"a":"\xff"}', b'{"a":"\xff"}\n'),
        (b"", b"\n"),
    ],
)
def test_a_line_is_the_value_with_its_timestamp(value: bytes, line: bytes) -> None:
    """Objects get the timestamp; everything else stays as it is; always exactly one line."""
    assert json_line(value, 5) == line


async def test_files_hold_every_record_of_their_topic(tmp_path: Path) -> None:
    """One line per record, in order of arrival, and JSON objects say when they arrived."""
    settings = TrafficSettings(start_ms=START_MS, rate=100, events=5_000, invalid=0.05)
    records = list(simulate(settings))
    paths = {topic: tmp_path / f"{topic}.jsonl" for topic in ("clickstream", "orders")}
    async with JsonLinesSink(paths["clickstream"], paths["orders"]) as sink:
        written = await deliver(at_once(iter(records)), sink)
    assert written.total() == 5_000
    for topic, path in paths.items():
        expected = [each for each in records if each.topic == topic]
        lines = path.read_bytes().split(b"\n")
        assert lines.pop() == b""
        assert len(lines) == len(expected) == written[topic]
        for line, each in zip(lines, expected, strict=True):
            if line.endswith(b'"kafka_timestamp":%d}' % each.arrival_ms):
                assert json.loads(line)["kafka_timestamp"] == each.arrival_ms
            else:
                assert line == each.value


async def test_a_file_that_cannot_be_made_leaves_none_open(tmp_path: Path) -> None:
    """The error of the second file is raised; the first is closed (open files warn)."""
    with pytest.raises(FileNotFoundError):
        async with JsonLinesSink(tmp_path / "clickstream.jsonl", tmp_path / "missing" / "orders.jsonl"):
            pass


@pytest.mark.parametrize("size", [1, 3, 10, 100])
async def test_at_once_keeps_order_in_chunks(size: int) -> None:
    """Every record once, in order, never more than ``size`` together."""
    records = [record(number) for number in range(10)]
    chunks = [chunk async for chunk in at_once(iter(records), size)]
    assert [each for chunk in chunks for each in chunk] == records
    assert max(map(len, chunks)) <= size


@pytest.mark.parametrize(("speed", "factor"), [(1.0, 1.0), (10.0, 0.1), (0.5, 2.0)])
async def test_real_time_follows_the_clock(speed: float, factor: float) -> None:
    """A record is written when it is due, at most a tick (20 ms) later, never before."""
    sink = TimedSink()
    arrivals = [START_MS + offset for offset in (0, 5, 900, 901, 60_000)]
    records = map(record, arrivals)
    await deliver(in_real_time(records, sink.clock, sleep=sink.sleep, speed=speed), sink)
    assert [arrival for arrival, _ in sink.seen] == arrivals
    for arrival, now in sink.seen:
        assert 0 <= now - (arrival - START_MS) * factor <= 20


async def test_real_time_can_begin_before_the_first_record() -> None:
    """With an origin the first record waits too, so a live shop is never ahead of the clock."""
    sink = TimedSink(START_MS)
    due = in_real_time(iter([record(START_MS + 700)]), sink.clock, sleep=sink.sleep, origin_ms=START_MS)
    await deliver(due, sink)
    assert sink.seen == [(START_MS + 700, START_MS + 700)]


async def test_real_time_catches_up_in_bounded_chunks() -> None:
    """After a stall everything overdue comes without sleeping, in chunks of at most ``size``."""
    sink = TimedSink()
    records = iter([record(0), *(record(1_000) for _ in range(25))])
    async for chunk in in_real_time(records, sink.clock, sleep=sink.sleep, size=10):
        await sink.write(chunk)
        if len(sink.chunks) == 1:
            sink.clock.advance(60_000)
    assert sink.chunks == [1, 10, 10, 5]
    assert sink.clock.now_ms() <= 60_020


async def test_real_time_of_nothing_ends() -> None:
    """An empty stream is no reason to wait."""
    sink = TimedSink()
    assert not (await deliver(in_real_time(iter([]), sink.clock, sleep=sink.sleep), sink)).total()


async def test_real_time_refuses_to_stand_still() -> None:
    """A speed of zero would never deliver anything."""
    with pytest.raises(ConfigError) as caught:
        await anext(in_real_time(iter([record(0)]), ManualClock(), speed=0))
    assert caught.value.field == "simulate.speed"


def test_partitions_are_those_of_kafkas_own_clients() -> None:
    """Murmur2 as in Kafka's Java client, whose own tests have these hashes."""
    hashes = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    }
    for key, murmur in hashes.items():
        assert partition_of(key, 1_000) == (murmur & 0x7FFF_FFFF) % 1_000


def test_visitors_are_spread_over_partitions() -> None:
    """No partition gets much more than its share of visitors."""
    shares = [0] * 4
    for visitor in range(10_000):
        shares[partition_of(b"v%d" % visitor, 4)] += 1
    assert min(shares) > 2_300


def test_topics_must_agree_about_partitions() -> None:
    """Without the same number of partitions a visitor's clicks and orders would part."""
    assert agreed({"clickstream": 4, "orders": 4}) == 4
    with pytest.raises(TopicError, match="orders"):
        agreed({"clickstream": 4, "orders": 3})
