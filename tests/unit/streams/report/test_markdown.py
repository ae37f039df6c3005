"""Markdown: golden text, and names that are no markup."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.message import Language
from streams.report.document import Column, Document, Paragraph, Section, Table
from streams.report.markdown import as_markdown, escaped
from streams.report.writing import write
from tests.support.reported import data_of

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "report"


@pytest.mark.parametrize(("language", "zone"), [(Language.EN, "UTC"), (Language.ZH, "Asia/Shanghai")])
def test_the_whole_page(language: Language, zone: str) -> None:
    """Word for word; who changes it on purpose writes it anew with what the test found."""
    found = as_markdown(write(data_of(), language, zone))
    assert found == (GOLDEN / f"{language.value}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a|b", r"a\|b"),
        ("<script>", r"\<script\>"),
        ("[x](y)", r"\[x\](y)"),
        ("**b** _i_ `c` ~s~", r"\*\*b\*\* \_i\_ \`c\` \~s\~"),
        ("- no list", r"\- no list"),
        ("1. no list", r"1\. no list"),
        ("---", r"--\-"),
        ("12.5 %", "12.5 %"),
        ("https://evil.example", r"https\://evil.example"),
        ("www.evil.example", r"www\.evil.example"),
        ("two\nlines", "two lines"),
        ("&amp;", r"\&amp;"),
        ("@all", r"\@all"),
    ],
)
def test_names_are_text(text: str, wanted: str) -> None:
    """Tables, links, HTML, emphasis, lists, mentions: all of it stands there as itself."""
    assert escaped(text) == wanted


def test_a_cell_stays_in_its_row() -> None:
    """A bar or a line break in a name makes no further column and no further row."""
    table = Table((Column("k", numeric=False), Column("n")), (("a|b\nc", "1"), ("", "")))
    page = as_markdown(Document("en", "t", "s", (Section("p", (table, Paragraph("x"))),), "f"))
    assert "| k | n |\n| --- | ---: |\n| a\\|b c | 1 |\n|   |   |\n" in page
