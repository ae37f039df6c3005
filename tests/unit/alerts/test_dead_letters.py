"""A dead letter has all that it takes to tell it by hand."""

from __future__ import annotations

import msgspec

from alerts.dead_letters import letter_of
from alerts.incident import decode_incident
from alerts.message import MessageState
from alerts.rounds import DeadLetter, Lost
from tests.support.deliveries import candidate, incident
from tests.support.findings import T0


def test_it_is_whole() -> None:
    """The incident reads back as it was; headers say why, and where it was to go."""
    one = candidate(incident(), state=MessageState.OPENED, owed_ms=T0)
    letter = letter_of(DeadLetter(one, Lost.GIVEN_UP, T0 + 1, "timeout"))
    value = msgspec.json.decode(letter.value)
    assert decode_incident(msgspec.json.encode(value["incident"])) == incident()
    assert (value["channel"], value["state"], value["key"], value["owed_since_ms"]) == (
        "ops",
        "opened",
        one.key,
        T0,
    )
    assert dict(letter.headers) == {
        "outcome": b"given_up",
        "reason": b"timeout",
        "channel": b"ops",
        "topic": b"notifications",
        "timestamp": b"%d" % (T0 + 1),
    }


def test_a_refusal_without_a_word_has_its_reason() -> None:
    """The outcome says it."""
    letter = letter_of(DeadLetter(candidate(), Lost.REFUSED, T0))
    assert dict(letter.headers)["reason"] == b"refused"
