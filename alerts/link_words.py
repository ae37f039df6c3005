"""The pages behind a signed link, as HTML: what would be done, and what became of it. Pure.

No script, no address of anything else, one inline style whose hash the policy names; text from outside is
escaped. In Chinese for browsers that ask for it first, else in English.
"""

# ruff: noqa: RUF001 - full-width punctuation is what Chinese is written with

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import TYPE_CHECKING, Final

from alerts.content.numbers import duration
from alerts.content.writing import LANGUAGES
from alerts.links import Action, Refused
from alerts.message import Language

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_NAME: Final = 60
_STYLE: Final = (
    "body{font:18px/1.5 system-ui,sans-serif;margin:0 auto;padding:2rem 1rem;max-width:34rem;"
    "color:#1b1f24;background:#fff}"
    "h1{font-size:1.35rem}code{overflow-wrap:anywhere}"
    "input,button{font:inherit;padding:.6rem .9rem;border:1px solid #6e7781;border-radius:.4rem;"
    "box-sizing:border-box;width:100%;margin:.3rem 0 1rem}"
    "button{background:#0b57d0;border-color:#0b57d0;color:#fff;font-weight:600}"
    ".good{color:#116329}.bad{color:#a40e26}"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}"
    "input{background:#0d1117;color:inherit}.good{color:#56d364}.bad{color:#ff7b72}}"
)
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


class Done(StrEnum):
    """What became of a link that holds. Also the label ``outcome`` of the metric, beside ``Refused``."""

    SHOWN = "shown"
    WRITTEN = "written"
    ALREADY = "already"
    OVER = "over"
    UNKNOWN_INCIDENT = "unknown_incident"
    UNREACHABLE = "kafka_unreachable"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True)
class _Tongue:
    """One language's sentences. ``{0}`` and so on are filled in, escaped."""

    code: str
    ask: Mapping[Action, str]
    button: Mapping[Action, str]
    name: str
    written: Mapping[Action, str]
    results: Mapping[Done | Refused, str]


_ENGLISH: Final = _Tongue(
    code="en",
    ask={
        Action.ACKNOWLEDGE: "Acknowledge this incident?",
        Action.MUTE: "Mute this incident for {0}?",
    },
    button={Action.ACKNOWLEDGE: "Acknowledge", Action.MUTE: "Mute for {0}"},
    name="Your name, for the others (may be empty)",
    written={
        Action.ACKNOWLEDGE: "Written down. It shows as acknowledged once the watcher has read it.",
        Action.MUTE: "Written down. Nobody is told of it for {0}, from when the watcher has read it.",
    },
    results={
        Done.ALREADY: "It is acknowledged already, by {0}. Nothing was changed.",
        Done.OVER: "It is over. Nothing was changed.",
        Done.UNKNOWN_INCIDENT: "This incident is not known here, or was forgotten. Nothing was changed.",
        Done.UNREACHABLE: "Kafka cannot be reached, so this may not have been written down. Please try again.",
        Done.TOO_MANY: "Too often. Please wait a moment.",
        Refused.EXPIRED: "This link has expired. A newer message about the incident has one that works.",
        Refused.BAD_SIGNATURE: "This link was not made here, or its secret was changed.",
        Refused.MALFORMED: "This link is damaged. Was it copied whole?",
    },
)
_CHINESE: Final = _Tongue(
    code="zh",
    ask={Action.ACKNOWLEDGE: "确认处理这个事件？", Action.MUTE: "将这个事件静音 {0}？"},
    button={Action.ACKNOWLEDGE: "确认", Action.MUTE: "静音 {0}"},
    name="您的名字，供同事查看（可不填）",
    written={
        Action.ACKNOWLEDGE: "已记录。监测程序读取后，事件将显示为已确认。",
        Action.MUTE: "已记录。监测程序读取后，{0}内不再就此事件通知任何人。",
    },
    results={
        Done.ALREADY: "该事件已由 {0} 确认，未作更改。",
        Done.OVER: "该事件已经结束，未作更改。",
        Done.UNKNOWN_INCIDENT: "这里没有该事件的记录，或记录已过期，未作更改。",
        Done.UNREACHABLE: "无法连接 Kafka，可能没有记录下来，请重试。",
        Done.TOO_MANY: "操作过于频繁，请稍候。",
        Refused.EXPIRED: "链接已过期，请使用该事件较新消息中的链接。",
        Refused.BAD_SIGNATURE: "该链接不是由这里生成的，或密钥已更换。",
        Refused.MALFORMED: "链接不完整，请检查是否完整复制。",
    },
)
_TONGUES: Final = {Language.EN: _ENGLISH, Language.ZH: _CHINESE}


def language_of(accept_language: str) -> Language:
    """Which of our languages a browser asks for first."""
    for offer in accept_language.lower().split(","):
        code = offer.partition(";")[0].strip().partition("-")[0]
        if code in _TONGUES:
            return Language(code)
    return Language.EN


def question(action: Action, incident_id: str, mute_ms: int, language: Language) -> str:
    """The page that asks: a form that posts to where it came from."""
    tongue = _TONGUES[language]
    span = _span(mute_ms, language)
    body = (
        f"<h1>{escape(tongue.ask[action].format(span))}</h1><p><code>{escape(incident_id)}</code></p>"
        f'<form method="post"><label>{escape(tongue.name)}'
        f'<input name="by" maxlength="{MAX_NAME}" autocomplete="name"></label>'
        f"<button>{escape(tongue.button[action].format(span))}</button></form>"
    )
    return _page(body, tongue)


def written(action: Action, incident_id: str, mute_ms: int, language: Language) -> str:
    """The page that says that it was written down."""
    tongue = _TONGUES[language]
    text = tongue.written[action].format(_span(mute_ms, language))
    return _page(f'<h1 class="good">{escape(text)}</h1><p><code>{escape(incident_id)}</code></p>', tongue)


def nothing_done(why: Done | Refused, language: Language, who: str = "") -> str:
    """The page that says why nothing was done."""
    tongue = _TONGUES[language]
    return _page(f'<h1 class="bad">{escape(tongue.results[why].format(who or "?"))}</h1>', tongue)


def _span(mute_ms: int, language: Language) -> str:
    """As on the button that led here."""
    return duration(mute_ms, LANGUAGES[language]) or ""


def _page(body: str, tongue: _Tongue) -> str:
    return (
        f'<!doctype html><html lang="{tongue.code}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Funnelwatch</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    )
