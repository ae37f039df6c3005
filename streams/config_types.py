"""The kinds of value that a setting may have, each with a plain word for what is allowed."""

from __future__ import annotations

import math
import re
import zoneinfo
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, PlainValidator, StringConstraints
from pydantic_core import PydanticCustomError

from streams.config_errors import wrong
from streams.config_source import parse_flow
from streams.core.money import EXPONENTS
from streams.durations import format_duration, parse_duration_ms

if TYPE_CHECKING:
    from collections.abc import Container


def span(low: str, high: str) -> PlainValidator:
    """A duration from ``low`` to ``high``, both included."""
    return PlainValidator(lambda value: _duration_ms(value, low, high))


def span_or_default(low: str, high: str) -> PlainValidator:
    """Likewise, or ``default``, which is held as None: whoever is told has a default of his own."""

    def check(value: object) -> int | None:
        if value is None or value == "default":
            return None
        return _duration_ms(value, low, high, also=", or default")

    return PlainValidator(check)


def span_or_off(low: str, high: str) -> PlainValidator:
    """Likewise, or ``off``, which is held as None."""

    def check(value: object) -> int | None:
        if value is None or value is False or value == "off":
            return None
        return _duration_ms(value, low, high, also=", or off")

    return PlainValidator(check)


def _duration_ms(value: object, low: str, high: str, *, also: str = "") -> int:
    lowest, highest = parse_duration_ms(low), parse_duration_ms(high)
    try:
        span_ms = parse_duration_ms(value)
    except ValueError:
        span_ms = -1
    if not lowest <= span_ms <= highest:
        limits = f"{format_duration(lowest)} to {format_duration(highest)}"
        raise wrong(f"must be a duration from {limits}, such as 250ms, 5s, 10m or 1h{also}")
    return span_ms


def whole(lowest: int, highest: int) -> PlainValidator:
    """A whole number from ``lowest`` to ``highest``, both included; true and 5.0 are none."""

    def check(value: object) -> int:
        number = _whole_number(value)
        if number is None or not lowest <= number <= highest:
            raise wrong(f"must be a whole number from {lowest} to {highest}")
        return number

    return PlainValidator(check)


def whole_or_off(lowest: int, highest: int) -> PlainValidator:
    """Likewise, or ``off``, which is held as None."""

    def check(value: object) -> int | None:
        if value is None or value is False or value == "off":
            return None
        number = _whole_number(value)
        if number is None or not lowest <= number <= highest:
            raise wrong(f"must be a whole number from {lowest} to {highest}, or off")
        return number

    return PlainValidator(check)


def one_of(known: Container[str], allowed: str) -> PlainValidator:
    """One of the known words."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in known:
            raise wrong(f"must be {allowed}")
        return value

    return PlainValidator(check)


def one_of_or_off(known: Container[str], allowed: str) -> PlainValidator:
    """One of the known words, or ``off``, which is held as None."""

    def check(value: object) -> str | None:
        if value is None or value is False or value == "off":
            return None
        if not isinstance(value, str) or value not in known:
            raise wrong(f"must be {allowed}, or off")
        return value

    return PlainValidator(check)


def number(lowest: float, highest: float) -> PlainValidator:
    """A number from ``lowest`` to ``highest``, both included; true is none."""

    def check(value: object) -> float:
        amount = _number(value)
        if amount is None or not lowest <= amount <= highest:
            raise wrong(f"must be a number from {lowest:g} to {highest:g}")
        return amount

    return PlainValidator(check)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        amount = float(value)
    except (ValueError, OverflowError):
        return None
    return amount if math.isfinite(amount) else None


def _whole_number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def word(pattern: str, allowed: str) -> BeforeValidator:
    """Text that matches ``pattern`` whole."""
    shape = re.compile(pattern)

    def check(value: object) -> object:
        if isinstance(value, str) and not shape.fullmatch(value):
            raise wrong(allowed)
        return value

    return BeforeValidator(check)


def _from_text(value: object) -> object:
    """Lists and sections may come from an environment variable: ``a,b``, ``[a, b]``, ``{a: b}``."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith(("[", "{")):
        try:
            return parse_flow(value)
        except ValueError:
            raise wrong("must be YAML on one line, such as [a, b] or {a: b}") from None
    return [part.strip() for part in value.split(",") if part.strip()]


def listed(value: object) -> object:
    """A list that may have come as text, or the value as it is where it is neither."""
    try:
        return _from_text(value)
    except PydanticCustomError:
        return value


def _known_zone(name: str) -> str:
    if not is_zone(name):
        raise wrong("must be an IANA time zone, such as UTC or Asia/Shanghai")
    return name


def is_zone(name: object) -> bool:
    """Whether it is the name of a time zone."""
    try:
        return isinstance(name, str) and bool(zoneinfo.ZoneInfo(name))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False


FromText = BeforeValidator(_from_text)
# From a variable null comes as a word.
NullWord = BeforeValidator(lambda value: None if value == "null" else value)
Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]
ZoneName = Annotated[Text, AfterValidator(_known_zone)]
Server = Annotated[
    Text,
    word(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}", "must be host:port, such as kafka-1:9092"),
]
TopicName = Annotated[
    Text,
    word(
        r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}",
        "must be a topic name: up to 249 letters, digits, '.', '_' or '-'",
    ),
]
Name = Annotated[
    Text, word(r"[a-z][a-z0-9_]{0,63}", "must be a name: small letters, digits and '_', a letter first")
]
FieldPath = Annotated[
    Text, word(r"[^.\s]+(?:\.[^.\s]+)*", "must be a dotted path into the event, such as context.page.slot")
]
FormatName = Literal["native", "ga4", "segment", "snowplow", "sensorsdata", "cloudevents", "mapping"]
InnerFormat = Literal["native", "ga4", "segment", "snowplow", "sensorsdata", "mapping"]
WindowName = Literal["1m", "5m", "15m", "1h", "day"]
PartName = Literal["count", "watch", "notify"]
SeverityName = Literal["info", "warning", "critical"]
PhaseName = Literal["warmup", "open", "steady", "last_hour"]
Currency = Annotated[str, one_of(EXPONENTS, "an ISO 4217 code such as CNY")]
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
