"""Microsoft Teams through Workflows: an Adaptive Card of version 1.4.

The answer 202 says only that the flow took it. The address carries a signature and is sent byte for byte.
Teams counts a card after encoding it anew, so it is written in ASCII here and measured so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from alerts.message import Colour
from alerts.notify.answers import by_status
from alerts.notify.base import Outcome, Rate, Request, Response, Sending, Traits
from alerts.notify.text import cut, escaping, fitted, safe_links, safe_picture

if TYPE_CHECKING:
    from alerts.message import Message
    from alerts.notify.secrets import Secret

# 28 KB is refused; 24,453 bytes sent became 28,897 there.
TRAITS: Final = Traits(max_bytes=16 * 1024, rates=(Rate(4, 1_000), Rate(60, 60_000)))
_COLOURS: Final = {
    Colour.RED: ("Attention", "attention"),
    Colour.ORANGE: ("Warning", "warning"),
    Colour.BLUE: ("Accent", "accent"),
    Colour.GREEN: ("Good", "good"),
    Colour.GREY: ("Default", "emphasis"),
}
_TEXT: Final = 1_000
# Cards take a part of Markdown; <at> pings only with an entity of ours.
escape = escaping({mark: f"\\{mark}" for mark in "\\`*_{}[]()#~|>"} | {"<": "&lt;"})


@dataclass(frozen=True, slots=True)
class Teams:
    """One workflow."""

    url: Secret

    @property
    def traits(self) -> Traits:
        """What Teams allows."""
        return TRAITS

    def request(self, message: Message, sending: Sending) -> Request:  # noqa: ARG002 - it cannot edit
        """A message with one card."""
        return Request(self.url, fitted(message, _body, TRAITS.max_bytes))

    def judge(self, response: Response) -> Outcome:
        """By the status; more is not told."""
        return by_status(response)


def _body(message: Message) -> bytes:
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": _card(message),
    }
    body = {"type": "message", "summary": cut(message.summary, 200), "attachments": [attachment]}
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _card(message: Message) -> dict[str, Any]:
    colour, style = _COLOURS[message.colour]
    title = _text(message.title, weight="Bolder", size="Medium", color=colour)
    body: list[dict[str, Any]] = [{"type": "Container", "style": style, "bleed": True, "items": [title]}]
    body += [_text(line) for line in (message.summary, *message.lines) if line]
    if message.fields:
        facts = [{"title": _escaped(one.label), "value": _escaped(one.value)} for one in message.fields]
        body.append({"type": "FactSet", "facts": facts})
    picture = safe_picture(message)
    if picture is not None:
        body.append({"type": "Image", "url": picture, "altText": cut(message.title, 200) or "-"})
    links = [
        {"type": "Action.OpenUrl", "title": cut(link.label, 80), "url": link.url}
        for link in safe_links(message)
    ]
    return {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "fallbackText": cut(message.title, 200),
        "body": body,
        "actions": links,
    }


def _text(text: str, **style: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": _escaped(text), "wrap": True, **style}


def _escaped(text: str) -> str:
    return cut(text, _TEXT, escape=escape)
