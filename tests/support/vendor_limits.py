"""Robots that count: whoever speaks too often is refused as the vendor does it, for as long as the vendor does it.

An independent reading of the vendors' documents, as in :mod:`tests.support.vendors`: at most so many messages in
any span; one more, and nothing is taken until the block is over, however long it is waited in vain.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tests.support.vendors import Call, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.clock import ManualClock

    Said = tuple[int, bytes, dict[str, str]]

SECOND: Final = 1_000
MINUTE: Final = 60_000


@dataclass(frozen=True, slots=True)
class Limit:
    """What a vendor takes, and what it does to those who send more.

    Attributes:
        rates: messages and the span of ms that they are counted in.
        block_ms: for how long nothing is taken then.
        says: the refusal, given how many ms are left.
        told: whether the refusal says, or is known to mean, how long it lasts.
    """

    rates: tuple[tuple[int, int], ...]
    block_ms: int
    says: Callable[[int], Said]
    told: bool = True


def _plain(left_ms: int) -> Said:
    return 429, b"", {"Retry-After": str(-(-left_ms // SECOND))}


def _silent(_: int) -> Said:
    return 429, b"", {}


def _in_body(body: object, status: int = 200) -> Said:
    return status, json.dumps(body).encode(), {}


LIMITS: Final = {
    "slack": Limit(((1, SECOND),), 30 * SECOND, _plain),
    "teams": Limit(((4, SECOND), (60, MINUTE)), MINUTE, _silent, told=False),
    "discord": Limit(
        ((5, 2 * SECOND), (30, MINUTE)),
        MINUTE,
        lambda left_ms: _in_body({"message": "limited", "retry_after": left_ms / SECOND}, 429),
    ),
    "dingtalk": Limit(
        ((20, MINUTE),), 10 * MINUTE, lambda _: _in_body({"errcode": 130101, "errmsg": "send too fast"})
    ),
    "feishu": Limit(
        ((5, SECOND), (100, MINUTE)), MINUTE, lambda _: _in_body({"code": 11232, "msg": "frequency limited"})
    ),
    "wecom": Limit(
        ((20, MINUTE),), MINUTE, lambda _: _in_body({"errcode": 45009, "errmsg": "api freq out of limit"})
    ),
    "telegram": Limit(
        ((1, SECOND), (20, MINUTE)),
        MINUTE,
        lambda left_ms: _in_body({"ok": False, "parameters": {"retry_after": -(-left_ms // SECOND)}}, 429),
    ),
    "pagerduty": Limit(((120, MINUTE),), MINUTE, _silent, told=False),
}


class LimitedBot:
    """One vendor's robot that keeps count; call it as :func:`tests.support.bots.bot` does.

    Args:
        kind: the vendor.
        clock: whose time counts.
    """

    def __init__(self, kind: str, clock: ManualClock) -> None:
        self.limit = LIMITS[kind]
        self._kind = kind
        self.clock = clock
        self._blocked_until_ms = 0
        self.taken: list[int] = []
        self.refused: list[int] = []

    def __call__(self, call: Call) -> tuple[int, bytes] | Said:
        """Taken, or refused; both with their time."""
        now_ms = self.clock.now_ms()
        if self.too_many():
            self.refused.append(now_ms)
            return self.limit.says(self._blocked_until_ms - now_ms)
        self.taken.append(now_ms)
        return answer(self._kind, replace(call, at_ms=now_ms))

    def too_many(self) -> bool:
        """Whether it takes nothing now; who asks too often begins a block."""
        now_ms = self.clock.now_ms()
        if now_ms < self._blocked_until_ms:
            return True
        full = any(
            sum(at_ms > now_ms - span_ms for at_ms in self.taken) >= most
            for most, span_ms in self.limit.rates
        )
        if full:
            self._blocked_until_ms = now_ms + self.limit.block_ms
        return full

    def fill(self) -> None:
        """Somebody else has just sent all that is taken."""
        most, _ = self.limit.rates[-1]
        self.taken += [self.clock.now_ms()] * most
