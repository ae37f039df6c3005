"""Heartbeat records: the same in every format, and nothing else is one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from streams.core.rows import Rejected
from streams.core.vocabulary import Vocabulary
from streams.errors import ConfigError, RejectedRecord
from streams.events import Outcome, Record, RecordBatch
from streams.formats.columns import create_columns
from streams.formats.event_columns import EventColumns
from streams.formats.ga4 import Ga4Format
from streams.formats.keys import key_objection
from streams.formats.native import NativeFormat
from streams.formats.segment import SegmentFormat
from streams.funnel import Funnel
from streams.heartbeats import HEARTBEAT_EVENT, encode_heartbeat, heartbeats_in, is_heartbeat
from tests.support.builders import T0, click

BEAT = encode_heartbeat(T0)
FUNNEL = Funnel()
NATIVE = NativeFormat(funnel=FUNNEL)
FORMS = [NATIVE, Ga4Format(funnel=FUNNEL), SegmentFormat(funnel=FUNNEL)]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: str(form.name))
def test_every_format_knows_it(form: NativeFormat) -> None:
    """It is turned away as what it is, before anything else is asked of it."""
    with pytest.raises(RejectedRecord) as caught:
        form.decode(Record(0, T0, BEAT))
    assert caught.value.outcome is Outcome.HEARTBEAT


@pytest.mark.parametrize("columns", [create_columns, EventColumns])
def test_columns_pass_it_over(columns: type[EventColumns]) -> None:
    """In either decoder: no row, an outcome, and no reason to complain."""
    batch = RecordBatch.of([Record(n, T0, value) for n, value in enumerate((click(), BEAT, click(t=1)))])
    decoded = columns(NATIVE, Vocabulary(FUNNEL, key_objection)).decode(batch)
    assert np.array_equal(decoded.rows.record, [0, 2])
    assert decoded.rejected == [Rejected(1, Outcome.HEARTBEAT, None, "event")]


@pytest.mark.parametrize(
    "value", [None, b"", BEAT + b" ", BEAT[:-1], BEAT.replace(b"}", b',"event":"click"}')]
)
def test_nothing_else_is_one(value: bytes | None) -> None:
    """To the last byte: what says more is an event, or none."""
    assert not is_heartbeat(value)
    assert heartbeats_in([value, BEAT, None]) == [1]


def test_an_older_build_finds_an_event_without_a_node() -> None:
    """All that a native event needs is in it, so it is unmapped there and not rubbish."""
    document = json.loads(BEAT)
    assert document == {
        "event": HEARTBEAT_EVENT,
        "event_id": str(T0),
        "event_time": T0,
        "visitor_id": "funnelwatch",
    }


def test_nobody_gives_it_a_node() -> None:
    """The name is ours."""
    with pytest.raises(ConfigError, match=HEARTBEAT_EVENT):
        NativeFormat(funnel=FUNNEL, events={HEARTBEAT_EVENT: "click"})
