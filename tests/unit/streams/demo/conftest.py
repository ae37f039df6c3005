"""One simulated half hour that several suites look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from streams.demo.simulator import TrafficSettings, simulate
from streams.errors import RejectedRecord
from streams.events import Record
from streams.formats.native import NativeFormat
from streams.funnel import Funnel

if TYPE_CHECKING:
    from streams.demo.simulator import SimulatedRecord
    from streams.events import Event

START_MS = 1_762_689_600_000


@dataclass(frozen=True, slots=True)
class Sample:
    """Records beside the event that each is, or beside why it is none."""

    settings: TrafficSettings
    records: list[SimulatedRecord]
    read: list[tuple[SimulatedRecord, Event]]
    refused: list[tuple[SimulatedRecord, RejectedRecord]]

    def of(self, *nodes: str) -> list[tuple[SimulatedRecord, Event]]:
        """The events of these nodes, each once."""
        first: dict[str, tuple[SimulatedRecord, Event]] = {}
        for record, event in self.read:
            if event.node in nodes:
                first.setdefault(event.event_id, (record, event))
        return list(first.values())


def read(settings: TrafficSettings) -> Sample:
    """Simulates, and decodes every record as a worker would."""
    decode = NativeFormat(funnel=Funnel()).decode
    sample = Sample(settings, list(simulate(settings)), [], [])
    for offset, record in enumerate(sample.records):
        try:
            events = decode(Record(offset, record.arrival_ms, record.value, record.key))
        except RejectedRecord as error:
            sample.refused.append((record, error))
        else:
            sample.read.append((record, events[0]))
    return sample


@pytest.fixture(scope="session")
def half_hour() -> Sample:
    """Default traffic with more defects than usual, so that each is seen often enough."""
    return read(
        TrafficSettings(
            start_ms=START_MS, rate=60, duration_ms=1_800_000, invalid=0.004, future=0.002, payload_bytes=200
        )
    )
