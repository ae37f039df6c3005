r"""DingTalk 钉钉, custom robot: an action card with buttons, signed in the address.

Always answers 200: ``errcode`` decides. Twenty messages a minute, and who sends more is blocked for ten minutes.
Signature: ``base64(HMAC-SHA256(secret, "<ms>\n<secret>"))``, percent-encoded; the clock may be an hour off.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson

from alerts.message import Colour
from alerts.notify.answers import by_code
from alerts.notify.base import Outcome, Rate, Request, Response, Sending, Traits, Why
from alerts.notify.secrets import Secret
from alerts.notify.text import cut, escaping, fitted, safe_links, safe_picture, wide

if TYPE_CHECKING:
    from alerts.message import Message

_PENALTY_MS: Final = 600_000
# 20,000 bytes are taken.
TRAITS: Final = Traits(max_bytes=19_000, rates=(Rate(20, 60_000, _PENALTY_MS),))
_COLOURS: Final = {
    Colour.RED: "#D32F2F",
    Colour.ORANGE: "#F57C00",
    Colour.BLUE: "#1976D2",
    Colour.GREEN: "#388E3C",
    Colour.GREY: "#757575",
}
_MEANINGS: Final[dict[int, tuple[Why, int | None]]] = {
    -1: (Why.SERVER_ERROR, 5_000),
    130101: (Why.RATE_LIMITED, _PENALTY_MS),
    410100: (Why.RATE_LIMITED, _PENALTY_MS),
    300001: (Why.UNAUTHORIZED, None),
    400001: (Why.SERVER_ERROR, 5_000),
    400013: (Why.NOT_FOUND, None),
    400101: (Why.UNAUTHORIZED, None),
    400102: (Why.NOT_FOUND, None),
    400105: (Why.BAD_REQUEST, None),
    40035: (Why.BAD_REQUEST, None),
    43004: (Why.BAD_REQUEST, None),
    460101: (Why.TOO_LARGE, None),
    430101: (Why.BAD_REQUEST, None),
}
_SECURITY: Final = 310_000
# Which of the three settings of security it was stands in the words only.
_SECURITY_WORDS: Final = (
    ("keyword", Why.KEYWORD_MISSING),
    ("ip", Why.IP_NOT_ALLOWED),
    ("sign", Why.SIGNATURE),
)
# Its Markdown knows no escapes, so marks that mean something become their wide twins.
escape = escaping(wide("*[]<>`#@|~\\"))
_TEXT: Final = 1_000


@dataclass(frozen=True, slots=True)
class DingTalk:
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
        """What DingTalk allows."""
        return TRAITS

    def request(self, message: Message, sending: Sending) -> Request:
        """An action card; the address carries time and signature."""
        url = self.url if self.secret is None else signed(self.url, self.secret, sending.at_ms)
        body = fitted(message, lambda smaller: _body(smaller, self.keyword), TRAITS.max_bytes)
        secrets = (self.url,) if self.secret is None else (self.url, self.secret)
        return Request(url, body, secrets=secrets)

    def judge(self, response: Response) -> Outcome:
        """By ``errcode``."""
        security = {_SECURITY: (_security(response), None)}
        return by_code(response, code="errcode", text="errmsg", meanings=_MEANINGS | security)


def signed(url: Secret, secret: Secret, at_ms: int) -> Secret:
    """The address with ``timestamp`` and ``sign``."""
    key = secret.reveal()
    digest = hmac.new(key.encode(), f"{at_ms}\n{key}".encode(), hashlib.sha256).digest()
    sign = quote(base64.b64encode(digest), safe="")
    address = url.reveal()
    joint = "&" if "?" in address else "?"
    return Secret(f"{address}{joint}timestamp={at_ms}&sign={sign}")


def _security(response: Response) -> Why:
    said = response.body[:2_000].lower().decode("utf-8", "replace")
    return next((why for word, why in _SECURITY_WORDS if word in said), Why.UNAUTHORIZED)


def _body(message: Message, keyword: str) -> bytes:
    title = _escaped(message.title)
    paragraphs = [f'<font color="{_COLOURS[message.colour]}">**{title}**</font>', _escaped(message.summary)]
    paragraphs += [_escaped(line) for line in message.lines]
    paragraphs += [f"- **{_escaped(one.label)}** {_escaped(one.value)}" for one in message.fields]
    picture = safe_picture(message)
    if picture is not None:
        paragraphs.append(f"![]({picture})")
    if keyword:
        paragraphs.append(_escaped(keyword))
    card: dict[str, Any] = {"title": title, "text": "\n\n".join(one for one in paragraphs if one)}
    buttons = [{"title": cut(link.label, 40) or "-", "actionURL": link.url} for link in safe_links(message)]
    if buttons:
        return _dump("actionCard", card | {"btnOrientation": "1", "btns": buttons})
    return _dump("markdown", card)


def _dump(kind: str, card: dict[str, Any]) -> bytes:
    return orjson.dumps({"msgtype": kind, kind: card, "at": {"isAtAll": False}})


def _escaped(text: str) -> str:
    return cut(text, _TEXT, escape=escape)
