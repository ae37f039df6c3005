"""When an incident opens, changes, comes back and is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.model import Kind

_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class LifecycleSettings:
    """When something is told.

    Attributes:
        hold_ms: for how long a kind has to be found before it fires; 0 for those not named.
        patience_ms: a pending one that was not found again for longer is dropped.
        reopen_within_ms: a resolved one that comes back within is the same one. For so long is also
            waited for one that a predecessor told of and nobody finds.
        change_factor: the loss per minute has grown or shrunk by so much since it was last told.
        remind_every_ms: a firing one that nobody took is told again; None for never.
        keep_closed_ms: resolved ones are kept for so long, at most ``max_closed``.
        max_open: pending and open ones.
        narrow_after_ms: a narrower place that explains an open one for so long gives it its name.
        order_nodes: nodes that the orders topic tells of.
    """

    hold_ms: Mapping[Kind, int] = field(default_factory=dict)
    patience_ms: int = 30_000
    reopen_within_ms: int = 15 * _MINUTE_MS
    change_factor: float = 2.0
    remind_every_ms: int | None = 60 * _MINUTE_MS
    keep_closed_ms: int = 24 * 60 * _MINUTE_MS
    max_open: int = 500
    max_closed: int = 1_000
    narrow_after_ms: int = 3 * _MINUTE_MS
    order_nodes: frozenset[str] = frozenset({"order", "paid"})
