"""Everybody who waits is woken."""

from __future__ import annotations

import asyncio

from streams.web.bell import Bell


async def test_a_ring_wakes_all() -> None:
    """Each once, with the same count."""
    bell = Bell()
    waiting = [asyncio.create_task(bell.wait(0, 60)) for _ in range(3)]
    await asyncio.sleep(0)
    bell.ring()
    assert await asyncio.gather(*waiting) == [1, 1, 1]


async def test_a_ring_between_two_waits_is_not_missed() -> None:
    """Who knows of fewer rings does not wait."""
    bell = Bell()
    bell.ring()
    assert await bell.wait(0, 60) == 1


async def test_without_a_ring_it_ends() -> None:
    """After its time, with what there was."""
    assert await Bell().wait(0, 0.01) == 0
