"""Short promotions for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.promotions import Phase, PhaseSpan, Promotion

if TYPE_CHECKING:
    from collections.abc import Mapping


def promotion(
    name: str, start_ms: int, end_ms: int, *, scope: Mapping[str, frozenset[str]] | None = None, **span: Any
) -> Promotion:
    """A promotion of one steady phase; ``span`` are that phase's other attributes."""
    spans = (PhaseSpan(Phase.STEADY, start_ms, end_ms, **span),)
    return Promotion(name, start_ms, end_ms, spans, scope or {})
