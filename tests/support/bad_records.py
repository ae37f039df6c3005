"""Every way we know to get a record wrong, in every input format, with the verdict it must get.

A bad record is a valid one (``tests/fixtures/formats/valid.json``) with exactly one thing changed, so the verdict can
only come from that. ``mapping`` is read with its default paths, ``cloudevents`` holds native data.
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.events import Outcome, Reason, Record
from tests.support.bad_fields import ABSENT, BYTES, FIELDS, OWN, SHARED, VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterator

VALID: Final[dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "formats" / "valid.json").read_text(encoding="utf-8")
)
FORMATS: Final = ("native", "ga4", "segment", "snowplow", "sensorsdata", "cloudevents", "mapping")
_OF_AN_ORDER: Final = ("order", "currency", "lines", "line_sku", "line_price", "line_quantity")
# Texts that no JSON writer makes, in the place of the price of a line.
_UNWRITABLE: Final = [
    *((literal, Reason.NOT_JSON) for literal in ("NaN", "Infinity", "-Infinity", "01", "0x10", ".5", "5.")),
    ("1e400", Reason.PRICE_TOO_LARGE),
    ("9" * 400, Reason.PRICE_TOO_LARGE),
]


class BadRecord(NamedTuple):
    """A record, the format it claims to be in, and what it must be turned away for."""

    format: str
    case: str
    record: Record
    outcome: Outcome
    reason: Reason
    field: str


def bad_records() -> Iterator[BadRecord]:
    """All of them, by format."""
    for name in FORMATS:
        for case, value, reason in BYTES:
            yield BadRecord(name, case, Record(0, 0, value), Outcome.INVALID, reason, "")
        yield from _shared(name)
    for change in OWN:
        headers = tuple((key, text.encode()) for key, text in change.headers.items() if text)
        record = Record(0, 0, changed(change.of, change.put), None, headers)
        name = change.of.partition(".")[0]
        yield BadRecord(name, change.case, record, change.outcome, change.reason, change.field)


def valid(of: str) -> bytes:
    """A record that can be counted, e.g. ``ga4.click``."""
    return changed(of, {})


def changed(of: str, put: dict[str, Any]) -> bytes:
    """A valid record with other values at some paths, or without them (``ABSENT``)."""
    document = copy.deepcopy(VALID[of])
    for path, value in put.items():
        *above, last = path.split(".")
        part: Any = document
        for step in above:
            part = part[int(step) if isinstance(part, list) else step]
        if value is ABSENT:
            del part[last]
        else:
            part[int(last) if isinstance(part, list) else last] = value
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _shared(name: str) -> Iterator[BadRecord]:
    for what, path in FIELDS.get(name, {}).items():
        of = f"{name}.paid" if what in _OF_AN_ORDER else f"{name}.click"
        wrong = SHARED[what] + (VENDORS.get(what, []) if name != "native" else [])
        for value, reason in wrong:
            case = f"{what} {'absent' if value is ABSENT else ascii(value)[:40]}"
            record = Record(0, 0, changed(of, {path: value}))
            yield BadRecord(name, case, record, Outcome.INVALID, reason, _field(path))
        if what == "name":
            record = Record(0, 0, changed(of, {path: "MadeUp"}))
            yield BadRecord(name, "unknown", record, Outcome.UNMAPPED, Reason.UNKNOWN_EVENT, _field(path))
        if what == "line_price":
            yield from _unwritable(name, of, path)


def _unwritable(name: str, of: str, path: str) -> Iterator[BadRecord]:
    value = changed(of, {path: "@"})
    for literal, reason in _UNWRITABLE[
        : -1 if name == "native" else None
    ]:  # there, 999 is the wrong type already
        record = Record(0, 0, value.replace(b'"@"', literal.encode()))
        field = "" if reason is Reason.NOT_JSON else _field(path)
        yield BadRecord(name, f"price {literal[:12]}", record, Outcome.INVALID, reason, field)
    record = Record(0, 0, valid(of) + b"{}")
    yield BadRecord(name, "something behind the end", record, Outcome.INVALID, Reason.NOT_JSON, "")


def _field(path: str) -> str:
    """``a.0.b`` as errors write it: ``a[0].b``."""
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", path)
