"""WeCom 企业微信, group robot: Markdown of at most 4,096 bytes, links as text.

Bytes, not characters: a Chinese character is three. Always answers 200: ``errcode`` decides. Twenty messages a
minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from alerts.message import Colour
from alerts.notify.answers import by_code
from alerts.notify.base import Outcome, Rate, Request, Response, Sending, Traits, Why
from alerts.notify.text import cut, escaping, fitted, safe_links, utf8, wide

if TYPE_CHECKING:
    from alerts.message import Message
    from alerts.notify.secrets import Secret

CONTENT_BYTES: Final = 4_096
TRAITS: Final = Traits(max_bytes=CONTENT_BYTES, rates=(Rate(20, 60_000),))
# The three colours it knows: green, grey, orange.
_COLOURS: Final = {
    Colour.RED: "warning",
    Colour.ORANGE: "warning",
    Colour.BLUE: "comment",
    Colour.GREEN: "info",
    Colour.GREY: "comment",
}
_MINUTE_MS: Final = 60_000
_MEANINGS: Final[dict[int, tuple[Why, int | None]]] = {
    -1: (Why.SERVER_ERROR, 5_000),
    45009: (Why.RATE_LIMITED, _MINUTE_MS),
    45033: (Why.RATE_LIMITED, 5_000),
    40008: (Why.BAD_REQUEST, None),
    40058: (Why.BAD_REQUEST, None),
    44004: (Why.BAD_REQUEST, None),
    45002: (Why.TOO_LARGE, None),
    93000: (Why.NOT_FOUND, None),
    93004: (Why.NOT_FOUND, None),
    93008: (Why.NOT_FOUND, None),
    60020: (Why.IP_NOT_ALLOWED, None),
}
# Its Markdown knows no escapes, so marks that mean something become their wide twins.
escape = escaping(wide("*[]<>`#@"))
_TEXT: Final = 1_000


@dataclass(frozen=True, slots=True)
class WeCom:
    """One robot."""

    url: Secret

    @property
    def traits(self) -> Traits:
        """What WeCom allows."""
        return TRAITS

    def request(self, message: Message, sending: Sending) -> Request:  # noqa: ARG002 - it cannot edit
        """A Markdown message."""
        content = fitted(message, _content, CONTENT_BYTES).decode()
        return Request(self.url, orjson.dumps({"msgtype": "markdown", "markdown": {"content": content}}))

    def judge(self, response: Response) -> Outcome:
        """By ``errcode``."""
        return by_code(response, code="errcode", text="errmsg", meanings=_MEANINGS)


def _content(message: Message) -> bytes:
    title = _escaped(message.title)
    lines = [f'<font color="{_COLOURS[message.colour]}">**{title}**</font>', _escaped(message.summary)]
    lines += [_escaped(line) for line in message.lines]
    lines += [f"> {_escaped(one.label)}: {_escaped(one.value)}" for one in message.fields]
    links = [f"[{cut(link.label, 60, escape=escape)}]({link.url})" for link in safe_links(message)]
    return "\n".join(one for one in (*lines, " ".join(links)) if one).encode()


def _escaped(text: str) -> str:
    return cut(text, _TEXT, size=utf8, escape=escape)
