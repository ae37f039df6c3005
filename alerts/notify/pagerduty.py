"""PagerDuty's Events API v2: trigger, acknowledge and resolve by the incident's key.

A digest pages nobody: it goes to the change events. Whatever has the same key is one alert there, so a message
that is sent twice is one page.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from alerts.incident import rfc3339
from alerts.message import LinkKind, MessageState
from alerts.notify.answers import by_status, json_object, unreadable, words
from alerts.notify.base import Outcome, Rate, Request, Response, Sending, Traits, Why, refused
from alerts.notify.secrets import Secret
from alerts.notify.text import cut, fitted, safe_links

if TYPE_CHECKING:
    from alerts.message import Message

API: Final = "https://events.pagerduty.com"
# 512 KB are taken.
TRAITS: Final = Traits(max_bytes=100_000, rates=(Rate(120, 60_000),), closes=True)
_SUMMARY: Final = 1_024
_KEY: Final = 255
_ACTIONS: Final = {MessageState.ACKNOWLEDGED: "acknowledge", MessageState.RESOLVED: "resolve"}
# Following these changes something: they are no reading matter for everybody who sees the page.
_READING: Final = (LinkKind.DASHBOARD, LinkKind.LIVE, LinkKind.RUNBOOK)


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """One integration of one service.

    Attributes:
        routing_key: the integration's key.
        source: what is named as the place of trouble.
        api: where events go; the EU's is ``https://events.eu.pagerduty.com``.
    """

    routing_key: Secret
    source: str = "funnelwatch"
    api: str = API

    @property
    def traits(self) -> Traits:
        """What PagerDuty allows."""
        return TRAITS

    def request(self, message: Message, sending: Sending) -> Request:  # noqa: ARG002 - the key stands for it
        """An event, or a change event of a digest."""
        change = message.state is MessageState.DIGEST
        path = "/v2/change/enqueue" if change else "/v2/enqueue"
        body = fitted(message, self._change if change else self._event, TRAITS.max_bytes)
        return Request(Secret(self.api.rstrip("/") + path), body, secrets=(self.routing_key,))

    def judge(self, response: Response) -> Outcome:
        """202 and ``success``."""
        outcome = by_status(response)
        if not outcome.delivered:
            return outcome
        body = json_object(response)
        if body is None:
            return unreadable(response)
        return outcome if body.get("status") == "success" else refused(Why.OTHER, answer=words(response))

    def _event(self, message: Message) -> bytes:
        payload = self._payload(message) | {"severity": message.severity.value}
        if message.incidents:
            payload |= {"class": message.incidents[0].kind.value, "component": _where(message)}
        event = {
            "routing_key": self.routing_key.reveal(),
            "event_action": _ACTIONS.get(message.state, "trigger"),
            "dedup_key": dedup_key(message),
            "client": "Funnelwatch",
            "payload": payload,
            "links": _links(message),
        }
        live = next((link for link in safe_links(message) if link.kind is LinkKind.LIVE), None)
        return orjson.dumps(event | ({"client_url": live.url} if live else {}))

    def _change(self, message: Message) -> bytes:
        change = {"routing_key": self.routing_key.reveal(), "payload": self._payload(message)}
        return orjson.dumps(change | {"links": _links(message)})

    def _payload(self, message: Message) -> dict[str, Any]:
        details: dict[str, str] = {}
        for field in message.fields:
            details.setdefault(cut(field.label, 200), cut(field.value, 2_000))
        text = "\n".join(cut(line, 2_000) for line in (message.summary, *message.lines))
        return {
            "summary": cut(message.title, _SUMMARY) or "-",
            "source": self.source,
            "timestamp": rfc3339(message.started_at_ms or message.at_ms),
            "custom_details": details | {"text": text},
        }


def dedup_key(message: Message) -> str:
    """By which PagerDuty knows the incident; of a fixed length where the id is longer than it takes."""
    thread = message.thread
    return thread if len(thread.encode()) <= _KEY else hashlib.sha256(thread.encode()).hexdigest()


def _where(message: Message) -> str:
    parts = (f"{part.dimension}={part.key}" for part in message.incidents[0].scope)
    return cut(", ".join(parts), _SUMMARY)


def _links(message: Message) -> list[dict[str, str]]:
    return [
        {"href": link.url, "text": cut(link.label, 100)}
        for link in safe_links(message)
        if link.kind in _READING
    ]
