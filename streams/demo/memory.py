"""Free memory goes back to the system, where the C library can be told to: glibc, so Linux.

A demo is a broker, a shop and a worker in one process, with a dozen threads between them, and glibc keeps
what is freed for the thread that freed it: after an hour a fifteenth of the demo's memory was that.
"""

from __future__ import annotations

import asyncio
import ctypes
from typing import Final

_EVERY_SECONDS: Final = 60.0


def give_back() -> bool:
    """Give back what is free; whether there was any. False where the C library has no word for it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))


async def keep_tidy() -> None:
    """Give back what is free every minute, until cancelled; the event loop does not wait for it."""
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        await asyncio.to_thread(give_back)
