r"""Feishu 飞书 and Lark, custom robot: an interactive card, signed in the body.

Answers 200 to refusals: ``code`` decides. Signature: ``base64(HMAC-SHA256(key="<s>\n<secret>", message=""))`` with
the time in seconds. Its documentation asks not to write at full and half hours (error 11232).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from alerts.message import Colour, LinkKind
from alerts.notify.answers import by_code, json_object
from alerts.notify.base import Outcome, Rate, Request, Response, Sending, Traits, Why
from alerts.notify.text import cut, escaping, fitted, safe_links

if TYPE_CHECKING:
    from alerts.message import Link, Message
    from alerts.notify.secrets import Secret

# 20 KB are taken.
TRAITS: Final = Traits(max_bytes=19_000, rates=(Rate(5, 1_000), Rate(100, 60_000)), avoids_round_times=True)
_TEMPLATES: Final = {
    Colour.RED: "red",
    Colour.ORANGE: "orange",
    Colour.BLUE: "blue",
    Colour.GREEN: "green",
    Colour.GREY: "grey",
}
_MINUTE_MS: Final = 60_000
_MEANINGS: Final[dict[int, tuple[Why, int | None]]] = {
    9499: (Why.BAD_REQUEST, None),
    11232: (Why.RATE_LIMITED, _MINUTE_MS),
    11233: (Why.RATE_LIMITED, _MINUTE_MS),
    99991400: (Why.RATE_LIMITED, _MINUTE_MS),
    10003: (Why.BAD_REQUEST, None),
    19001: (Why.NOT_FOUND, None),
    19002: (Why.BAD_REQUEST, None),
    19003: (Why.RATE_LIMITED, _MINUTE_MS),
    19021: (Why.SIGNATURE, None),
    19022: (Why.IP_NOT_ALLOWED, None),
    19024: (Why.KEYWORD_MISSING, None),
    19036: (Why.TOO_LARGE, None),
    11246: (Why.BAD_REQUEST, None),
}
# As its documentation asks: <at> and <a> are its markup as well.
escape = escaping({"&": "&amp;"} | {mark: f"&#{ord(mark)};" for mark in "<>*_~[]()`#\\!|"})
_TEXT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Feishu:
    """One robot.

    Attributes:
        secret: of the signature; None where the robot goes by keyword or address.
        keyword: which the robot wants to find in every message.
    """

    url: Secret
    secret: Secret | None = None
    keyword: str = ""

    @property
    def traits(self) -> Traits:
        """What Feishu allows."""
        return TRAITS

    def request(self, message: Message, sending: Sending) -> Request:
        """A card; time and signature stand beside it."""
        proof: dict[str, str] = {}
        if self.secret is not None:
            seconds = sending.at_ms // 1000
            proof = {"timestamp": str(seconds), "sign": signature(self.secret, seconds)}
        body = fitted(message, lambda smaller: _body(smaller, self.keyword, proof), TRAITS.max_bytes)
        return Request(self.url, body, secrets=() if self.secret is None else (self.secret,))

    def judge(self, response: Response) -> Outcome:
        """By ``code``, or ``StatusCode`` of the older answers."""
        body = json_object(response) or {}
        if "code" not in body and "StatusCode" in body:
            return by_code(response, code="StatusCode", text="StatusMessage", meanings=_MEANINGS)
        return by_code(response, code="code", text="msg", meanings=_MEANINGS)


def signature(secret: Secret, seconds: int) -> str:
    """The sign of that second: time and secret are the key, the message is empty."""
    key = f"{seconds}\n{secret.reveal()}".encode()
    return base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()


def _body(message: Message, keyword: str, proof: dict[str, str]) -> bytes:
    elements: list[dict[str, Any]] = [
        {"tag": "div", "text": _markdown(line)} for line in (message.summary, *message.lines) if line
    ]
    if message.fields:
        fields = [{"is_short": one.short, "text": _markdown(one.value, one.label)} for one in message.fields]
        elements.append({"tag": "div", "fields": fields})
    links = safe_links(message)
    if links:
        elements.append({"tag": "action", "actions": [_button(link) for link in links]})
    if keyword:
        elements.append({"tag": "note", "elements": [_plain(keyword, 100)]})
    header = {"template": _TEMPLATES[message.colour], "title": _plain(message.title, _TEXT)}
    card = {"config": {"wide_screen_mode": True}, "header": header, "elements": elements}
    return orjson.dumps(proof | {"msg_type": "interactive", "card": card})


def _markdown(text: str, label: str = "") -> dict[str, Any]:
    words = cut(text, _TEXT, escape=escape)
    if label:
        words = f"**{cut(label, _TEXT, escape=escape)}**\n{words}"
    return {"tag": "lark_md", "content": words}


def _plain(text: str, limit: int) -> dict[str, Any]:
    return {"tag": "plain_text", "content": cut(text, limit)}


def _button(link: Link) -> dict[str, Any]:
    kind = "primary" if link.kind is LinkKind.ACKNOWLEDGE else "default"
    return {"tag": "button", "text": _plain(link.label, 40), "type": kind, "url": link.url}
