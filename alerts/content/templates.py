"""Words of one's own: texts with names in them, in place of the built-in title, summary and lines. Pure.

A template is a text: its first line the title, the second the summary, the rest the lines of the message.
``$name`` or ``${name}`` stands for what is known, ``$$`` for the mark itself. An empty first or second line
leaves that to the built-in words, and a line of which nothing that it names is known is left out. Fields,
buttons and the picture stay as they are.

Promises: what goes in is text and what comes out is text, of bounded size, in time that grows with both;
there are no expressions, loops, calls or attributes, so nothing else can be reached. What is named and is
not known at all is an error before anything is sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from string import Template
from typing import TYPE_CHECKING, Final

import msgspec

from alerts.content.clean import harmless
from alerts.content.words import Labels
from alerts.content.writing import LANGUAGES, headline
from alerts.message import Language, MessageState
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alerts.message import Message

MAX_BYTES: Final = 16 * 1024
_MAX_LINES: Final = 40
_MAX_TITLE: Final = 240
_MAX_LINE: Final = 1_000
_MAX_VALUE: Final = 400
_OWN: Final = ("title", "summary", "state", "severity", "headline", "kind", "incident_id", "channel")
NAMES: Final = frozenset({*_OWN, *(one.name for one in fields(Labels))})
# For whatever has no template of its own.
DEFAULT: Final = "default"
_FILE: Final = re.compile(r"([a-z]+)(?:\.([a-z]+))?\.txt")


class TemplateFailed(ValueError):  # noqa: N818 - says what is the case
    """A template gave no title: the built-in words are to be said."""


@dataclass(frozen=True, slots=True)
class Templates:
    """See the module.

    Attributes:
        texts: by name of file: ``opened.txt``, ``opened.zh.txt``, ``default.txt``. The one of the state and the
            language goes first, then that of the state, of the language, and of neither.

    Raises:
        ConfigError: a name of a file or in a text that means nothing; says where.
    """

    texts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, text in self.texts.items():
            _check_name(name)
            _check_text(name, text)

    def word(self, message: Message) -> Message:
        """The message in these words; as it is where there are none for it.

        Raises:
            TemplateFailed: nothing is left of its title.
        """
        text = self._text(message.state, message.language)
        if text is None:
            return message
        known = _values(message)
        title, summary, *lines = [*text.splitlines(), "", ""][: max(2, len(text.splitlines()))]
        worded = (harmless(_filled(line, known), _MAX_LINE) for line in lines if _says(line, known))
        return msgspec.structs.replace(
            message,
            title=_line(title, known, _MAX_TITLE) or message.title,
            summary=_line(summary, known, _MAX_LINE) or message.summary,
            lines=tuple(worded),
        )

    def _text(self, state: MessageState, language: Language) -> str | None:
        for name in (f"{state}.{language}", state.value, f"{DEFAULT}.{language}", DEFAULT):
            text = self.texts.get(f"{name}.txt")
            if text is not None:
                return text
        return None


def _check_name(name: str) -> None:
    found = _FILE.fullmatch(name)
    states, languages = {DEFAULT, *MessageState}, {None, *Language}
    if found is None or found[1] not in states or found[2] not in languages:
        allowed = ", ".join([DEFAULT, *MessageState])
        raise _wrong(name, None, f"must be named STATE.txt or STATE.LANGUAGE.txt, STATE one of {allowed}")


def _check_text(name: str, text: str) -> None:
    lines = text.splitlines()
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES or len(lines) > _MAX_LINES:
        raise _wrong(name, None, f"must be at most {MAX_BYTES} bytes and {_MAX_LINES} lines")
    if not text.strip():
        raise _wrong(name, None, "must not be empty")
    for number, line in enumerate(lines, 1):
        template = Template(line)
        if not template.is_valid():
            raise _wrong(name, number, "has a $ that begins no name; write $$ for the mark itself")
        unknown = sorted(set(template.get_identifiers()) - NAMES)
        if unknown:
            raise _wrong(name, number, f"names ${unknown[0]}; there are {', '.join(sorted(NAMES))}")


def _wrong(name: str, line: int | None, what: str) -> ConfigError:
    place = name if line is None else f"{name}, line {line}"
    return ConfigError("notify.templates.folder", f"{harmless(place)}: {what}")


def _values(message: Message) -> dict[str, str]:
    """What is known, by name; all of it harmless to read, and bounded."""
    words = LANGUAGES[message.language]
    found = {
        "title": message.title,
        "summary": message.summary,
        "state": words.states[message.state],
        "severity": words.severities[message.severity],
        "incident_id": message.incident_id or "",
        "channel": message.channel,
    }
    if message.incident_id is not None and message.incidents:
        incident = message.incidents[0]
        found |= {"headline": headline(incident, words), "kind": words.kinds[incident.kind]}
    labels = {getattr(words.labels, one.name): one.name for one in fields(Labels)}
    found |= {labels[one.label]: one.value for one in message.fields if one.label in labels}
    return {name: harmless(value, _MAX_VALUE) for name, value in found.items() if value}


def _filled(line: str, known: Mapping[str, str]) -> str:
    return Template(line).substitute({name: known.get(name, "") for name in NAMES})


def _says(line: str, known: Mapping[str, str]) -> bool:
    """Whether it has words, and something that it names is known if it names anything."""
    names: Iterable[str] = Template(line).get_identifiers()
    return bool(line.strip()) and (not names or any(name in known for name in names))


def _line(line: str, known: Mapping[str, str], limit: int) -> str:
    """One line; empty where the built-in words are wanted."""
    if not line.strip():
        return ""
    filled = _filled(line, known)
    if not filled.strip():
        raise TemplateFailed("nothing is left of a line")
    return harmless(filled, limit)
