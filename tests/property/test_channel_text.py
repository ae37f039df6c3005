"""Whatever a shop calls its things: what is sent is valid, within limits, and nothing but words."""

from __future__ import annotations

import html
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.message import Field
from alerts.notify import dingtalk, discord, feishu, slack, teams, telegram, wecom
from alerts.notify.text import characters, clean, cut, utf8, utf16
from tests.support.channels import HTTP_KINDS, call_of
from tests.support.messages import message
from tests.support.vendors import problems

MARKS = st.sampled_from(
    [*"<>&@*_`[]()#\\|~'\"\n\r\t:-!", "转", "😀", "\u200d", "\u0301", "🇨", "\u202e", "\ud800"]
)
NAMES = st.text(st.one_of(MARKS, st.characters()), max_size=60)
SIZES = st.sampled_from([characters, utf8, utf16])
ESCAPES = st.sampled_from([one.escape for one in (dingtalk, discord, feishu, slack, teams, telegram, wecom)])


@settings(max_examples=200, deadline=None)
@given(NAMES, st.integers(-1, 80), SIZES, ESCAPES)
def test_cutting_cuts_between_characters(text: str, limit: int, size: object, escape: object) -> None:
    """The result is within the limit, and is the escape of a beginning of the text."""
    found = cut(text, limit, size=size, escape=escape)  # type: ignore[arg-type]  # one of each
    assert not found or size(found) <= limit  # type: ignore[operator]  # likewise
    plain = clean(text)
    beginnings = {escape(plain[:length].rstrip()) + "…" for length in range(len(plain) + 1)}  # type: ignore[operator]  # likewise
    assert found in beginnings | {escape(plain), ""}  # type: ignore[operator]  # likewise


@settings(max_examples=200, deadline=None)
@given(NAMES)
def test_escapes_leave_words(text: str) -> None:
    """What a reader sees is what was meant, where markup has entities; no bracket of it is markup."""
    plain = clean(text)
    assert html.unescape(slack.escape(plain)) == html.unescape(plain) or "&" in plain
    for escaped in (slack.escape(plain), telegram.escape(plain), feishu.escape(plain)):
        assert not set("<>") & set(escaped)
    assert html.unescape(telegram.escape(plain)).replace("\u2060", "") == plain.replace("\u2060", "")
    assert "@everyone" not in discord.escape("@everyone" + plain)


@settings(max_examples=60, deadline=None)
@given(NAMES, NAMES, st.integers(0, 40), st.integers(1, 400), st.sampled_from(HTTP_KINDS))
def test_whatever_is_said_is_taken(title: str, text: str, parts: int, times: int, kind: str) -> None:
    """Any names, any number of lines and fields: form and limits hold for every vendor."""
    long = text * times
    fields = tuple(Field(text or "-", long or "-", short=index % 2 == 0) for index in range(parts))
    some = message(title="x" + title * times, summary=long, lines=(long,) * parts, fields=fields)
    call = call_of(kind, some)
    assert problems(kind, call) == []
    assert json.loads(call.body) is not None
