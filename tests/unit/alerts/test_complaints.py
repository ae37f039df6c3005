"""Whoever does not answer is told of elsewhere."""

from __future__ import annotations

from alerts.complaints import Complaints
from alerts.rounds import Answer, OutboxSettings, Report
from alerts.stages.knowledge import Knowledge, Trouble
from tests.support.findings import T0


def complaints(*names: str, failing: str = "ops") -> Complaints:
    """With one channel that fails since T0."""
    known = Knowledge()
    known.troubles[failing] = Trouble(3, T0, T0, "timeout")
    return Complaints(known, OutboxSettings(), names)


def test_another_channel_is_told_after_five_minutes() -> None:
    """Not before, and once."""
    said = complaints("ops", "mail")
    said.look(T0 + 299_999)
    assert said.due(T0 + 299_999, ()) == ()
    said.look(T0 + 300_000)
    (parcel,) = said.due(T0 + 300_000, ())
    assert (parcel.channel, parcel.meta and parcel.meta.channel) == ("mail", "ops")
    assert said.due(T0 + 300_000, {"ops"}) == ()
    assert parcel.meta
    record = said.delivered(parcel, parcel.meta, Report(parcel.key, Answer.DELIVERED, T0 + 300_000))
    said.look(T0 + 400_000)
    assert said.due(T0 + 400_000, ()) == ()
    assert record.channel == "mail"


def test_the_only_channel_is_not_told_of_itself() -> None:
    """It waits for one that works."""
    said = complaints("ops")
    said.look(T0 + 300_000)
    assert said.due(T0 + 300_000, ()) == ()
