"""Secrets: a type that does not show what it holds, read from the environment or a file and nowhere else.

Webhook addresses are secrets too: whoever knows one may write to the chat. Refuses to be pickled, formatted
or encoded; :meth:`Secret.reveal` is the only way in, and is called where a request is built or sent.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import quote, unquote, urlsplit

from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MASK: Final = "**********"
MAX_BYTES: Final = 16 * 1024
# Of an address: shorter parts are words of the vendor's, and masking them would blacken innocent text.
_SHORTEST_PART: Final = 6
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Secret:
    """Text that nobody sees by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """What it holds."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self._value), _bytes(other._value))

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written down")


def read_secret(
    field: str,
    *,
    env: str | None,
    file: str | None,
    environ: Mapping[str, str],
    base: Path,
) -> Secret | None:
    """The secret that a setting names, or None where it names none.

    Args:
        field: dotted path of the setting, for errors.
        env: name of the variable that holds it.
        file: path of the file that holds it, relative to ``base``.
        environ: the variables.
        base: folder of the settings.

    Raises:
        ConfigError: both are given, or what is named is not there, empty, too long or of several lines.
    """
    if env and file:
        raise ConfigError(f"{field}_file", f"must not stand beside {field}_env: give one of them")
    if env:
        return _checked(f"{field}_env", environ.get(env, ""), f"needs the environment variable {env}")
    if file:
        return _checked(f"{field}_file", _text(base / file), "must be a file with the secret, in UTF-8")
    return None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        return raw.decode("utf-8") if len(raw) <= MAX_BYTES else ""
    except (OSError, ValueError):
        return ""


def _checked(field: str, text: str, missing: str) -> Secret:
    value = text.strip()
    if not value:
        raise ConfigError(field, missing)
    if _CONTROL.search(value) or len(_bytes(value)) > MAX_BYTES:
        raise ConfigError(field, "must be one line of at most 16 KiB, without control characters")
    return Secret(value)


def scrub(text: str, secrets: Iterable[Secret]) -> str:
    """The text with every secret masked, also as parts of an address and percent-encoded."""
    parts = {part for secret in secrets for part in _parts(secret.reveal())}
    # The longest first: a part must not break up the whole.
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, MASK)
    return text


def _parts(value: str) -> Iterable[str]:
    found = {value}
    if "://" in value:
        found |= {part for part in _address_parts(value) if len(part) >= _SHORTEST_PART}
    return (found | {unquote(part) for part in found} | {quote(part, safe="") for part in found}) - {""}


def _address_parts(value: str) -> set[str]:
    _, _, rest = value.partition("://")
    try:
        split = urlsplit(value)
    except ValueError:
        return {rest}
    user, _, _ = split.netloc.rpartition("@")
    queries = [pair.partition("=")[2] for pair in split.query.split("&")]
    return {rest, split.path, split.query, *user.split(":"), *split.path.split("/"), *queries}


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
