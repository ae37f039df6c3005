"""Words of one's own: text in, text out, of bounded size; what means nothing is said before it is needed."""

from __future__ import annotations

import unicodedata
from dataclasses import fields
from zoneinfo import ZoneInfo

import msgspec
import pytest

from alerts.content.templates import NAMES, TemplateFailed, Templates
from alerts.content.words import Labels
from alerts.content.writing import LANGUAGES, WritingSettings
from alerts.message import Language, Message
from alerts.notify.samples import Sample, sample
from streams.errors import ConfigError

WORDS = WritingSettings(ZoneInfo("UTC"))


def message(kind: Sample = Sample.OPENED, language: Language = Language.EN) -> Message:
    """A message to ``ops``."""
    return sample(kind, "ops", language, WORDS, 1_762_689_605_000)


def worded(text: str, name: str = "default.txt", **which: object) -> Message:
    """The message in the words of one template."""
    return Templates({name: text}).word(message(**which))  # type: ignore[arg-type]  # kind and language


def test_title_summary_and_lines() -> None:
    """In this order; everything that has no words there stays as it was."""
    text = "$severity at $where\n$observed of $expected\nCall the duty manager.\n\nIt costs $lost_money."
    found, before = worded(text), message()
    assert found.title == "warning at slot home.top.1"
    assert found.summary == "151 of 300"
    assert found.lines[0] == "Call the duty manager."
    assert found.lines[1].startswith("It costs CNY 18,923.00")
    kept = {"title": "", "summary": "", "lines": ()}
    assert msgspec.structs.replace(found, **kept) == msgspec.structs.replace(before, **kept)


def test_empty_lines_leave_it_to_the_built_in_words() -> None:
    """Only the summary is one's own here."""
    found = worded("\nRing $channel")
    assert (found.title, found.summary, found.lines) == (message().title, "Ring ops", ())


def test_what_is_not_known_is_not_said() -> None:
    """A line that names only what is not known is left out; one that names something known stays."""
    found = worded("$title\n$summary\nTaken by $acknowledged.\n$acknowledged for $promotion\n$$ 5")
    assert found.lines == ("for D11, opening", "$ 5")


def test_the_closest_template_goes_first() -> None:
    """State and language, state, language, neither."""
    texts = {"default.txt": "any", "default.zh.txt": "zh", "worse.txt": "worse", "worse.zh.txt": "worse zh"}
    templates = Templates(texts)
    found = {
        (kind, language): templates.word(message(kind, language)).title
        for kind in (Sample.OPENED, Sample.WORSE)
        for language in Language
    }
    assert list(found.values()) == ["any", "zh", "worse", "worse zh"]
    assert Templates({"worse.txt": "worse"}).word(message()) == message()


@pytest.mark.parametrize("kind", Sample)
@pytest.mark.parametrize("language", Language)
def test_every_name_may_stand_anywhere(kind: Sample, language: Language) -> None:
    """All of them in every message, digests and meta-alerts too."""
    everything = " ".join(f"${{{name}}}" for name in sorted(NAMES))
    found = worded(f"x {everything}\n{everything}\n{everything}", kind=kind, language=language)
    assert "$" not in found.title + found.summary + "".join(found.lines)
    assert len(found.title) <= 240


@pytest.mark.parametrize("language", Language)
def test_every_field_has_its_name(language: Language) -> None:
    """No two labels of a language are the same words: else one name would stand for the other."""
    labels = LANGUAGES[language].labels
    assert len({getattr(labels, one.name) for one in fields(Labels)}) == len(fields(Labels))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("opened.txt", "a\n$nonsense", r"opened\.txt, line 2: names \$nonsense; there are acknowledged, .*"),
        ("opened.txt", "costs 5$", r"opened\.txt, line 1: has a \$ that begins no name"),
        ("opened.txt", "${where.__class__}", "has a"),
        ("opened.txt", " \n ", "must not be empty"),
        ("opened.txt", "a\n" * 41, "40 lines"),
        ("opened.txt", "a" * 17_000, "16384 bytes"),
        ("open.txt", "a", "open.txt: must be named STATE.txt"),
        ("opened.fr.txt", "a", "must be named"),
        ("../opened.txt", "a", "must be named"),
    ],
)
def test_what_means_nothing_is_said_where(name: str, text: str, said: str) -> None:
    """File and line, when it is loaded and not when something burns."""
    with pytest.raises(ConfigError, match=said):
        Templates({name: text})


def test_a_title_of_nothing_fails() -> None:
    """It names only what this message does not know: whoever sends says the built-in words."""
    with pytest.raises(TemplateFailed):
        worded("$acknowledged")


def test_values_are_text_and_nothing_else() -> None:
    """A shop's names are not read again as a template, and bring in no line and no direction of writing."""
    evil = msgspec.structs.replace(message(), title="$severity ${where}\n\u202egnp", channel="$title")
    found = Templates({"default.txt": "$title\n$channel"}).word(evil)
    assert (found.title, found.summary) == ("$severity ${where} gnp", "$title")


def test_it_is_bounded() -> None:
    """As large a template as may be, full of the longest value."""
    large = msgspec.structs.replace(message(), title="x" * 100_000)
    found = Templates({"default.txt": "\n".join(["$title" * 60] * 40)}).word(large)
    assert len(found.title) <= 240
    assert len(found.lines) <= 38
    assert max(map(len, found.lines)) <= 1_000
    assert all(unicodedata.category(char) != "Cc" for char in found.title)
