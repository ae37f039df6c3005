"""A document as one HTML file that needs nothing else: no script, no font, no picture from elsewhere.

Promises: text is put into a tree and escaped when the tree is written, so a name from the shop's events
is never markup. The page forbids itself everything but its own style (Content-Security-Policy): even
markup that got in could load and run nothing.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from streams.report.document import Chart, Paragraph, Table, Tiles
from streams.report.style import STYLE

if TYPE_CHECKING:
    from streams.report.document import Block, Document, Section

_STYLE_HASH: Final = b64encode(sha256(STYLE.encode()).digest()).decode()
_POLICY: Final = f"default-src 'none'; img-src data:; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"


def as_html(document: Document) -> str:
    """The page."""
    page = Element("html", lang=document.language)
    _head(page, document)
    body = SubElement(page, "body")
    header = SubElement(body, "header")
    _text(header, "h1", document.title)
    _text(header, "p", document.subtitle, "subtitle")
    main = SubElement(body, "main")
    for section in document.sections:
        _section(main, section)
    _text(SubElement(body, "footer"), "p", document.foot)
    return "<!doctype html>\n" + tostring(page, encoding="unicode", method="html") + "\n"


def _head(page: Element, document: Document) -> None:
    head = SubElement(page, "head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    SubElement(head, "meta", name="color-scheme", content="light dark")
    SubElement(head, "meta", name="referrer", content="no-referrer")
    # Else the browser asks for /favicon.ico where the file is served.
    SubElement(head, "link", rel="icon", href="data:,")
    _text(head, "title", document.title)
    SubElement(head, "style").text = STYLE


def _text(parent: Element, tag: str, text: str, class_: str = "") -> Element:
    element = SubElement(parent, tag, {"class": class_} if class_ else {})
    element.text = text
    return element


def _section(main: Element, section: Section) -> None:
    part = SubElement(main, "section")
    _text(part, f"h{section.level}", section.title)
    for block in section.blocks:
        _block(part, block)


def _block(part: Element, block: Block) -> None:
    match block:
        case Tiles(tiles):
            rows = SubElement(part, "dl", {"class": "tiles"})
            for tile in tiles:
                cell = SubElement(rows, "div", {"class": f"tile {tile.tone}".strip()})
                _text(cell, "dt", tile.label)
                _text(cell, "dd", tile.value, "value")
                if tile.note:
                    _text(cell, "dd", tile.note, "note")
        case Paragraph(text, tone):
            _text(part, "p", text, tone)
        case Table():
            _table(part, block)
        case Chart(svg, title, note):
            figure = SubElement(part, "figure")
            svg.set("role", "img")
            svg.set("aria-label", title)
            # On a phone a chart keeps a size that can be read, and scrolls.
            SubElement(figure, "div", {"class": "scroll", "tabindex": "0"}).append(svg)
            caption = _text(figure, "figcaption", title)
            if note:
                _text(caption, "small", note)


def _table(part: Element, table: Table) -> None:
    # Wide tables scroll by themselves; whoever uses the keyboard can scroll them too.
    frame = SubElement(part, "div", {"class": "scroll", "tabindex": "0"})
    element = SubElement(frame, "table")
    if table.caption:
        _text(element, "caption", table.caption)
    head = SubElement(SubElement(element, "thead"), "tr")
    for column in table.columns:
        _text(head, "th", column.head, "" if column.numeric else "text").set("scope", "col")
    body = SubElement(element, "tbody")
    for row in table.rows:
        line = SubElement(body, "tr")
        for number, (column, cell) in enumerate(zip(table.columns, row, strict=True)):
            first = _text(line, "td" if number else "th", cell, "" if column.numeric else "text")
            if not number:
                first.set("scope", "row")
