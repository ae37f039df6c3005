"""The ledger: what each channel was told last, how it is written, and how much of it is kept."""

from __future__ import annotations

import msgspec
import pytest

from alerts.ledger import (
    BEGINNING,
    Address,
    Ledger,
    decode_delivery,
    delivered,
    encode_delivery,
    record_key,
)
from alerts.message import MessageState
from streams.errors import CodecError
from tests.support.deliveries import incident, over
from tests.support.findings import T0

OPENED = delivered(incident(), "ops", key="k", state=MessageState.OPENED, at_ms=T0)
ENDED = delivered(over(incident()), "ops", key="l", state=MessageState.RESOLVED, at_ms=T0 + 5)


def test_the_newest_counts() -> None:
    """One line per channel and incident."""
    ledger = Ledger()
    ledger.write(OPENED)
    assert ledger.channels("i") == {"ops"}
    ledger.write(ENDED)
    assert ledger.told("ops", "i") is ENDED
    assert ledger.channels("i") == set()
    assert len(ledger) == 1


def test_what_is_over_is_forgotten_in_time() -> None:
    """What is open stays."""
    ledger = Ledger()
    ledger.write(OPENED)
    assert ledger.forget_before(T0 + 100) == ()
    ledger.write(ENDED)
    assert ledger.forget_before(T0 + 5) == ()
    assert ledger.forget_before(T0 + 6) == (Address("ops", "i"),)
    assert len(ledger) == 0


def test_it_is_bounded() -> None:
    """The oldest goes, but never since when a channel is there."""
    ledger = Ledger(limit=2)
    start = msgspec.structs.replace(OPENED, incident_id=BEGINNING)
    for delivery in (start, OPENED, msgspec.structs.replace(OPENED, incident_id="j")):
        ledger.write(delivery)
    assert [one.incident_id for one in ledger] == [BEGINNING, "j"]
    assert ledger.channels("i") == set()


def test_it_survives() -> None:
    """A snapshot as plain data, a record as JSON; the key tells channels and incidents apart."""
    ledger = Ledger()
    ledger.write(ENDED)
    state = msgspec.json.decode(msgspec.json.encode(ledger.snapshot()))
    assert list(Ledger.restore(state)) == [ENDED]
    assert decode_delivery(encode_delivery(ENDED)) == ENDED
    assert record_key(Address("a/b", "c")) != record_key(Address("a", "b/c"))


@pytest.mark.parametrize(
    "data",
    [None, b"", b"{}", b"\xff", encode_delivery(msgspec.structs.replace(OPENED, version=2))],
)
def test_damaged_records_are_refused(data: bytes | None) -> None:
    """And those of another version."""
    with pytest.raises(CodecError):
        decode_delivery(data)
