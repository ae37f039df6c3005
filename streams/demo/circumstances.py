"""What a scenario may bend, and what it is told when it is asked.

Promises: it is asked with the true place and time of what would happen, whatever the record will say
of them, and answers with multipliers; 1 changes nothing. Refuses to draw: chance is the shop's, so a
seed and a scenario make one stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from streams.demo.event_rows import Flags
    from streams.demo.shop import Floats, Ints

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where a scenario is asked to bend something: parallel arrays of key numbers of the shop.

    They are the true ones, -1 for none, whatever the event will say. ``method`` numbers
    :data:`streams.demo.shop.METHODS` and means something in the payment steps only.
    """

    time_ms: Ints
    slot: Ints
    banner: Ints
    sku: Ints
    method: Ints


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Where a scenario is asked to hold records up: parallel arrays.

    ``arrival_ms`` is when they would come, ``orders`` whether they are of that topic, ``visitor`` the
    number in their key ``v<number>``.
    """

    arrival_ms: Ints
    orders: Flags
    visitor: Ints


class Scenario(Protocol):
    """Bends the shop's behaviour by time and place, with multipliers; 1 changes nothing.

    The steps are ``exposure>click``, ``click>view``, ``view>cart``, ``cart>checkout``,
    ``checkout>order``, ``payment_attempt>answer`` and ``payment_attempt>paid``.
    """

    def traffic(self, time_ms: int) -> float:
        """Multiplier of the arrival of visitors; asked every 1 to 10 s, first some seconds before the start."""
        ...

    def chance(self, step: str, at: Circumstances) -> Floats | float:
        """Multiplier of the probability of a step."""
        ...

    def delay(self, step: str, at: Circumstances) -> Floats | float:
        """Multiplier of the time to ``checkout>order`` or ``payment_attempt>answer``."""
        ...

    def exposures(self, at: Circumstances) -> Floats | None:
        """Multiplier of how often a place is seen, the surplus by other visitors; None changes nothing."""
        ...

    def arrivals(self, at: Deliveries) -> Ints:
        """When the records come instead, none before its time."""
        ...


class Neutral:
    """An ordinary day without incident."""

    def traffic(self, time_ms: int) -> float:  # noqa: ARG002 - the protocol's
        """Traffic as configured."""
        return 1.0

    def chance(self, step: str, at: Circumstances) -> Floats | float:  # noqa: ARG002 - the protocol's
        """Probabilities as they are."""
        return 1.0

    def delay(self, step: str, at: Circumstances) -> Floats | float:  # noqa: ARG002 - the protocol's
        """Delays as they are."""
        return 1.0

    def exposures(self, at: Circumstances) -> Floats | None:  # noqa: ARG002 - the protocol's
        """Places as they are."""
        return None

    def arrivals(self, at: Deliveries) -> Ints:
        """Records as they come."""
        return at.arrival_ms


NEUTRAL = Neutral()
