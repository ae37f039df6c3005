"""Bad input: every record we know how to get wrong has its exact reason and field, in every format."""

from __future__ import annotations

import pytest

from streams.errors import RejectedRecord
from streams.events import Reason, Record
from streams.formats.registry import FORMAT_NAMES, create_format
from streams.funnel import Funnel
from tests.support.bad_records import VALID, BadRecord, bad_records, valid

FORMATS = {name: create_format(name, funnel=Funnel()) for name in FORMAT_NAMES}
BAD = list(bad_records())


def verdict(bad: BadRecord) -> tuple[object, object, str] | None:
    """What the record is rejected for, None if it is not."""
    try:
        FORMATS[bad.format].decode(bad.record)
    except RejectedRecord as error:
        return error.outcome, error.reason, error.field
    return None


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_a_bad_record_is_rejected_for_what_is_wrong_with_it(name: str) -> None:
    """Outcome, reason and field are those of the one thing that was changed."""
    wrong = {
        bad.case: (verdict(bad), (bad.outcome, bad.reason, bad.field))
        for bad in BAD
        if bad.format == name and verdict(bad) != (bad.outcome, bad.reason, bad.field)
    }
    assert wrong == {}


@pytest.mark.parametrize("of", VALID)
def test_the_records_that_bad_ones_are_made_of_are_fine(of: str) -> None:
    """So a verdict on a changed record is a verdict on the change."""
    name, _, node = of.partition(".")
    (event,) = FORMATS[name].decode(Record(0, 0, valid(of)))
    assert event.node == node


def test_every_reason_has_its_bad_records() -> None:
    """A reason that nothing can be rejected for would be dead; a new one must come with its bad record."""
    assert {bad.reason for bad in BAD} == set(Reason)


def test_a_rejection_shows_neither_value_nor_cause() -> None:
    """Payload stays out of exceptions, which end in logs: the parser's own error is cut off."""
    secret = b'{"event_id":"' + b"s3cret" * 50 + b'"}'
    with pytest.raises(RejectedRecord) as caught:
        FORMATS["segment"].decode(Record(0, 0, secret.replace(b"}", b',"type":5}')))
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("of", VALID)
def test_a_null_record_key_is_nothing_special(of: str) -> None:
    """Kafka's record key partitions; whether it is there does not change the event."""
    form = FORMATS[of.partition(".")[0]]
    assert form.decode(Record(0, 0, valid(of), None)) == form.decode(Record(0, 0, valid(of), b"v1"))
