"""Findings and identities come back from plain data as they were."""

from __future__ import annotations

import msgspec

from alerts.identity import identity_of
from alerts.model import EVERYWHERE, Finding, Kind, Step
from alerts.plain import finding_from, identity_from

FOUND = Finding(
    Kind.NODE_BREAK,
    EVERYWHERE,
    Step("order", "paid"),
    1_000,
    2_000,
    1.0,
    9.0,
    10.0,
    20.0,
    12.0,
    1e9,
    300,
    "EUR",
)


def test_a_finding_comes_back() -> None:
    """From what a codec made of it, and from itself."""
    assert finding_from(msgspec.msgpack.decode(msgspec.msgpack.encode(FOUND))) == FOUND
    assert finding_from(FOUND) is FOUND


def test_an_identity_comes_back() -> None:
    """With a step and without."""
    somewhere = identity_of(FOUND)
    for identity in (somewhere, somewhere._replace(step=None)):
        assert identity_from(msgspec.msgpack.decode(msgspec.msgpack.encode(identity))) == identity
