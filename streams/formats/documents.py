"""From the bytes of a record to a JSON document, with a reason for every way in which that can fail.

Promises that nothing but :class:`streams.errors.RejectedRecord` comes out, whatever the bytes, and that the verdict is
the same in every process: nesting is held to a fixed depth before a parser recurses, UTF-8 is checked also in fields
that no one reads. Refuses to interpret the document; that is the formats' work.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from streams.errors import RejectedRecord
from streams.events import MAX_RECORD_BYTES, Outcome, Reason
from streams.formats.fields import invalid, key
from streams.heartbeats import is_heartbeat

if TYPE_CHECKING:
    from collections.abc import Sequence

# Fixed, so that what is too deep depends neither on the interpreter nor on how deep the caller stands.
MAX_NESTING: Final = 128
NULL: Final = msgspec.Raw(b"null")

_JSON_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_DEPTH_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_ERROR_PLACE = re.compile(r" - at `\$(.*)`$")
_MISSING_NAME = re.compile(r"missing required field `([^`]*)`")
_OUT_OF_RANGE = {"price": Reason.PRICE_TOO_LARGE, "quantity": Reason.BAD_QUANTITY}
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_SCALAR = msgspec.json.Decoder(str | int | None)

T = TypeVar("T")


def unmapped(field: str) -> RejectedRecord:
    """Build the error for a record whose event name, in ``field``, belongs to no node."""
    return RejectedRecord(Outcome.UNMAPPED, Reason.UNKNOWN_EVENT, field)


def check_size(value: bytes | None) -> bytes:
    """Return the value of a record unless it is a tombstone, over 64 KiB, or a heartbeat."""
    if value is None:
        raise invalid(Reason.TOMBSTONE)
    if len(value) > MAX_RECORD_BYTES:
        raise invalid(Reason.RECORD_TOO_LARGE)
    if is_heartbeat(value):
        raise RejectedRecord(Outcome.HEARTBEAT, Reason.UNKNOWN_EVENT, "event")
    return value


def check_utf8(value: bytes) -> None:
    """Reject bytes that are not UTF-8."""
    if value.isascii():
        return
    try:
        value.decode()
    except UnicodeDecodeError:
        raise invalid(Reason.NOT_UTF8) from None


def check_nesting(value: bytes) -> None:
    """Reject JSON nested deeper than :data:`MAX_NESTING`; brackets inside strings are no nesting."""
    if value.count(b"[") + value.count(b"{") <= MAX_NESTING:
        return
    brackets = _JSON_STRING.sub(b"", value).translate(None, _NOT_BRACKETS)
    if max(accumulate(map(_DEPTH_STEP.__getitem__, brackets)), default=0) > MAX_NESTING:
        raise invalid(Reason.NESTING_TOO_DEEP)


def check_document(value: bytes | None) -> bytes:
    """Return the value of a record that a JSON parser may be let loose on."""
    document = check_size(value)
    check_utf8(document)
    check_nesting(document)
    return document


def read_json(decoder: msgspec.json.Decoder[T], document: bytes | msgspec.Raw, under: str = "") -> T:
    """Decode a checked document or a piece of one, turning every way to fail into its reason."""
    try:
        return decoder.decode(document)
    except msgspec.ValidationError as error:
        raise _explain(str(error), under) from None
    except msgspec.DecodeError:
        raise invalid(Reason.NOT_JSON, under) from None


def _explain(message: str, under: str) -> RejectedRecord:
    """Read reason and field out of msgspec's message, the only place where it names them."""
    place = _ERROR_PLACE.search(message)
    # A key of a free-form object is shown as [...]; what stands before it is still exact.
    field = f"{under}{place[1] if place else ''}".split("[...]", 1)[0].lstrip(".")
    missing = _MISSING_NAME.search(message)
    if missing:
        return invalid(Reason.MISSING_FIELD, f"{field}.{missing[1]}".lstrip("."))
    if "out of range" in message:
        return invalid(_OUT_OF_RANGE.get(field.rpartition(".")[2], Reason.WRONG_TYPE), field)
    return invalid(Reason.WRONG_TYPE, field)


class ExtraFields:
    """Reads the values of the configured extra dimensions, in their order.

    Args:
        paths: dotted paths, one per extra dimension.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = [tuple(path.split(".")) for path in paths]

    def read(self, *places: tuple[bytes | msgspec.Raw, str]) -> tuple[str | None, ...]:
        """Return one key or None per path.

        Args:
            places: JSON objects to look in, the first that has a value wins; each with where it stands in the record.
        """
        return tuple(self._first(path, places) for path in self._paths)

    def _first(self, path: tuple[str, ...], places: Sequence[tuple[bytes | msgspec.Raw, str]]) -> str | None:
        for document, under in places:
            raw, field = document, under
            for name in path:
                found = read_json(_OBJECT, raw, field)
                raw = found.get(name, NULL) if found else NULL
                field = f"{field}.{name}" if field else name
            value = key(read_json(_SCALAR, raw, field), field)
            if value is not None:
                return value
        return None
