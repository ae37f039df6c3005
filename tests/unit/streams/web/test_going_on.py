"""What goes on is shown with the numbers of now, though its record says those of when it was told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from alerts.incident import encode_incident
from streams.web.capturing import Capturing
from tests.support.clock import ManualClock
from tests.support.live import Judging, Stage, told, windows_of


def shown(stage: Stage, **now: Any) -> dict[str, Any]:
    """The incident's record as an answer has it, the watcher having these numbers of it."""
    judging = Judging()
    judging.open_records = (encode_incident(told(**now)),)
    capturing = Capturing(judging, ManualClock(0))
    capturing.refresh(windows_of(3))
    assert capturing.picture is not None
    stage.picture = capturing.picture
    (incident,) = stage.sources.moment().incidents
    found: dict[str, Any] = msgspec.json.decode(incident.record)
    return found


def test_what_is_lost_grows_between_two_records() -> None:
    """The same revision: the numbers of now."""
    stage = Stage(3)
    stage.opens(revision=3, observed=10.0)
    assert shown(stage, id="i1", revision=3, observed=25.0)["observed"] == 25.0


@pytest.mark.parametrize(
    "now", [{"id": "i1", "revision": 4}, {"id": "i1", "revision": 2}, {"id": "i2", "revision": 3}]
)
def test_the_topic_has_the_word(now: dict[str, Any]) -> None:
    """Another revision is not told yet, or told over by now; and nobody is shown what was never told."""
    stage = Stage(3)
    stage.opens(revision=3, observed=10.0)
    assert shown(stage, observed=25.0, **now)["observed"] == 10.0


def test_who_does_not_watch_shows_what_was_told() -> None:
    """Without a picture there is the record."""
    stage = Stage(3)
    stage.opens(revision=3, observed=10.0)
    stage.picture = None
    (incident,) = stage.sources.moment().incidents
    assert msgspec.json.decode(incident.record)["observed"] == 10.0


def test_a_picture_is_as_it_was_taken() -> None:
    """The next one has other numbers, the one before keeps its own."""
    judging, windows = Judging(), windows_of(3)
    capturing = Capturing(judging, ManualClock(0))
    records = [encode_incident(told(id="i1", observed=observed)) for observed in (1.0, 2.0)]
    pictures = []
    for record in records:
        judging.open_records = (record,)
        capturing.refresh(windows)
        pictures.append(capturing.picture)
    first, second = (picture and replace(picture).going_on["i1"].record for picture in pictures)
    assert [first, second] == records
