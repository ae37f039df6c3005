"""Seeded shop traffic in the native format, in order of arrival, at any rate.

Promises: the same settings give the same bytes, in any process; every record that was not spoiled on
purpose obeys the native format; an ordinary record arrives less than 4 s after its event time, so it
is never *late* under the default bound of 5 s. Refuses to know the time of day or Kafka.

Journeys are drawn with numpy (:mod:`streams.demo.journeys`), a block of event time at once; what
arrives after its block waits in a calendar. Only the text of an event is put together record by record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2s
from itertools import count, islice
from math import exp
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from streams.demo.calendar_queue import Calendar
from streams.demo.circumstances import MINUTE_MS, NEUTRAL, Deliveries
from streams.demo.event_rows import joined, plain
from streams.demo.journeys import LEAVE_AFTER_PAGE, PAGE_GAP_MS, Journeys
from streams.demo.shop import ORDER, EventText, Shop, ShopSettings, padded, spoil, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.demo.circumstances import Scenario
    from streams.demo.event_rows import Rows
    from streams.demo.shop import Ints

Topic = Literal["clickstream", "orders"]

READING_MS = 6_000
MAX_ORDINARY_DELAY_MS = 3_500
MAX_LATE_S = 480
MAX_REPEAT_MS = 30_000
FUTURE_MS = 10 * MINUTE_MS
BLOCK_RECORDS = 4_000


class SimulatedRecord(NamedTuple):
    """One record as a shop would send it; ``key`` is the visitor's id."""

    topic: Topic
    arrival_ms: int
    event_time_ms: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class TrafficSettings:
    """How much traffic, for how long, and how badly it is delivered.

    ``rate`` is the mean number of records per second of event time; the stream ends after
    ``duration_ms`` of arrival time or ``events`` records, or never. ``duplicates``, ``late``,
    ``invalid`` and ``future`` are shares of all events. Records shorter than ``payload_bytes`` are
    padded with an unknown field. Visitors are browsing from the first millisecond on, but orders
    of clicks before it are missing: some 2 % of the records in the first minutes. Raises ConfigError.
    """

    start_ms: int
    rate: float = 500.0
    duration_ms: int | None = None
    events: int | None = None
    duplicates: float = 0.01
    late: float = 0.02
    invalid: float = 0.001
    future: float = 0.0002
    payload_bytes: int = 0
    shop: ShopSettings = field(default_factory=ShopSettings)

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated, by field."""
        within("simulate.start_ms", self.start_ms, 10**11, 10**14)
        within("simulate.rate", self.rate, 0.01, 1_000_000)
        within("simulate.duration_ms", self.duration_ms or 0, 0, 10**12)
        within("simulate.events", self.events or 0, 0, 10**12)
        for name in ("duplicates", "late", "invalid", "future"):
            within(f"simulate.{name}", getattr(self, name), 0, 0.3)
        # The padding is one string, and a string over 256 bytes makes a field invalid.
        within("simulate.payload_bytes", self.payload_bytes, 0, 400)


def simulate(settings: TrafficSettings, scenario: Scenario = NEUTRAL) -> Iterator[SimulatedRecord]:
    """Yield the traffic in order of arrival; for ever unless the settings say otherwise."""
    return islice(_records(settings, scenario), settings.events)


def _records(settings: TrafficSettings, scenario: Scenario) -> Iterator[SimulatedRecord]:
    shop = Shop(settings.shop)
    writer = RecordWriter(shop, settings)
    for rows in Traffic(shop, settings, scenario).blocks():
        if settings.duration_ms is None:
            yield from writer.records(rows)
            continue
        within_duration = rows["arrival"] < settings.start_ms + settings.duration_ms
        yield from writer.records(rows.compress(within_duration))
        if not within_duration.all():
            return


class Traffic:
    """Draws what visitors do, and how the events of it are delivered."""

    def __init__(self, shop: Shop, settings: TrafficSettings, scenario: Scenario) -> None:
        self._settings = settings
        self._scenario = scenario
        self._rng = np.random.default_rng([settings.shop.seed, 1])
        self._journeys = Journeys(shop, scenario, self._rng)
        self._numbers = 0
        pages = settings.rate / shop.records_per_page / (1 + settings.duplicates)
        self._sessions_per_ms = pages * LEAVE_AFTER_PAGE / 1_000
        # Long enough to fill numpy's arrays, short enough to be drawn between two sends.
        self._span_ms = round(min(10_000.0, max(1_000.0, BLOCK_RECORDS / settings.rate * 1_000)))

    def blocks(self) -> Iterator[Rows]:
        """Yield the rows arriving in one block of time after the other, for ever."""
        span_ms, start_ms = self._span_ms, self._settings.start_ms
        calendar = Calendar(start_ms, span_ms)
        # A page takes some seconds to be read: begin so much earlier, and throw that away.
        early = READING_MS // span_ms + 1
        for block in count(-early):
            starts = self._session_starts(start_ms + block * span_ms, (block + early) * span_ms)
            visitors = self._rng.integers(0, self._settings.shop.visitors, len(starts))
            calendar.add(self._delivered(self._journeys.events(starts, visitors)))
            rows = calendar.due(block)
            if block >= 0:
                yield rows

    def _session_starts(self, block_ms: int, elapsed_ms: int) -> Ints:
        """A Poisson process of new sessions, and of those that were under way at the beginning.

        Gaps between pages and the number of pages still to come have no memory, so a session under
        way is one that starts after a further gap: the stream has its mean rate from the first second.
        """
        elapsed = elapsed_ms / PAGE_GAP_MS
        span = self._span_ms / PAGE_GAP_MS
        under_way = (1 / LEAVE_AFTER_PAGE - 1) * (exp(-elapsed) - exp(-elapsed - span)) / span
        mean = self._sessions_per_ms * self._span_ms * self._scenario.traffic(block_ms) * (1 + under_way)
        starts = self._rng.random(self._rng.poisson(mean)) * self._span_ms
        return block_ms + starts.astype(np.int64)

    def _delivered(self, rows: Rows) -> Rows:
        """Number the events, spoil some, and give each its time of arrival."""
        rng, settings, size = self._rng, self._settings, len(rows)
        rows["number"] = np.arange(self._numbers, self._numbers + size)
        self._numbers += size
        fate = rng.random(size)
        rows["spoiled"] = fate < settings.invalid
        future = (fate >= settings.invalid) & (fate < settings.invalid + settings.future)
        late = fate >= 1 - settings.late
        delay = 20 + np.minimum(rng.standard_exponential(size) * 250, MAX_ORDINARY_DELAY_MS - 20)
        delay[late] += 1_000 * MAX_LATE_S ** rng.random(int(late.sum()))
        rows["arrival"] = rows["time"] + delay.astype(np.int64)
        rows["time"][future] += rng.integers(FUTURE_MS, 24 * 60 * MINUTE_MS, int(future.sum()))
        repeated = rows.compress(rng.random(size) < settings.duplicates)
        repeated["arrival"] += rng.integers(50, MAX_REPEAT_MS, len(repeated))
        delivered = joined(rows, repeated)
        would = Deliveries(delivered["arrival"], delivered["kind"] >= ORDER, delivered["visitor"])
        delivered["arrival"] = self._scenario.arrivals(would)
        return delivered


class RecordWriter:
    """Turns rows into records: text, padding, and what a broken producer makes of it."""

    def __init__(self, shop: Shop, settings: TrafficSettings) -> None:
        # Ids must differ between runs: one shop started twice would be counted as duplicates.
        name = f"{settings.shop.seed}:{settings.start_ms}".encode()
        self._text = EventText(shop, blake2s(name, digest_size=4).hexdigest())
        self._payload_bytes = settings.payload_bytes

    def records(self, rows: Rows) -> Iterator[SimulatedRecord]:
        """One record per row, in the order of the rows."""
        text, payload_bytes = self._text, self._payload_bytes
        for arrival, time, kind, number, visitor, slot, banner, sku, order, spoiled in plain(rows).tolist():
            topic: Topic = "clickstream" if kind < ORDER else "orders"
            if kind < ORDER:
                event = text.click(number, time, kind, visitor, slot, banner, sku)
            else:
                lines = text.lines(kind, order, slot, banner, sku)
                event = text.order(number, time, kind, visitor, order, lines)
            value = spoil(event, time, number) if spoiled else event.encode()
            if len(value) < payload_bytes and not spoiled:
                value = padded(value, payload_bytes)
            yield SimulatedRecord(topic, arrival, time, b"v%d" % visitor, value)
