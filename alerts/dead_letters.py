"""What nobody was told, as a record for the dead letters: whole, so that it can be told by hand. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from alerts.incident import record_of

if TYPE_CHECKING:
    from alerts.rounds import DeadLetter

# In place of the source topic that counting names in this header.
_ORIGIN: Final = "notifications"


class Letter(NamedTuple):
    """A dead letter: key, value, and headers by name."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def letter_of(dead: DeadLetter) -> Letter:
    """The record: the incident, what was to be said of it to whom, and why it was not."""
    one = dead.candidate
    headers = {
        "outcome": dead.why.value,
        "reason": dead.error or dead.why.value,
        "channel": one.channel,
        "topic": _ORIGIN,
        "timestamp": str(dead.at_ms),
    }
    value = {
        "channel": one.channel,
        "state": None if one.state is None else one.state.value,
        "key": one.key,
        "owed_since_ms": one.owed_ms,
        "incident": record_of(one.incident),
    }
    return Letter(
        one.incident.id.encode(),
        msgspec.json.encode(value),
        tuple((name, text.encode("utf-8", "replace")) for name, text in headers.items()),
    )
