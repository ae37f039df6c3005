"""Text that fits: limits, escapes and characters that belong together."""

from __future__ import annotations

import pytest

from alerts.notify.text import clean, cut, escaping, fitted, safe_url, utf8, utf16
from tests.support.messages import hostile, message

ENTITIES = escaping({"&": "&amp;", "<": "&lt;"})


@pytest.mark.parametrize(
    ("text", "limit", "wanted"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("abcd", 1, "…"),
        ("abcd", 0, ""),
        ("ab cd", 4, "ab…"),
        ("e\u0301e\u0301", 3, "e\u0301…"),
        ("👩🏽‍🚀x", 3, "…"),
        ("🇨🇳🇨🇳", 3, "🇨🇳…"),
        ("👍🏽a", 2, "…"),
    ],
)
def test_nothing_is_cut_in_two(text: str, limit: int, wanted: str) -> None:
    """No letter from its accent, no emoji from its parts, no flag in half."""
    assert cut(text, limit) == wanted


def test_sizes() -> None:
    """A Chinese character is three bytes, an emoji four, and two units of UTF-16."""
    assert (utf8("转a😀"), utf16("转a😀")) == (8, 4)
    assert cut("转转转转", 9, size=utf8) == "转转…"
    assert cut("😀😀😀", 5, size=utf16) == "😀😀…"


def test_escapes_are_not_cut() -> None:
    """The name is cut, and then escaped."""
    assert [cut("a<b", limit, escape=ENTITIES) for limit in (6, 5, 4)] == ["a&lt;b", "a…", "a…"]


def test_control_characters_and_directions_go() -> None:
    """One line, read in one direction, of whole characters; Hebrew stays Hebrew."""
    assert clean(" a\nb\x1b[1m \u202egnp\u202c\u200b \ud800 שלום ") == "a b [1m gnp \ufffd שלום"


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://a.example/x?y=1#z", "https://a.example/x?y=1#z"),
        ("https://a.example/x)(y|z", "https://a.example/x%29%28y%7Cz"),
        ("https://a.example/转", "https://a.example/%E8%BD%AC"),
        ("https://a.example/a%20b", "https://a.example/a%20b"),
        ("javascript:alert(1)", None),
        ("https://", None),
        ("https://a.example/" + "x" * 2_000, None),
        ("//a.example", None),
    ],
)
def test_addresses_of_links(url: str, wanted: str | None) -> None:
    """Only the web's, with nothing that ends markup early."""
    assert safe_url(url) == wanted


def test_what_does_not_fit_is_left_out_from_the_end() -> None:
    """Title and buttons last."""
    whole = fitted(message(), lambda one: f"{one.title}|{one.lines}|{one.fields}".encode(), 10_000)
    less = fitted(message(), lambda one: f"{one.title}|{one.lines}|{one.fields}".encode(), 100)
    assert len(less) <= 100 < len(whole)
    assert less.decode().startswith(f"{message().title}|('Lost 9.95")
    links = fitted(hostile(), lambda one: b"x" * 100 * len(one.links), 250)
    assert len(links) == 200
