"""The page's words, numbers and files."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from streams.web import shapes
from streams.web.words import WORDS, language_of

WEB = Path(shapes.__file__).parent
# uPlot 1.6.32 as npm has it.
UPLOT = {
    "uPlot.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}


def test_every_language_has_every_word() -> None:
    """With the same places for what is put in."""
    english, chinese = WORDS["en"], WORDS["zh"]
    assert english.keys() == chinese.keys()
    for name, text in english.items():
        assert re.findall(r"{\w+}", text) == re.findall(r"{\w+}", chinese[name]), name


def test_every_word_of_a_template_is_known() -> None:
    """StrictUndefined would say so only to who looks at that part."""
    for path in (WEB / "templates").rglob("*.html"):
        for name in re.findall(r"\bw\.(\w+)", path.read_text(encoding="utf-8")):
            assert name in WORDS["en"] or name == "get", (path.name, name)


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [("zh", "en", "zh"), ("", "fr, zh-CN;q=0.8", "zh"), ("", "", "en"), ("xx", "de", "en")],
)
def test_language(asked: str, accepted: str, language: str) -> None:
    """As asked for, else as preferred, else English."""
    assert language_of(asked, accepted) == language


def test_numbers() -> None:
    """What is not known is a dash, never a number."""
    assert [shapes.count(12_345.0), shapes.count(None)] == ["12,345", shapes.NOTHING]
    assert [shapes.percent(0.0327), shapes.percent(0.5), shapes.percent(None)] == [
        "3.27 %",
        "50.0 %",
        shapes.NOTHING,
    ]
    assert [shapes.money(1_234_500, 2, "CNY"), shapes.money(5, 0, "JPY")] == ["12,345 CNY", "5 JPY"]
    assert [shapes.change(1.1, 1.0), shapes.change(1.0, None), shapes.change(1.0, 0.0)] == [
        "+10.0 %",
        *[shapes.NOTHING] * 2,
    ]
    assert shapes.clock(1_762_819_200_000, ZoneInfo("Asia/Shanghai")) == "08:00:00"
    words = WORDS["en"]
    spans = [shapes.duration(ms, words) for ms in (0, 59_000, 3_720_000, 90_000_000_000, -5)]
    assert spans == ["0 s", "59 s", "1 h 2 min", "1041 d 16 h", "0 s"]


def test_what_is_vendored_is_as_published() -> None:
    """By its checksum, with its licence beside it."""
    for name, digest in UPLOT.items():
        assert hashlib.sha256((WEB / "static" / name).read_bytes()).hexdigest() == digest
    assert "MIT" in (WEB / "static" / "uPlot.LICENSE").read_text()


def test_the_bundle_is_small() -> None:
    """Scripts, styles and pictures together: far under a megabyte, even before they are compressed."""
    assert sum(path.stat().st_size for path in (WEB / "static").iterdir()) < 100_000
