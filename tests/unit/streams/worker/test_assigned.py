"""A topic is silent for as long as nothing is known to be left of it."""

from __future__ import annotations

import pytest

from streams.worker.batching import Position
from tests.support.builders import HOUR, at, click
from tests.unit.streams.worker.counting_bench import BOUND, IDLE_MS, ORDERS, SILENCE_MS, Bench


@pytest.mark.parametrize(
    ("position", "released"),
    [
        (Position(10, 10, None), True),
        (Position(9, 10, None), False),
        (Position(None, 10, None), False),
        (Position(None, None, None), False),
        # Read to the end, but the agent does not have it yet.
        (Position(10, 10, 10), False),
    ],
)
async def test_only_a_topic_known_to_be_empty_holds_nobody_back(
    position: Position, *, released: bool
) -> None:
    """Orders with nothing left let the clickstream go on; orders that may have something left do not."""
    bench = Bench()
    bench.take("clicks", [click("v1", 0), click("v1", 60_000)])
    bench.clock.advance(IDLE_MS)

    def at_position(topic: str, _: int) -> Position:
        return position if topic == ORDERS else Position(1, 2, 2)

    await bench.counting.flush(at_position)
    assert bench.assigned.counts.waiting == (1 if released else 2)
    assert bench.assigned.limit_ms == (at(60_000) - BOUND if released else bench.assigned.limit_ms)


async def test_who_was_blind_has_not_seen_a_silence() -> None:
    """A topic is idle for as long as it is known to bring nothing: not knowing does not count."""
    bench = Bench()
    bench.take("clicks", [click("v1", 0), click("v1", 60_000)])

    async def flush(orders: Position) -> int:
        await bench.counting.flush(lambda topic, _: orders if topic == ORDERS else Position(1, 2, 2))
        return bench.assigned.counts.waiting

    blind, empty = Position(None, None, None), Position(0, 0, None)
    assert await flush(empty) == 2
    bench.clock.advance(IDLE_MS - 1)
    assert await flush(empty) == 2
    assert await flush(blind) == 2
    bench.clock.advance(10 * IDLE_MS)
    assert await flush(empty) == 2
    bench.clock.advance(IDLE_MS - 1)
    assert await flush(empty) == 2
    bench.clock.advance(1)
    assert await flush(empty) == 1


@pytest.mark.parametrize("jump_ms", [HOUR, -HOUR])
async def test_somebody_who_sets_the_clock_makes_no_silence(jump_ms: int) -> None:
    """Nor does it make one longer: silence is time that has really gone by."""
    bench = Bench()
    bench.take("clicks", [click("v1", 0), click("v1", 60_000)])

    async def flush() -> int:
        await bench.counting.flush(lambda topic, _: Position(topic != ORDERS, topic != ORDERS, None))
        return bench.assigned.counts.waiting

    bench.clock.jump(jump_ms)
    bench.clock.advance(IDLE_MS - 1)
    assert await flush() == 2
    bench.clock.advance(SILENCE_MS - IDLE_MS + 1)
    assert await flush() == 0
