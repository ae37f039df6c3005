"""Heartbeat records: they show that a topic is alive when nothing happens in the shop.

``funnelwatch heartbeat`` writes one into every partition of both source topics each ten seconds. As long
as they come through, a topic without events is a quiet shop; when they stop, it is the data. A heartbeat
is no event: it is counted in ``funnelwatch_records_total`` with the outcome ``heartbeat`` and nowhere
else, moves no time, and is the same in every input format. A build that does not know it finds a native
event without a node.

Promises: only a record that is a heartbeat to the last byte is one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# Name of the event; no setting may give it a node.
HEARTBEAT_EVENT: Final = "funnelwatch_heartbeat"
_PREFIX: Final = b'{"event":"funnelwatch_heartbeat",'
_HEARTBEAT: Final = re.compile(
    _PREFIX + rb'"event_id":"[0-9]{1,20}","event_time":[0-9]{1,15},"visitor_id":"funnelwatch"\}'
)


def encode_heartbeat(at_ms: int) -> bytes:
    """A heartbeat of a time of day, 0 or later."""
    text = f'"event_id":"{at_ms}","event_time":{at_ms},"visitor_id":"funnelwatch"}}'
    return _PREFIX + text.encode()


def is_heartbeat(value: bytes | None) -> bool:
    """Whether a record is one."""
    # The prefix alone sorts out nearly all others, at a fifth of the time.
    return value is not None and value.startswith(_PREFIX) and _HEARTBEAT.fullmatch(value) is not None


def heartbeats_in(values: Sequence[bytes | None]) -> list[int]:
    """Places of the heartbeats among records."""
    return [at for at, value in enumerate(values) if is_heartbeat(value)]
