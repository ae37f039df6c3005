"""Telegram's Bot API: HTML, link buttons, edited in place; with the sparkline where the text fits a caption.

The token is part of the address. ``ok`` in the body decides, and ``parameters.retry_after`` says when to come back.
A handle is the message's id, with a ``p`` before it where it is a picture with a caption.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from alerts.message import SPARKLINE_NAME
from alerts.notify.answers import by_status, json_object, seconds_ms, unreadable
from alerts.notify.base import (
    Outcome,
    Rate,
    Request,
    Response,
    Sending,
    Traits,
    Why,
    delivered,
    refused,
    retry,
)
from alerts.notify.multipart import Part, form
from alerts.notify.secrets import Secret
from alerts.notify.text import cut, escaping, fitted, safe_links, utf16

if TYPE_CHECKING:
    from alerts.message import Link, Message

MAX_TEXT: Final = 4_096
MAX_CAPTION: Final = 1_024
API: Final = "https://api.telegram.org"
# So long may a text of 4,096 be in bytes, escaped and in JSON, with room for the buttons.
TRAITS: Final = Traits(max_bytes=40_000, rates=(Rate(1, 1_000), Rate(20, 60_000)), edits=True)
_PICTURE: Final = "p"
_TEXT: Final = 1_000
_WORDS: Final = (
    ("message is not modified", Why.UNCHANGED),
    ("message to edit not found", Why.MESSAGE_GONE),
    ("message can't be edited", Why.MESSAGE_GONE),
    ("message_id_invalid", Why.MESSAGE_GONE),
    ("there is no text in the message to edit", Why.MESSAGE_GONE),
    ("there is no caption in the message to edit", Why.MESSAGE_GONE),
    ("chat not found", Why.NOT_FOUND),
    ("message is too long", Why.TOO_LARGE),
    ("caption is too long", Why.TOO_LARGE),
    ("bot was blocked", Why.UNAUTHORIZED),
    ("bot was kicked", Why.UNAUTHORIZED),
)
# A name after @ would ping whoever has it.
escape = escaping({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "@": "@\u2060"})


@dataclass(frozen=True, slots=True)
class Telegram:
    """One chat of one bot.

    Attributes:
        chat_id: number or @name of the chat.
        silent_below_critical: messages that are no page make no sound.
        api: where the Bot API is.
    """

    token: Secret
    chat_id: str
    silent_below_critical: bool = False
    api: str = API

    @property
    def traits(self) -> Traits:
        """What Telegram allows."""
        return TRAITS

    def request(self, message: Message, sending: Sending) -> Request:
        """A new message, or a change of the one with the handle."""
        if sending.handle is not None:
            return self._edit(message, sending.handle)
        if message.sparkline is not None and utf16(_text(message, MAX_TEXT)) <= MAX_CAPTION:
            return self._picture(message, message.sparkline)
        shown = {"text": _text(message, MAX_TEXT), "link_preview_options": {"is_disabled": True}}
        return self._call("sendMessage", self._to(message) | shown)

    def judge(self, response: Response) -> Outcome:
        """By ``ok``."""
        body = json_object(response)
        if body is None or not isinstance(body.get("ok"), bool):
            outcome = by_status(response)
            return unreadable(response) if outcome.delivered else outcome
        answer = f"{response.status} {body.get('description', 'ok')}"
        if body["ok"]:
            return delivered(_handle(body.get("result")), answer=answer)
        if response.status == 429:
            return retry(Why.RATE_LIMITED, _retry_after_ms(body), answer=answer)
        said = answer.lower()
        why = next((why for words, why in _WORDS if words in said), None)
        if why is Why.UNCHANGED:
            return delivered(why=why, answer=answer)
        if why is not None:
            return refused(why, answer=answer)
        outcome = by_status(response)
        return refused(Why.OTHER, answer=answer) if outcome.delivered else outcome

    def _to(self, message: Message) -> dict[str, Any]:
        quiet = self.silent_below_critical and message.severity.value != "critical"
        return {
            "chat_id": self.chat_id,
            "parse_mode": "HTML",
            "disable_notification": quiet,
            "reply_markup": _keyboard(message),
        }

    def _edit(self, message: Message, handle: str) -> Request:
        number = handle.removeprefix(_PICTURE)
        where = {
            "chat_id": self.chat_id,
            "message_id": int(number) if number.isdecimal() else 0,
            "parse_mode": "HTML",
            "reply_markup": _keyboard(message),
        }
        if handle.startswith(_PICTURE):
            return self._call("editMessageCaption", where | {"caption": _text(message, MAX_CAPTION)})
        shown = {"text": _text(message, MAX_TEXT), "link_preview_options": {"is_disabled": True}}
        return self._call("editMessageText", where | shown)

    def _picture(self, message: Message, picture: bytes) -> Request:
        fields = self._to(message) | {"caption": _text(message, MAX_CAPTION)}
        parts = [
            Part(name, _form_value(value), "text/plain; charset=utf-8") for name, value in fields.items()
        ]
        body, content_type = form([*parts, Part("photo", picture, "image/png", SPARKLINE_NAME)])
        return Request(self._url("sendPhoto"), body, content_type=content_type, secrets=(self.token,))

    def _call(self, method: str, fields: dict[str, Any]) -> Request:
        return Request(self._url(method), orjson.dumps(fields), secrets=(self.token,))

    def _url(self, method: str) -> Secret:
        return Secret(f"{self.api.rstrip('/')}/bot{self.token.reveal()}/{method}")


def _form_value(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else orjson.dumps(value)


def _handle(result: object) -> str | None:
    if not isinstance(result, dict) or not isinstance(result.get("message_id"), int):
        return None
    return f"{_PICTURE if 'photo' in result else ''}{result['message_id']}"


def _retry_after_ms(body: dict[str, Any]) -> int | None:
    parameters = body.get("parameters")
    return seconds_ms(parameters.get("retry_after")) if isinstance(parameters, dict) else None


def _text(message: Message, limit: int) -> str:
    """In UTF-16 units, tags and escapes counted too, though Telegram counts what is left without them."""
    # What ``fitted`` measures is bytes; here each unit is two.
    return fitted(message, lambda smaller: _html(smaller).encode("utf-16-le"), 2 * limit).decode("utf-16-le")


def _html(message: Message) -> str:
    lines = [f"<b>{_escaped(message.title)}</b>", _escaped(message.summary)]
    lines += [_escaped(line) for line in message.lines]
    lines += [f"<b>{_escaped(one.label)}</b>: {_escaped(one.value)}" for one in message.fields]
    return "\n".join(line for line in lines if line)


def _keyboard(message: Message) -> dict[str, Any]:
    buttons = [_button(link) for link in safe_links(message)]
    return {"inline_keyboard": [buttons[start : start + 2] for start in range(0, len(buttons), 2)]}


def _button(link: Link) -> dict[str, str]:
    return {"text": cut(link.label, 60) or "-", "url": link.url}


def _escaped(text: str) -> str:
    return cut(text, _TEXT, size=utf16, escape=escape)
