"""Wakes everybody who waits for something new to show."""

from __future__ import annotations

import asyncio


class Bell:
    """Rung on the event loop; whoever waits is woken once per ring, none is missed between two waits."""

    def __init__(self) -> None:
        self._rings = 0
        self._rung = asyncio.Event()

    @property
    def rings(self) -> int:
        """How often it was rung."""
        return self._rings

    def ring(self) -> None:
        """There is something new."""
        self._rings += 1
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    async def wait(self, after: int, seconds: float) -> int:
        """How often it was rung, as soon as that is more than ``after``, or so many seconds have passed."""
        if self._rings == after:
            try:
                async with asyncio.timeout(seconds):
                    await self._rung.wait()
            except TimeoutError:
                pass
        return self._rings
