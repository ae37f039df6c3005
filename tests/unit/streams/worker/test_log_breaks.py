"""Why a leader refuses an offset, by where its log begins and ends."""

from __future__ import annotations

import pytest

from streams.worker.log_breaks import BreakReason, judge


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        (0, BreakReason.EXPIRED),
        (9, BreakReason.EXPIRED),
        (10, None),
        (20, None),
        (21, BreakReason.NEW_LOG),
    ],
)
def test_a_refusal_without_a_reason_is_none(position: int, reason: BreakReason | None) -> None:
    """From the beginning to the end, both included, there is nothing to refuse: another leader has answered."""
    assert judge(position, beginning=10, end=20) is reason
