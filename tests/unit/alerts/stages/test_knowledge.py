"""What the deciders know, and how it survives."""

from __future__ import annotations

import msgspec

from alerts.ledger import Address, delivered
from alerts.message import MessageState
from alerts.model import EVERYWHERE, Kind, State
from alerts.stages.knowledge import Bucket, Knowledge, MetaAlert, Owed, Trouble, subject_of
from tests.support.deliveries import incident, later, over, taken
from tests.support.findings import T0

FIRST = incident(updated_at_ms=T0)


def test_only_what_is_newer_is_heard() -> None:
    """A record that comes twice, or late, changes nothing."""
    state = Knowledge()
    assert state.hear(later(FIRST))
    assert not state.hear(later(FIRST))
    assert not state.hear(FIRST)


def test_since_when_nobody_took_it() -> None:
    """From when it fired, again from when it fires again; not while it is taken or over."""
    state = Knowledge()
    state.hear(FIRST)
    state.hear(later(FIRST, updated_at_ms=T0 + 5))
    assert state.waiting_since == {"i": T0}
    acknowledged = taken(later(FIRST))
    state.hear(acknowledged)
    assert state.waiting_since == {}
    state.hear(later(acknowledged, state=State.FIRING, updated_at_ms=T0 + 9))
    assert state.waiting_since == {"i": T0 + 9}


def test_where_incidents_are_is_known_as_they_move() -> None:
    """And forgotten with them."""
    state = Knowledge()
    state.hear(FIRST)
    moved = later(FIRST, scope=incident("x", EVERYWHERE).scope)
    state.hear(moved)
    assert state.about == {subject_of(moved): {"i"}}
    state.hear(incident("d", kind=Kind.DATA_OUTAGE))
    assert state.about_data == {"d"}
    state.forget("i")
    state.forget("d")
    assert (state.about, state.about_data, state.incidents, state.waiting_since) == ({}, set(), {}, {})


def test_what_is_owed() -> None:
    """By incident and channel; an empty entry does not stay."""
    state, address = Knowledge(), Address("ops", "i")
    owed = Owed(MessageState.OPENED, T0, 1)
    state.owe(address, owed)
    assert state.owing(address) is owed
    state.owe(address, None)
    assert state.owed == {}
    assert state.owing(address) is None


def test_it_survives() -> None:
    """All of it but what is being sent, through plain data."""
    state = Knowledge(
        owed={"i": {"ops": Owed(MessageState.OPENED, T0, 1)}},
        buckets={"ops": Bucket(1.5, T0)},
        troubles={"ops": Trouble(1, T0, T0, "timeout")},
        complaints={"ops": MetaAlert("ops", T0, "timeout", 1, T0)},
        complained_ms={"ops": T0},
    )
    state.hear(FIRST)
    state.hear(over(incident("j")))
    state.ledger.write(delivered(FIRST, "ops", key="k", state=MessageState.OPENED, at_ms=T0))
    plain = state.snapshot()
    again = Knowledge.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(plain)))
    assert again.snapshot() == plain
    assert again.about == state.about
