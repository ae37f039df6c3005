"""Silences: which incidents they match, when, and how many are kept."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from alerts.control import ScopeMatch, Silence, Unsilence
from alerts.drafting import draft
from alerts.model import EVERYWHERE, Kind, Severity
from alerts.silences import Silences, matches
from tests.support.findings import PAIR, SLOT, T0, rooted

INCIDENT = draft(rooted(scope=PAIR, severity=Severity.WARNING, promotion="D11"), T0, 0)
HERE = ScopeMatch("slot", "home.top.1")


def silence(name: str = "s", **fields: Any) -> Silence:
    """From 100 to 200 unless told otherwise."""
    known: dict[str, Any] = {"id": name, "by": "li", "starts_ms": 100, "ends_ms": 200}
    return Silence(**known | fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"kinds": (Kind.SLOWER, Kind.CONVERSION_DROP)}, True),
        ({"kinds": (Kind.SLOWER,)}, False),
        ({"scope": (HERE,)}, True),
        ({"scope": (ScopeMatch("slot"),)}, True),
        ({"scope": (HERE, ScopeMatch("sku"))}, False),
        ({"scope": (ScopeMatch("slot", "b"),)}, False),
        ({"steps": ("order>paid",)}, True),
        ({"steps": ("click>view",)}, False),
        ({"severities": (Severity.CRITICAL,)}, False),
        ({"promotions": ("D11", "D12")}, True),
        ({"promotions": ("D12",)}, False),
        ({"incident_ids": (INCIDENT.id,)}, True),
        ({"incident_ids": ("other",)}, False),
        ({"kinds": (Kind.CONVERSION_DROP,), "steps": ("click>view",)}, False),
    ],
)
def test_matching(fields: dict[str, Any], expected: bool) -> None:  # noqa: FBT001 - a column of the table
    """Words of a list are alternatives, lists and places all have to match."""
    assert matches(silence(**fields), INCIDENT) is expected


def test_a_slots_silence_is_not_everybodys() -> None:
    """What is wider than the silence is told."""
    everywhere = draft(rooted(scope=EVERYWHERE), T0, 0)
    assert not matches(silence(scope=(HERE,)), everywhere)
    assert matches(silence(scope=(HERE,)), draft(rooted(scope=SLOT), T0, 0))


def test_times_are_half_open() -> None:
    """It begins at its start and is over at its end."""
    silences = Silences()
    silences.hear(silence())
    assert [silences.matching(INCIDENT, at_ms) for at_ms in (99, 100, 199, 200)] == [(), ("s",), ("s",), ()]


def test_said_again_it_is_replaced_and_taken_back_it_is_gone() -> None:
    """By its id."""
    silences = Silences()
    silences.hear(silence())
    silences.hear(silence(ends_ms=900))
    assert silences.matching(INCIDENT, 500) == ("s",)
    silences.hear(Unsilence("s", "li", 5))
    silences.hear(Unsilence("nobody", "li", 5))
    assert len(silences) == 0


def test_they_are_bounded_and_forgotten() -> None:
    """Beyond the limit the one that ends first goes."""
    silences = Silences(limit=2)
    for name, ends_ms in (("a", 500), ("b", 300), ("c", 400)):
        silences.hear(silence(name, ends_ms=ends_ms))
    assert [one.id for one in silences.all()] == ["a", "c"]
    silences.forget_before(400)
    assert [one.id for one in silences.all()] == ["a"]


def test_a_snapshot_is_plain_data() -> None:
    """All of them, through bytes."""
    silences = Silences()
    silences.hear(silence(kinds=(Kind.SLOWER,), scope=(HERE,)))
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(silences.snapshot()))
    assert Silences.restore(state).all() == silences.all()
