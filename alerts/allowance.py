"""How often somebody may do something: a bucket of tokens for each name. Pure; time is given.

Bounded: beyond ``limit`` names the one that was heard of longest ago is forgotten, and begins anew.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

_LIMIT: Final = 10_000


class Allowance:
    """See the module.

    Args:
        burst: so many at once.
        refill_ms: and one more each so many ms.
        limit: names that are remembered.
    """

    def __init__(self, burst: int, refill_ms: int, limit: int = _LIMIT) -> None:
        self._burst = burst
        self._refill_ms = refill_ms
        self._limit = limit
        # By name: when its bucket will be full again.
        self._full_ms: OrderedDict[str, int] = OrderedDict()

    def take(self, name: str, now_ms: int) -> int:
        """Take one; 0 if there was one, else ms until there is."""
        full_ms = max(self._full_ms.get(name, now_ms), now_ms)
        wait_ms = full_ms + self._refill_ms - (now_ms + self._burst * self._refill_ms)
        if wait_ms > 0:
            return wait_ms
        self._full_ms[name] = full_ms + self._refill_ms
        self._full_ms.move_to_end(name)
        if len(self._full_ms) > self._limit:
            self._full_ms.popitem(last=False)
        return 0
