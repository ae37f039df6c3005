"""Slack's incoming webhooks: blocks within a coloured attachment, link buttons.

Text is escaped as Slack asks (``&``, ``<``, ``>``): without a bracket of ours nothing mentions or links.
Success is 200 with the body ``ok``. Webhooks cannot edit what they wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from alerts.message import Colour, LinkKind
from alerts.notify.answers import by_status, unreadable, words
from alerts.notify.base import Outcome, Rate, Request, Response, Sending, Traits, Why, refused
from alerts.notify.text import cut, escaping, fitted, safe_links, safe_picture

if TYPE_CHECKING:
    from alerts.message import Field, Link, Message
    from alerts.notify.secrets import Secret

TRAITS: Final = Traits(max_bytes=12_000, rates=(Rate(1, 1_000),))
_COLOURS: Final = {
    Colour.RED: "#D32F2F",
    Colour.ORANGE: "#F57C00",
    Colour.BLUE: "#1976D2",
    Colour.GREEN: "#388E3C",
    Colour.GREY: "#757575",
}
_SECTION: Final = 3_000
_FIELD: Final = 2_000
_FIELDS_A_SECTION: Final = 10
_HEADER: Final = 150
_BUTTON: Final = 75
escape = escaping({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# By Slack's own words in the body.
_REFUSALS: Final = {
    b"invalid_payload": Why.BAD_REQUEST,
    b"invalid_blocks": Why.BAD_REQUEST,
    b"no_text": Why.BAD_REQUEST,
    b"invalid_token": Why.UNAUTHORIZED,
    b"no_service": Why.NOT_FOUND,
    b"no_team": Why.NOT_FOUND,
    b"team_disabled": Why.NOT_FOUND,
    b"channel_not_found": Why.NOT_FOUND,
    b"channel_is_archived": Why.NOT_FOUND,
    b"action_prohibited": Why.UNAUTHORIZED,
    b"posting_to_general_channel_denied": Why.UNAUTHORIZED,
}


@dataclass(frozen=True, slots=True)
class Slack:
    """One incoming webhook."""

    url: Secret

    @property
    def traits(self) -> Traits:
        """What Slack allows."""
        return TRAITS

    def request(self, message: Message, sending: Sending) -> Request:  # noqa: ARG002 - it cannot edit
        """A message with blocks."""
        return Request(self.url, fitted(message, _body, TRAITS.max_bytes))

    def judge(self, response: Response) -> Outcome:
        """200 and ``ok``; refusals are told in a word."""
        said = response.body.strip()
        if said in _REFUSALS:
            return refused(_REFUSALS[said], answer=words(response))
        outcome = by_status(response)
        return unreadable(response) if outcome.delivered and said != b"ok" else outcome


def _body(message: Message) -> bytes:
    attachment = {"color": _COLOURS[message.colour], "blocks": _blocks(message)}
    # What notifications show, and what screens are read.
    text = cut(f"{message.title} {message.summary}", _SECTION, escape=escape)
    return orjson.dumps(
        {"text": text, "attachments": [attachment], "unfurl_links": False, "unfurl_media": False}
    )


def _blocks(message: Message) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(message.title, _HEADER)}]
    text = cut_lines([message.summary, *message.lines])
    if text:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}})
    for start in range(0, len(message.fields), _FIELDS_A_SECTION):
        some = message.fields[start : start + _FIELDS_A_SECTION]
        blocks.append({"type": "section", "fields": [_field(one) for one in some]})
    picture = safe_picture(message)
    if picture is not None:
        blocks.append({"type": "image", "image_url": picture, "alt_text": cut(message.title, _FIELD) or "-"})
    links = safe_links(message)
    if links:
        blocks.append({"type": "actions", "elements": [_button(link) for link in links]})
    return blocks


def cut_lines(lines: list[str]) -> str:
    """As many lines as a section holds."""
    text = ""
    for line in lines:
        room = _SECTION - len(text) - 1
        added = cut(line, min(room, 1_000), escape=escape) if room > 1 else ""
        text += f"\n{added}" if text and added else added
    return text


def _field(field: Field) -> dict[str, Any]:
    label = cut(field.label, 200, escape=escape)
    value = cut(field.value, _FIELD - len(label) - 3, escape=escape)
    return {"type": "mrkdwn", "text": f"*{label}*\n{value}", "verbatim": True}


def _button(link: Link) -> dict[str, Any]:
    button = {"type": "button", "text": _plain(link.label, _BUTTON), "url": link.url, "action_id": link.kind}
    return button | ({"style": "primary"} if link.kind is LinkKind.ACKNOWLEDGE else {})


def _plain(text: str, limit: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": cut(text, limit) or "-", "emoji": False}
