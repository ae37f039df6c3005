"""Names from outside: what cannot be seen, or lies about its order, is not shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.content.clean import MAX_NAME, harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("SKU_1", "SKU_1"),
        ("手机壳 红", "手机壳 红"),
        ("👩\u200d💻", "👩💻"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("a\nResolved: all\r\nwell", "a Resolved: all well"),
        ("a\x00\x1b[31mb", "a [31mb"),
        ("\u2066\u200b\ufeff", "(?)"),
        ("", "(?)"),
        ("\ud800x", "x"),
        ("a\u2028b", "a b"),
        ("<b>*x*|[y](z)</b>", "<b>*x*|[y](z)</b>"),
        ("\u3164", "(?)"),
        ("x" * 100, "x" * 79 + "…"),
    ],
)
def test_names(text: str, shown: str) -> None:
    """Control, bidirectional and invisible characters go; markup stays, for channels to escape."""
    assert harmless(text) == shown


@given(st.text(alphabet=st.characters()))
def test_whatever_it_is(text: str) -> None:
    """One bounded visible line, and the same if it is cleaned again."""
    shown = harmless(text)
    assert 0 < len(shown) <= MAX_NAME
    assert shown.isprintable()
    assert not {"Cf", "Cc", "Cs"} & {unicodedata.category(char) for char in shown}
    assert harmless(shown) == shown
