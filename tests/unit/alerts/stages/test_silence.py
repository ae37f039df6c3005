"""Silence: who is not told, and what is told nevertheless."""

from __future__ import annotations

from alerts.model import State
from alerts.stages.knowledge import Knowledge
from alerts.stages.silence import Silence
from alerts.stages.stage import Why
from tests.support.deliveries import candidate, incident, over
from tests.support.findings import T0


def test_silenced_ones_fall_out() -> None:
    """Open ones; what is over is let through, to close what was told."""
    silenced = incident(silenced_by=("s",))
    batch = (
        candidate(silenced),
        candidate(over(silenced)),
        candidate(incident()),
        candidate(incident(state=State.PENDING)),
    )
    decision = Silence().decide(batch, Knowledge(), T0)
    assert decision.survivors == batch[1:3]
    assert [one.why for one in decision.dropped] == [Why.SILENCED, Why.PENDING]
