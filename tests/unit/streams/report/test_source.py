"""What a report reads: which times of Kafka, and which record of an incident."""

from __future__ import annotations

from alerts.incident import encode_incident
from alerts.model import State
from streams.events import Record
from streams.report.source import newest, ranges_of
from tests.support.reported import D9, D11, DAY, HOUR, MINUTE, gathering_of, incident

QUARTER = 15 * MINUTE


def test_ranges_are_of_what_is_looked_at() -> None:
    """A week before, the last promotion, the evening before, and the promotion up to now."""
    now_ms = D11.end_ms + 2 * HOUR
    week, last, evening, own = ranges_of(gathering_of().outline, now_ms)
    assert week.start_ms == D11.begins_ms - 7 * DAY - QUARTER
    assert last == (D9.begins_ms - QUARTER, D9.end_ms + HOUR)
    assert evening == (D11.begins_ms - DAY - QUARTER, D11.end_ms - DAY + HOUR)
    assert own == (D11.begins_ms - QUARTER, now_ms)


def test_ranges_do_not_overlap_and_end_now() -> None:
    """What is read twice would count twice; of a sale that runs there is nothing yet beyond now."""
    ranges = ranges_of(gathering_of().outline, D11.begins_ms + MINUTE)
    assert ranges[-1].end_ms == D11.begins_ms + MINUTE
    edges = [edge for times in ranges for edge in times]
    assert edges == sorted(edges)


def test_an_incident_is_its_newest_record() -> None:
    """Whatever is no incident, or of another version, is passed over."""
    records = [
        Record(0, 0, encode_incident(incident(1, state=State.FIRING, resolved_at_ms=None))),
        Record(1, 0, encode_incident(incident(1, revision=3))),
        Record(2, 0, encode_incident(incident(1, revision=2))),
        Record(3, 0, encode_incident(incident(2))),
        Record(4, 0, b'{"version": 99}'),
        Record(5, 0, b"rubbish"),
        Record(6, 0, None),
    ]
    found = newest([records[:3], records[3:]])
    assert [(one.id, one.revision, one.state) for one in found] == [
        ("i1", 3, State.RESOLVED),
        ("i2", 1, State.RESOLVED),
    ]
