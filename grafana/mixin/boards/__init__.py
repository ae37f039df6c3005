"""The dashboards; each file lays one out, or one for each dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.mixin.boards import incidents, keys, overview, pipeline, promotion, runbook

if TYPE_CHECKING:
    from grafana.mixin.dashboard import Board


def boards(runbook_text: str) -> tuple[Board, ...]:
    """All of them, in the order in which one looks at them."""
    return (
        overview.board(),
        *keys.boards(),
        promotion.board(),
        incidents.board(),
        pipeline.board(),
        runbook.board(runbook_text),
    )
