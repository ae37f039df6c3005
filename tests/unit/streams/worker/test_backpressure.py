"""Who has run far ahead is held back, and for no longer."""

from __future__ import annotations

from faust.types import TP

from streams.worker.backpressure import Backpressure
from tests.support.builders import click
from tests.unit.streams.worker.counting_bench import CLICKSTREAM, ORDERS, Bench

BOTH = {TP(CLICKSTREAM, 0), TP(ORDERS, 0)}
FAR = 200_000


async def test_what_is_in_no_log_holds_back_both_topics_until_it_is() -> None:
    """Each change is told once."""
    bench = Bench()
    pressure = Backpressure((CLICKSTREAM, ORDERS), bench.counting, None)
    assert pressure.change() == (set(), set())
    bench.take("first", [click("v1", 0)])
    bench.assigned.unlogged = FAR
    assert pressure.change() == (BOTH, set())
    assert pressure.change() == (set(), set())
    bench.settle()
    assert await bench.flush()
    assert pressure.change() == (set(), BOTH)


async def test_partitions_that_moved_are_held_back_anew() -> None:
    """The consumer knows nothing any more of what was held back before."""
    bench = Bench()
    pressure = Backpressure((CLICKSTREAM, ORDERS), bench.counting, None)
    bench.assigned.unlogged = FAR
    assert pressure.change() == (BOTH, set())
    pressure.forget()
    assert pressure.change() == (BOTH, set())
