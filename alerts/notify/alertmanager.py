"""Prometheus' Alertmanager, API v2: one alert for each incident, sent again while it is open.

Labels make an alert what it is, so they are what does not change in an incident's life (kind and place may), and
its severity, which routes need: where that may have changed, the alerts of the other severities are ended in
the same request. Group by ``incident`` to hear of each on its own. An alert says itself when it
ends if nothing more is heard of it, so an incident whose watcher died does not ring for ever.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from alerts.incident import rfc3339
from alerts.message import LinkKind
from alerts.model import Severity
from alerts.notify.answers import by_status
from alerts.notify.base import Outcome, Rate, Request, Response, Sending, Traits
from alerts.notify.secrets import Secret
from alerts.notify.text import cut, fitted, safe_links

if TYPE_CHECKING:
    from alerts.incident import Incident
    from alerts.message import Message

RESEND_MS: Final = 60_000
# Three re-sendings may be lost.
HOLD_MS: Final = 4 * RESEND_MS
META_HOLD_MS: Final = 30 * 60_000
MAX_INCIDENTS: Final = 500
TRAITS: Final = Traits(max_bytes=4 << 20, rates=(Rate(20, 1_000),), closes=True, resend_ms=RESEND_MS)
_TEXT: Final = 2_000
_READING: Final = (LinkKind.DASHBOARD, LinkKind.LIVE, LinkKind.RUNBOOK)


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """One Alertmanager.

    Attributes:
        url: its address, without ``/api/v2/alerts``.
        password: bearer token, or with ``username`` the password of basic authentication.
    """

    url: Secret
    password: Secret | None = None
    username: str = ""

    @property
    def traits(self) -> Traits:
        """What it takes."""
        return TRAITS

    def request(self, message: Message, sending: Sending) -> Request:
        """The alerts of the incidents that the message speaks of, or one of the message itself."""
        address = Secret(f"{self.url.reveal().rstrip('/')}/api/v2/alerts")
        body = fitted(message, lambda smaller: _body(smaller, sending.at_ms), TRAITS.max_bytes)
        secrets = (self.url,) if self.password is None else (self.url, self.password)
        return Request(address, body, headers=self._proof(), secrets=secrets)

    def judge(self, response: Response) -> Outcome:
        """By the status."""
        return by_status(response)

    def _proof(self) -> dict[str, Secret]:
        if self.password is None:
            return {}
        password = self.password.reveal()
        if not self.username:
            return {"Authorization": Secret(f"Bearer {password}")}
        pair = base64.b64encode(f"{self.username}:{password}".encode()).decode()
        return {"Authorization": Secret(f"Basic {pair}")}


def _body(message: Message, at_ms: int) -> bytes:
    if not message.incidents:
        return orjson.dumps([_own(message, at_ms)])
    alerts: list[dict[str, Any]] = []
    for incident in message.incidents[:MAX_INCIDENTS]:
        alerts.append(_alert(message, incident, incident.severity, at_ms, ends=not incident.open))
        others = [one for one in Severity if one is not incident.severity and incident.revision > 1]
        alerts += [_alert(message, incident, one, at_ms, ends=True) for one in others]
    return orjson.dumps(alerts)


def _alert(
    message: Message, incident: Incident, severity: Severity, at_ms: int, *, ends: bool
) -> dict[str, Any]:
    labels = {
        "alertname": "FunnelwatchIncident",
        "incident": incident.id,
        "severity": severity.value,
        "service": "funnelwatch",
    }
    end_ms = min(incident.resolved_at_ms or at_ms, at_ms) if ends else at_ms + HOLD_MS
    annotations = _annotations(message) | {
        "kind": incident.kind.value,
        "place": ", ".join(f"{cut(part.dimension, 100)}={cut(part.key, 300)}" for part in incident.scope),
        "state": incident.state.value,
        "acknowledged_by": cut(incident.acknowledged_by or "", 200),
    }
    return _timed(message, labels, annotations, incident.since_ms, end_ms)


def _own(message: Message, at_ms: int) -> dict[str, Any]:
    labels = {
        "alertname": "FunnelwatchMeta",
        "incident": message.thread,
        "severity": message.severity.value,
        "service": "funnelwatch",
    }
    return _timed(message, labels, _annotations(message), message.at_ms, at_ms + META_HOLD_MS)


def _timed(
    message: Message, labels: dict[str, str], annotations: dict[str, str], start_ms: int, end_ms: int
) -> dict[str, Any]:
    alert = {
        "labels": labels,
        "annotations": {name: text for name, text in annotations.items() if text},
        "startsAt": rfc3339(start_ms),
        # An end before its start is refused.
        "endsAt": rfc3339(max(start_ms, end_ms)),
    }
    live = [link.url for link in safe_links(message) if link.kind in (LinkKind.LIVE, LinkKind.DASHBOARD)]
    return alert | ({"generatorURL": live[0]} if live else {})


def _annotations(message: Message) -> dict[str, str]:
    facts = [f"{cut(one.label, 200)}: {cut(one.value, _TEXT)}" for one in message.fields]
    lines = [cut(line, _TEXT) for line in message.lines]
    links = {f"{link.kind.value}_url": link.url for link in safe_links(message) if link.kind in _READING}
    return {
        "summary": cut(message.title, _TEXT),
        "description": "\n".join((cut(message.summary, _TEXT), *lines, *facts)),
    } | links
