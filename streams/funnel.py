"""The funnel: nodes in order, steps between them, dimensions under which both are counted."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_NODES = ("exposure", "click", "view", "cart", "checkout", "order", "paid")
# Outcomes of the step order>paid and of paid orders. They are counted, but are not nodes.
PAYMENT_OUTCOMES = ("payment_attempt", "payment_failed")
REVERSALS = ("cancelled", "refunded")
ORDER_OUTCOMES = PAYMENT_OUTCOMES + REVERSALS
ALL = "all"
NONE = "(none)"
OTHER = "(other)"
RESERVED_KEYS = frozenset({NONE, OTHER})
CORE_DIMENSIONS = ("all", "slot", "banner", "sku")


@dataclass(frozen=True, slots=True)
class Funnel:
    """Nodes in funnel order; the first is the exposure, the second the click.

    ``extra_dimensions`` are names of further event fields that are counted like ``sku``.
    """

    nodes: tuple[str, ...] = DEFAULT_NODES
    extra_dimensions: tuple[str, ...] = ()

    @property
    def dimensions(self) -> tuple[str, ...]:
        """All dimensions in the order in which the core numbers them."""
        return CORE_DIMENSIONS + self.extra_dimensions

    @property
    def steps(self) -> tuple[tuple[str, str], ...]:
        """Pairs of neighbouring nodes."""
        return tuple(zip(self.nodes, self.nodes[1:], strict=False))
