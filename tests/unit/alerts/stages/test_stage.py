"""What deciders pass on: keys, and who goes before whom."""

from __future__ import annotations

from alerts.message import MessageState
from alerts.model import Severity
from alerts.stages.group import digest_of
from alerts.stages.knowledge import MetaAlert
from alerts.stages.stage import Haste, Parcel, Why, key_of, split
from tests.support.deliveries import CRITICAL, candidate, incident, over
from tests.support.findings import T0


def test_one_key_per_incident_state_and_channel() -> None:
    """And per revision at which it became so; what is wrong with it else does not matter."""
    base = candidate(incident(), state=MessageState.OPENED, owed_revision=1)
    others = [
        candidate(incident(), state=MessageState.WORSE, owed_revision=1),
        candidate(incident(), state=MessageState.OPENED, owed_revision=2),
        candidate(incident(), state=MessageState.OPENED, owed_revision=1, channel="mail"),
        candidate(incident("j"), state=MessageState.OPENED, owed_revision=1),
        candidate(incident(), state=MessageState.OPENED, owed_revision=1, turn=1),
    ]
    assert len({base.key, *(one.key for one in others)}) == 6
    assert candidate(incident(**CRITICAL), state=MessageState.OPENED, owed_revision=1).key == base.key
    assert key_of("a", "bc") != key_of("ab", "c")


def test_who_goes_first() -> None:
    """A page, an end, the rest by severity and age, a digest."""
    page = candidate(incident("a", **CRITICAL), state=MessageState.OPENED)
    end = candidate(over(incident("b")), state=MessageState.RESOLVED)
    usual = candidate(incident("c"), state=MessageState.OPENED)
    mild = candidate(incident("d", severity=Severity.INFO), state=MessageState.OPENED)
    later = candidate(incident("0"), state=MessageState.OPENED, owed_ms=9)
    assert sorted([mild, later, usual, end, page], key=lambda one: one.order) == [
        page,
        end,
        usual,
        later,
        mild,
    ]
    asked = candidate(state=MessageState.ESCALATED)
    assert asked.haste is Haste.PAGE


def test_parcels_in_their_order() -> None:
    """A digest last, whatever is in it; but with a page in it, it may take from the reserve."""
    page = candidate(incident("a", **CRITICAL), state=MessageState.OPENED)
    usual = candidate(state=MessageState.OPENED)
    digest, calm = digest_of("ops", [usual, page]), digest_of("ops", [usual, usual])
    single = Parcel("k", "ops", MessageState.OPENED, (usual,))
    meta = Parcel("m", "ops", MessageState.META, meta=MetaAlert("mail", T0, "timeout", 0, T0))
    assert sorted([digest, single, meta], key=lambda one: one.order) == [meta, single, digest]
    assert [one.urgent for one in (digest, calm, single, meta)] == [True, False, False, True]
    assert digest.told[0] is page


def test_split() -> None:
    """A reason for each that falls out."""
    decision = split([1, 2], lambda number: Why.STALE if number == 1 else None)
    assert decision.survivors == (2,)
    assert [(one.what, one.why) for one in decision.dropped] == [(1, Why.STALE)]


def test_what_waits() -> None:
    """What time alone may change; the rest needs another record."""
    assert {why for why in Why if not why.waits} == {
        Why.PENDING,
        Why.SILENCED,
        Why.UNROUTED,
        Why.NOTHING_NEW,
        Why.NEVER_TOLD,
        Why.STALE,
    }
