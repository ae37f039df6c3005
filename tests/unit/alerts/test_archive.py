"""Resolved incidents: kept for a while, found by what they were about."""

from __future__ import annotations

import msgspec

from alerts.archive import Archive
from alerts.drafting import draft, identity_of_incident
from alerts.kept import Kept
from alerts.model import Place
from tests.support.findings import rooted


def resolved(name: str, at_ms: int, slot: str = "a") -> Kept:
    """One that ended then."""
    incident = draft(rooted(scope=(Place("slot", slot),)), 0, 0)
    return Kept(msgspec.structs.replace(incident, id=name, resolved_at_ms=at_ms), at_ms, at_ms)


def names(archive: Archive) -> list[str]:
    """Ids, in order."""
    return [kept.incident.id for kept in archive]


def test_the_newest_of_an_identity() -> None:
    """Taken out, the one before is the newest."""
    archive, first, second = Archive(9), resolved("1", 1), resolved("2", 2)
    identity = identity_of_incident(first.incident)
    assert archive.newest(identity) is None
    archive.add(first)
    archive.add(second)
    assert archive.newest(identity) is second
    archive.take_out(second)
    assert archive.newest(identity) is first
    assert ("1" in archive, "2" in archive) == (True, False)


def test_what_is_forgotten_is_not_found() -> None:
    """By age, and the oldest of too many."""
    archive = Archive(2)
    for number in range(4):
        archive.add(resolved(str(number), number, slot=str(number)))
    archive.forget_before(0)
    assert names(archive) == ["2", "3"]
    archive.forget_before(3)
    assert names(archive) == ["3"]
    assert archive.newest(identity_of_incident(resolved("2", 2, slot="2").incident)) is None


def test_a_snapshot_is_plain_data() -> None:
    """And the index is made anew from it."""
    archive, other = Archive(9), Archive(9)
    archive.add(resolved("1", 1))
    archive.add(resolved("2", 2))
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(archive.snapshot())))
    newest = other.newest(identity_of_incident(draft(rooted(scope=(Place("slot", "a"),)), 0, 0)))
    assert names(other) == ["1", "2"]
    assert newest is not None
    assert newest.incident.id == "2"
