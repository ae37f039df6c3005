"""The HTML file: harmless, whole, and in need of nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from alerts.message import Language
from streams.promotions import Targets
from streams.report.document import Column, Document, Paragraph, Section, Table, Tile, Tiles
from streams.report.html import as_html
from streams.report.writing import write
from tests.support.reported import D11, counts, data_of, paid
from tests.support.window_oracle import BUCKET, Buckets

EVIL = "<script>alert(1)</script>'\"&\u202e"


class Tags(HTMLParser):
    """Tags in the order in which they begin, and what is still open at the end."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.seen.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It ends the one that began last."""
        assert self.open.pop() == tag


def evil_page() -> str:
    """Of a shop in which everything has a dangerous name."""
    written, buckets = Buckets(), []
    for number in range(30):
        some = counts(100, 10, [(EVIL, 0.5), ("javascript:alert(1)", 0.5)])
        money = paid(10) | paid(10, dimension="slot", key=EVIL)
        buckets.append(written.close(D11.start_ms + number * BUCKET, some, money=money))
    promotion = replace(D11, name=EVIL, targets=Targets(orders=1))
    return as_html(write(data_of(buckets, promotion=promotion), Language.EN, "UTC"))


def test_a_name_is_never_markup() -> None:
    """Not of a promotion, not of a slot; and characters that turn text around are gone."""
    page = evil_page()
    tags = Tags(page)
    assert tags.open == []
    assert "script" not in tags.seen
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 3
    assert "\u202e" not in page
    assert not [name for name in tags.attributes if name.startswith("on") or name in ("style", "src")]


@pytest.mark.parametrize("language", list(Language))
def test_nothing_is_asked_of_anybody(language: Language) -> None:
    """No address but that of SVG; the page forbids itself to load or run anything but its style."""
    page = as_html(write(data_of(), language, "UTC"))
    assert {*re.findall(r"\w+://[^\"' <]+", page)} <= {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'; img-src data:; style-src 'sha256-" in page
    assert f'<html lang="{language.value}">' in page
    assert {"script", "iframe", "img", "object", "form", "a"}.isdisjoint(Tags(page).seen)


def test_every_block_is_there() -> None:
    """Figures, sentences and tables; a table's first column names its rows."""
    blocks = (
        Tiles((Tile("label", "value", "note", "good"), Tile("bare", "1"))),
        Paragraph("sentence", "bad"),
        Table((Column("name", numeric=False), Column("n")), (("row", "5"),), "caption"),
    )
    page = as_html(Document("en", "title", "subtitle", (Section("part", blocks),), "foot"))
    for word in ("label", "value", "note", "sentence", "caption", "title", "subtitle", "part", "foot"):
        assert f">{word}<" in page
    assert '<th class="text" scope="row">row</th><td>5</td>' in page
    assert '<div class="tile good">' in page


def test_the_same_data_is_the_same_page() -> None:
    """To the byte: a report can be compared with itself."""
    assert evil_page() == evil_page()
