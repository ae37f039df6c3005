"""Discord's webhooks: one embed with colour, fields, link buttons and the sparkline; edited in place.

``?wait=true`` makes the answer carry the message's id, by which it is edited. ``allowed_mentions`` is empty, so
nothing pings, whatever the text. Limits are Discord's, counted in UTF-16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson

from alerts.message import SPARKLINE_NAME, Colour
from alerts.notify.answers import by_status, json_object, seconds_ms, unreadable, words
from alerts.notify.base import (
    Outcome,
    Rate,
    Request,
    Response,
    Sending,
    Traits,
    Verdict,
    Why,
    delivered,
    retry,
)
from alerts.notify.multipart import Part, form
from alerts.notify.secrets import Secret
from alerts.notify.text import cut, escaping, fitted, safe_links, utf16

if TYPE_CHECKING:
    from alerts.message import Field, Link, Message

TRAITS: Final = Traits(max_bytes=24_000, rates=(Rate(5, 2_000), Rate(30, 60_000)), edits=True)
_COLOURS: Final = {
    Colour.RED: 0xD32F2F,
    Colour.ORANGE: 0xF57C00,
    Colour.BLUE: 0x1976D2,
    Colour.GREEN: 0x388E3C,
    Colour.GREY: 0x757575,
}
_TITLE, _DESCRIPTION, _NAME, _VALUE, _FIELDS = 256, 4_096, 256, 1_024, 25
# Of all the text of an embed together.
_TOTAL: Final = 6_000
_BUTTONS_A_ROW: Final = 5
_BUTTON_URL: Final = 512
# Discord's code for a message that is not there; of a webhook that is not there it is 10015.
_UNKNOWN_MESSAGE: Final = 10_008
escape = escaping({mark: f"\\{mark}" for mark in "\\`*_~|[]()<>#:"} | {"@": "@\u200b"})


@dataclass(frozen=True, slots=True)
class Discord:
    """One webhook."""

    url: Secret

    @property
    def traits(self) -> Traits:
        """What Discord allows."""
        return TRAITS

    def request(self, message: Message, sending: Sending) -> Request:
        """A new message, or a change of the one with the handle."""
        payload = fitted(message, _payload, TRAITS.max_bytes)
        url = Secret(_address(self.url.reveal(), sending.handle))
        method = "POST" if sending.handle is None else "PATCH"
        if message.sparkline is None:
            return Request(url, payload, method, secrets=(self.url,))
        picture = Part("files[0]", message.sparkline, "image/png", SPARKLINE_NAME)
        body, content_type = form([Part("payload_json", payload, "application/json"), picture])
        return Request(url, body, method, content_type, secrets=(self.url,))

    def judge(self, response: Response) -> Outcome:
        """2xx, with the message's id in the body."""
        outcome = by_status(response)
        body = json_object(response)
        if outcome.why is Why.NOT_FOUND and body and body.get("code") == _UNKNOWN_MESSAGE:
            return Outcome(Verdict.REFUSED, Why.MESSAGE_GONE, answer=words(response))
        if outcome.why is Why.RATE_LIMITED and body:
            after_ms = seconds_ms(body.get("retry_after"))
            return retry(
                Why.RATE_LIMITED,
                outcome.retry_after_ms if after_ms is None else after_ms,
                answer=words(response),
            )
        if not outcome.delivered or response.status == 204:
            return outcome
        handle = None if body is None else body.get("id")
        if not isinstance(handle, str) or not handle.isdigit():
            return unreadable(response)
        return delivered(handle, answer=str(response.status))


def _address(url: str, handle: str | None) -> str:
    address, _, query = url.partition("?")
    if handle is not None:
        address = f"{address.rstrip('/')}/messages/{quote(handle, safe='')}"
    wanted = "wait=true&with_components=true"
    return f"{address}?{query}&{wanted}" if query else f"{address}?{wanted}"


def _payload(message: Message) -> bytes:
    links = safe_links(message)
    buttons = [link for link in links if len(link.url) <= _BUTTON_URL][:_BUTTONS_A_ROW]
    payload: dict[str, Any] = {
        "embeds": [_embed(message, [link for link in links if link not in buttons])],
        "allowed_mentions": {"parse": []},
        "components": [{"type": 1, "components": [_button(link) for link in buttons]}] if buttons else [],
        # An edit replaces what was attached before.
        "attachments": [] if message.sparkline is None else [{"id": 0, "filename": SPARKLINE_NAME}],
    }
    return orjson.dumps(payload)


def _embed(message: Message, links: list[Link]) -> dict[str, Any]:
    title = _cut(message.title, _TITLE)
    room = _TOTAL - utf16(title)
    texts = [(line, "") for line in (message.summary, *message.lines)] + [
        (one.label, one.url) for one in links
    ]
    description = _description(texts, min(_DESCRIPTION, room // 2))
    embed = {"title": title, "description": description, "color": _COLOURS[message.colour]}
    fields = _fields(message.fields, room - utf16(description))
    picture = {} if message.sparkline is None else {"image": {"url": f"attachment://{SPARKLINE_NAME}"}}
    return embed | {"fields": fields} | picture


def _description(texts: list[tuple[str, str]], room: int) -> str:
    written: list[str] = []
    for text, url in texts:
        used = utf16("\n".join(written)) + 1
        line = _cut(text, min(1_000, max(0, room - used - (len(url) + 4 if url else 0))))
        if line:
            written.append(f"[{line}]({url})" if url else line)
    return "\n".join(written)


def _fields(fields: tuple[Field, ...], room: int) -> list[dict[str, Any]]:
    found = []
    for field in fields[:_FIELDS]:
        name = _cut(field.label, min(_NAME, room // 2)) or "-"
        value = _cut(field.value, min(_VALUE, room - utf16(name))) or "-"
        room -= utf16(name) + utf16(value)
        if room < 0:
            break
        found.append({"name": name, "value": value, "inline": field.short})
    return found


def _button(link: Link) -> dict[str, Any]:
    return {"type": 2, "style": 5, "label": cut(link.label, 80, size=utf16) or "-", "url": link.url}


def _cut(text: str, limit: int) -> str:
    return cut(text, limit, size=utf16, escape=escape)
