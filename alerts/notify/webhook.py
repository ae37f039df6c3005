"""A webhook of one's own: JSON by a published schema, signed.

``alerts/schema/notification-v1.json`` is the body. Headers: ``X-Funnelwatch-Delivery`` is the same for the same
message however often it is sent; ``X-Funnelwatch-Timestamp`` is the time of sending in ms; ``X-Funnelwatch-Signature``
is ``sha256=`` and the hex HMAC-SHA256 of ``<timestamp>.<body>`` with the shared secret. :func:`verify` is the
receiver's side.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from alerts.incident import record_of, rfc3339
from alerts.notify.answers import by_status
from alerts.notify.base import Outcome, Rate, Request, Response, Sending, Traits
from alerts.notify.secrets import Secret
from alerts.notify.text import fitted

if TYPE_CHECKING:
    from alerts.message import Message

VERSION: Final = 1
MAX_INCIDENTS: Final = 200
TRAITS: Final = Traits(max_bytes=1 << 20, rates=(Rate(20, 1_000),), closes=True)
DELIVERY: Final = "X-Funnelwatch-Delivery"
TIMESTAMP: Final = "X-Funnelwatch-Timestamp"
SIGNATURE: Final = "X-Funnelwatch-Signature"
FRESH_MS: Final = 300_000


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver.

    Attributes:
        secret: shared with the receiver; None sends unsigned.
    """

    url: Secret
    secret: Secret | None = None

    @property
    def traits(self) -> Traits:
        """What is sent."""
        return TRAITS

    def request(self, message: Message, sending: Sending) -> Request:
        """The message as data."""
        body = fitted(message, _body, TRAITS.max_bytes)
        headers = {DELIVERY: Secret(message.key), TIMESTAMP: Secret(str(sending.at_ms))}
        if self.secret is None:
            return Request(self.url, body, headers=headers)
        headers[SIGNATURE] = Secret(signature(self.secret, sending.at_ms, body))
        return Request(self.url, body, headers=headers, secrets=(self.secret,))

    def judge(self, response: Response) -> Outcome:
        """By the status."""
        return by_status(response)


def signature(secret: Secret, timestamp_ms: int, body: bytes) -> str:
    """What stands in the header."""
    signed = b"%d." % timestamp_ms + body
    return "sha256=" + hmac.new(secret.reveal().encode(), signed, hashlib.sha256).hexdigest()


def verify(secret: Secret, timestamp: str, body: bytes, given: str, now_ms: int) -> bool:
    """Whether a request comes from who has the secret, and is no replay of an old one."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 15):
        return False
    at_ms = int(timestamp)
    good = hmac.compare_digest(signature(secret, at_ms, body).encode(), given.encode("utf-8", "replace"))
    return good and abs(now_ms - at_ms) <= FRESH_MS


def _body(message: Message) -> bytes:
    found = document(message)
    try:
        return orjson.dumps(found)
    except TypeError:
        # Half a character somewhere in the records; the rest of them is worth sending.
        return json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")


def document(message: Message) -> dict[str, Any]:
    """The body as plain data."""
    picture = message.sparkline
    return {
        "version": VERSION,
        "delivery_id": message.key,
        "channel": message.channel,
        "state": message.state.value,
        "severity": message.severity.value,
        "colour": message.colour.value,
        "language": message.language.value,
        "title": message.title,
        "summary": message.summary,
        "lines": list(message.lines),
        "fields": [{"label": one.label, "value": one.value, "short": one.short} for one in message.fields],
        "links": {link.kind.value: {"label": link.label, "url": link.url} for link in message.links},
        "incident_id": message.incident_id,
        "revision": message.revision,
        "at_ms": message.at_ms,
        "at": rfc3339(message.at_ms),
        "started_at_ms": message.started_at_ms,
        "started_at": rfc3339(message.started_at_ms),
        "resolved_at_ms": message.resolved_at_ms,
        "resolved_at": rfc3339(message.resolved_at_ms),
        "incidents": [record_of(incident) for incident in message.incidents[:MAX_INCIDENTS]],
        "incidents_left_out": max(0, len(message.incidents) - MAX_INCIDENTS),
        "sparkline_png": None if picture is None else base64.b64encode(picture).decode("ascii"),
    }
