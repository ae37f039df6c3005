"""One line per decision, on stderr: JSON when a machine reads it, plain text on a terminal.

The text of a line is constant, what varies comes as fields::

    logger.info("flush written", extra={"topic": topic, "partition": 3, "records": 512})

Secrets never come out: the values of every secret setting are masked wherever they appear, and so
are fields whose name says that they are secret.
"""

from __future__ import annotations

import json
import logging
import logging.config
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, SecretStr

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.config import Settings

MASK: Final = "**********"
_SECRET_NAMES: Final = ("password", "secret", "token", "authorization", "api_key")
# Shorter than this, masking would blacken innocent text and protect nothing.
_SHORTEST_SECRET: Final = 4
_OWN_FIELDS: Final = frozenset({"time", "level", "logger", "event"})
# What the logging module itself puts on a record; everything else came as a field.
_RECORD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
# Chatty below this level; DEBUG opens them.
_QUIET: Final = ("aiokafka", "aiohttp.access", "asyncio")


def logging_config(settings: Settings, *, terminal: bool | None = None) -> dict[str, Any]:
    """A :func:`logging.config.dictConfig` for the whole process, as Faust takes it.

    ``terminal`` says whether a person reads stderr (default: whether it is a terminal); it decides
    only when the setting is ``auto``.
    """
    choice = settings.logging.json_lines
    at_terminal = sys.stderr.isatty() if terminal is None else terminal
    as_json = choice == "on" or (choice == "auto" and not at_terminal)
    level = settings.logging.level
    quiet = level if level == "DEBUG" else "WARNING"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {"()": JsonLines if as_json else PlainLines, "secrets": tuple(secrets_in(settings))}
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "lines",
            }
        },
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {name: {"level": quiet} for name in _QUIET},
    }


def configure(settings: Settings) -> None:
    """Set up the process's logging."""
    logging.config.dictConfig(logging_config(settings))


def secrets_in(section: BaseModel) -> Iterator[SecretStr]:
    """Every secret that is set in this part of the settings."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, SecretStr) and value.get_secret_value():
            yield value
        elif isinstance(value, BaseModel):
            yield from secrets_in(value)


class _Lines(logging.Formatter):
    """What both formats share: the fields of a record, and masking."""

    def __init__(self, secrets: Sequence[SecretStr] = ()) -> None:
        super().__init__()
        values = {secret.get_secret_value() for secret in secrets}
        plain = {value for value in values if len(value) >= _SHORTEST_SECRET}
        escaped = {form for text in plain for form in _escaped_forms(text)}
        # The longest first, so that a secret inside another leaves no rest.
        self._secrets = sorted(plain | escaped, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        return self.mask(self.render(record))

    def mask(self, text: str) -> str:
        """The text without any secret of the settings, also where it stands escaped."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text

    def plain(self, value: object) -> str:
        """A value as text; masked before it is escaped a second time."""
        return self.mask(str(value))

    def render(self, record: logging.LogRecord) -> str:
        """The line, not yet masked."""
        raise NotImplementedError

    def trace(self, record: logging.LogRecord) -> str:
        """The exception's traceback, or an empty string."""
        return self.formatException(record.exc_info) if record.exc_info else ""


class JsonLines(_Lines):
    """One JSON object per line: ``time`` (UTC, ms), ``level``, ``logger``, ``event``, fields."""

    def render(self, record: logging.LogRecord) -> str:
        """One object; it stays one line whatever the fields hold."""
        line: dict[str, object] = {
            "time": _utc(record).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update(_fields(record))
        if trace := self.trace(record):
            line["traceback"] = trace
        return json.dumps(line, ensure_ascii=False, default=self.plain, skipkeys=True)


class PlainLines(_Lines):
    """For a person: time, level, event, then ``key=value``."""

    def render(self, record: logging.LogRecord) -> str:
        """One line, plus the traceback if there is one."""
        fields = "".join(f" {name}={_readable(self.plain(value))}" for name, value in _fields(record).items())
        clock = _utc(record).strftime("%H:%M:%S.%f")[:-3]
        line = f"{clock} {record.levelname:<7} {record.name}: {record.getMessage()}{fields}"
        trace = self.trace(record)
        return _harmless(f"{line}\n{trace}" if trace else line)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, value in vars(record).items():
        if name not in _RECORD_FIELDS:
            secret = any(part in name.lower() for part in _SECRET_NAMES)
            # A field must not pose as the line's own time, level, logger or event.
            fields[f"{name}_" if name in _OWN_FIELDS else name] = MASK if secret else value
    return fields


def _utc(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, tz=UTC)


def _escaped_forms(text: str) -> tuple[str, ...]:
    forms = (json.dumps(text), json.dumps(text, ensure_ascii=False), repr(text))
    return tuple(form[1:-1] for form in forms)


def _readable(text: str) -> str:
    """Text as it stands unless it could break the line."""
    return text if text.isprintable() and " " not in text else json.dumps(text)


def _harmless(text: str) -> str:
    """Without what moves a terminal's cursor or turns its text around."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else f"\\u{ord(char):04x}" for char in text)
