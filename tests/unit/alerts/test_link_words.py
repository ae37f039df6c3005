"""The pages behind links: no script, nothing from elsewhere, text from outside escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from alerts.link_words import HEADERS, Done, language_of, nothing_done, question, written
from alerts.links import DOING, Action, Refused
from alerts.message import Language

PAGES = [
    *(
        page(action, "inc-1", 1_800_000, language)
        for page in (question, written)
        for action in DOING
        for language in Language
    ),
    *(nothing_done(why, language, "li") for why in (*Done, *Refused) for language in Language if why in (
        Done.ALREADY, Done.OVER, Done.UNKNOWN_INCIDENT, Done.UNREACHABLE, Done.TOO_MANY, *Refused
    )),
]  # fmt: skip


class Tags(HTMLParser):
    """Names of elements, and of all their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.found |= {tag, *(f"{tag}.{name}" for name, _ in attrs)}


@pytest.mark.parametrize("page", PAGES)
def test_nothing_but_words_and_a_form(page: str) -> None:
    """No script, no handler, no address; the style is the one whose hash the policy names."""
    tags = Tags()
    tags.feed(page)
    allowed = {"html", "head", "meta", "title", "style", "body", "h1", "p", "code", "form", "label", "input"}
    assert {name.partition(".")[0] for name in tags.found} <= allowed | {"button"}
    assert not {name for name in tags.found if re.search(r"\.(?:on|src|href|action|style)", name)}
    (style,) = re.findall("<style>(.*)</style>", page)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in HEADERS["Content-Security-Policy"]
    assert "{" not in page.replace(style, "")


def test_text_from_outside_is_escaped() -> None:
    """Neither an incident's id nor a name can become markup."""
    evil = '"><script>alert(1)</script>'
    for page in (
        question(Action.MUTE, evil, 60_000, Language.EN),
        written(Action.MUTE, evil, 60_000, Language.EN),
        nothing_done(Done.ALREADY, Language.ZH, evil),
    ):
        assert "<script" not in page
        assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("language", "mute_ms", "button", "promise"),
    [
        (Language.EN, 1_800_000, "Mute for 30 min", "told of it for 30 min,"),
        (Language.EN, 5_400_000, "Mute for 1 h 30 min", "told of it for 1 h 30 min,"),
        (Language.ZH, 1_800_000, "静音 30 分钟", "30 分钟内"),
    ],
)
def test_for_how_long_is_muted(language: Language, mute_ms: int, button: str, promise: str) -> None:
    """Question, button and answer say what the settings say."""
    asked = question(Action.MUTE, "i", mute_ms, language)
    assert f"<button>{button}</button>" in asked
    assert promise in written(Action.MUTE, "i", mute_ms, language)


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("fr, zh;q=0.3", "zh"), ("en-GB,zh", "en"), ("*", "en")],
)
def test_the_browsers_first_choice(header: str, language: str) -> None:
    """Of the two there are; English for everybody else."""
    assert language_of(header).value == language
    assert f'lang="{language}"' in question(Action.ACKNOWLEDGE, "i", 0, language_of(header))
