"""The record of an incident: what is written is what the schema says, and what is read back."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

import alerts
from alerts.control import Ack, Silence
from alerts.incident import (
    Incident,
    decode_incident,
    encode_incident,
    ratio_interval,
    record_of,
    rfc3339,
)
from alerts.lifecycle import Lifecycle
from alerts.model import EVERYWHERE, Contributor, DataState, Diagnosis, Kind, Place, Reason, Severity, State
from streams.errors import CodecError
from tests.support.findings import PAIR, SLOT, at, recovered, rooted

SCHEMA: dict[str, Any] = json.loads(
    (Path(alerts.__file__).parent / "schema" / "incident-v1.json").read_text(encoding="utf-8")
)
DIAGNOSIS = Diagnosis(
    contributors=(Contributor(SLOT, 1.0, 2.0, 0.5),),
    rate_share=0.9,
    decomposition={"traffic": -3},
    ruled_out=("mix",),
    folded=4,
)
FULL = rooted(
    diagnosis=DIAGNOSIS, lost_minor=995, currency="CNY", promotion="D11", phase="open", severity=Severity.INFO
)


def life() -> list[Incident]:
    """Every record of a full life, and of findings with nothing in them."""
    lifecycle = Lifecycle()
    changes = [
        *lifecycle.fold([FULL], [], at(1)),
        *lifecycle.fold([rooted(scope=PAIR[:1])], [], at(2)),
        *lifecycle.fold([rooted(scope=EVERYWHERE)], [], at(3), DataState()),
        *lifecycle.fold([], [], at(4), DataState(bad=frozenset({"orders"}))),
        *lifecycle.fold([], [], at(5)),
        *lifecycle.control(Silence(id="s", by="li", ends_ms=at(99))),
        *lifecycle.control(Ack(lifecycle.incidents[0].id, "li", at(5))),
        *lifecycle.fold([], [recovered(scope=EVERYWHERE)], at(6)),
        *lifecycle.fold([rooted(scope=EVERYWHERE)], [], at(7)),
    ]
    empty = {"observed": 0, "expected": 0, "entries": 0, "evidence": 0, "one_in_ms": math.inf}
    kinds = [rooted(kind, (Place("slot", kind),), step=None, **empty) for kind in Kind]
    return [change.incident for change in (*changes, *lifecycle.fold(kinds, [], at(8)))]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """Of the committed schema, which is one."""
    Draft202012Validator.check_schema(SCHEMA)
    return Draft202012Validator(SCHEMA)


def test_every_record_of_a_life_is_as_the_schema_says(validator: Draft202012Validator) -> None:
    """All reasons of a life and all kinds are among them."""
    incidents = life()
    assert {incident.kind for incident in incidents} == set(Kind)
    assert {i.reason for i in incidents} >= {
        Reason.OPENED,
        Reason.WIDER,
        Reason.MERGED,
        Reason.HELD,
        Reason.REOPENED,
    }
    for incident in incidents:
        validator.validate(json.loads(encode_incident(incident)))


def test_the_schema_has_every_field_and_every_word(validator: Draft202012Validator) -> None:
    """None is missing on either side, and a wrong word is refused."""
    record = record_of(life()[0])
    properties = SCHEMA["properties"]
    assert set(record) == set(properties) == set(SCHEMA["required"])
    for name, words in (("kind", Kind), ("severity", Severity), ("reason", Reason)):
        assert properties[name]["enum"] == [word.value for word in words]
    assert properties["state"]["enum"] == [s.value for s in State if s is not State.PENDING]
    with pytest.raises(ValidationError):
        validator.validate(json.loads(json.dumps(record)) | {"kind": "odd"})


def test_what_is_written_is_read_back() -> None:
    """Exactly, though every time stands there twice."""
    for incident in life():
        assert decode_incident(encode_incident(incident)) == incident


def test_times_stand_there_twice() -> None:
    """As ms and as RFC 3339, to the millisecond."""
    record = record_of(life()[0])
    assert record["opened_at"] == rfc3339(record["opened_at_ms"]) == "2025-11-09T12:00:10.000Z"
    assert rfc3339(1_762_689_603_125) == "2025-11-09T12:00:03.125Z"
    assert record["resolved_at"] is None


def test_fields_of_a_later_build_are_skipped() -> None:
    """Fields may be added within a version."""
    incident = life()[0]
    record = json.loads(encode_incident(incident)) | {"mood": "bad"}
    assert decode_incident(json.dumps(record).encode()) == incident


@pytest.mark.parametrize("version", [2, 0, "1", None, True, 1.5])
def test_another_version_is_refused(version: object) -> None:
    """And the error says which this build reads."""
    record = json.loads(encode_incident(life()[0])) | {"version": version}
    with pytest.raises(CodecError, match="reads version 1"):
        decode_incident(json.dumps(record).encode())


@pytest.mark.parametrize(
    "data", [None, b"", b"{", b"\xff", b"[]", b'{"version": 1}', b'{"version": 1, "id": 7}']
)
def test_what_is_no_incident_is_refused(data: bytes | None) -> None:
    """With one kind of error, whose text holds nothing of the data."""
    with pytest.raises(CodecError):
        decode_incident(data)


def test_numbers_that_are_not_finite_are_null() -> None:
    """JSON has none."""
    record = json.loads(encode_incident(life()[-1]))
    assert record["ratio"] is None
    assert record["one_in_ms"] is None


@pytest.mark.parametrize(
    ("observed", "low", "high"),
    [(0, 0.0, 3.689), (2, 0.242, 7.225), (10, 4.795, 18.390), (100, 81.36, 121.63)],
)
def test_the_interval_of_a_count(observed: int, low: float, high: float) -> None:
    """Garwood's exact 95 % limits, as tabled, to 1 % (and 0.03)."""
    interval = ratio_interval(observed, 1.0)
    assert interval is not None
    assert interval[0] == pytest.approx(low, rel=0.01, abs=0.03)
    assert interval[1] == pytest.approx(high, rel=0.015, abs=0.03)
    assert ratio_interval(3, 0.0) is None
