"""Seeded shop traffic in the native format, in order of arrival, at any rate.

Promises: the same settings give the same bytes, in any process; every record that was not spoiled on
purpose obeys the native format; an ordinary record arrives less than 4 s after its event time, so it
is never *late* under the default bound of 5 s. Refuses to know the time of day or Kafka.

Journeys are drawn with numpy, a block of event time at once; what arrives after its block waits in a
calendar. Only the text of an event is put together record by record.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import blake2s
from itertools import count, islice
from math import exp
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from streams.demo.shop import (
    ATTEMPT,
    CANCELLED,
    CART,
    CHECKOUT,
    CLICK,
    FAILED,
    METHOD_SUCCESS,
    METHODS,
    ORDER,
    PAGE_VISITS,
    PAGES,
    PAID,
    REFUNDED,
    SCROLL_ON,
    SHELVES,
    VIEW,
    EventText,
    Floats,
    Ints,
    Shop,
    ShopSettings,
    mixed,
    padded,
    spoil,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Topic = Literal["clickstream", "orders"]
Rows = NDArray[np.void]
Flags = NDArray[np.bool_]

COLUMNS = ("arrival", "time", "kind", "number", "visitor", "slot", "banner", "sku", "order", "spoiled")
ROW = np.dtype([(name, np.int64) for name in COLUMNS])
MINUTE_MS = 60_000
LEAVE_AFTER_PAGE = 0.30
PAGE_GAP_MS = 25_000
READING_MS = 6_000
MAX_ORDINARY_DELAY_MS = 3_500
MAX_LATE_S = 480
MAX_REPEAT_MS = 30_000
FUTURE_MS = 10 * MINUTE_MS
BLOCK_RECORDS = 4_000
# Shares of the later events that do not say again from which slot and banner the visitor came.
VIEW_UNNAMED, LATER_UNNAMED = 0.60, 0.90
PAGE_LIMITS = np.cumsum(PAGE_VISITS[:-1])
METHOD_CHANCE = np.array([METHOD_SUCCESS[method] for method in METHODS])


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


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where a scenario is asked to bend something: parallel arrays of key numbers of the shop.

    They are the true ones, -1 for none, whatever the event will say. ``method`` numbers
    :data:`streams.demo.shop.METHODS` and means something in the payment steps only.
    """

    time_ms: Ints
    slot: Ints
    banner: Ints
    sku: Ints
    method: Ints


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Where a scenario is asked to hold records up: parallel arrays.

    ``arrival_ms`` is when they would come, ``orders`` whether they are of that topic, ``visitor`` the
    number in their key ``v<number>``.
    """

    arrival_ms: Ints
    orders: Flags
    visitor: Ints


class Scenario(Protocol):
    """Bends the shop's behaviour by time and place, with multipliers; 1 changes nothing.

    The steps are ``exposure>click``, ``click>view``, ``view>cart``, ``cart>checkout``,
    ``checkout>order``, ``payment_attempt>answer`` and ``payment_attempt>paid``.
    """

    def traffic(self, time_ms: int) -> float:
        """Multiplier of the arrival of visitors; asked every 1 to 10 s, first some seconds before the start."""
        ...

    def chance(self, step: str, at: Circumstances) -> Floats | float:
        """Multiplier of the probability of a step."""
        ...

    def delay(self, step: str, at: Circumstances) -> Floats | float:
        """Multiplier of the time to ``checkout>order`` or ``payment_attempt>answer``."""
        ...

    def exposures(self, at: Circumstances) -> Floats | None:
        """Multiplier of how often a place is seen, the surplus by other visitors; None changes nothing."""
        ...

    def arrivals(self, at: Deliveries) -> Ints:
        """When the records come instead, none before its time."""
        ...


class Neutral:
    """An ordinary day without incident."""

    def traffic(self, time_ms: int) -> float:  # noqa: ARG002 - the protocol's
        """Traffic as configured."""
        return 1.0

    def chance(self, step: str, at: Circumstances) -> Floats | float:  # noqa: ARG002 - the protocol's
        """Probabilities as they are."""
        return 1.0

    def delay(self, step: str, at: Circumstances) -> Floats | float:  # noqa: ARG002 - the protocol's
        """Delays as they are."""
        return 1.0

    def exposures(self, at: Circumstances) -> Floats | None:  # noqa: ARG002 - the protocol's
        """Places as they are."""
        return None

    def arrivals(self, at: Deliveries) -> Ints:
        """Records as they come."""
        return at.arrival_ms


NEUTRAL = Neutral()


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


class Journeys:
    """Draws what visitors do: from the first page to the last refund.

    ``events`` takes the start (ms) and the visitor's number of each session. Only ``time``,
    ``kind``, ``visitor``, ``slot``, ``banner``, ``sku`` and ``order`` of its rows mean something.
    """

    def __init__(self, shop: Shop, scenario: Scenario, rng: np.random.Generator) -> None:
        self._shop = shop
        self._scenario = scenario
        self._rng = rng
        self._orders = 0
        self._page_first = np.array(shop.page_first)
        self._page_slots = np.array(shop.page_slots)

    def events(self, starts: Ints, visitors: Ints) -> Rows:
        """Everything that these sessions bring, now and later, in no particular order."""
        pages = self._pages(starts, visitors)
        exposures = self._exposures(pages)
        interest = joined(self._clicks(exposures), self._direct_views(pages))
        self._lose(exposures, slot=0.02, banner=0.03, sku=0.05)
        return joined(exposures, *self._funnel(interest))

    def _pages(self, starts: Ints, visitors: Ints) -> Rows:
        """Page views of the sessions; the page's number stands in ``slot``."""
        lengths = self._rng.geometric(LEAVE_AFTER_PAGE, len(starts))
        elapsed = np.cumsum(self._exponential(int(lengths.sum()), PAGE_GAP_MS))
        first = np.cumsum(lengths) - lengths
        pages = np.zeros(len(elapsed), ROW)
        pages["time"] = np.repeat(starts - elapsed[first], lengths) + elapsed
        pages["visitor"] = np.repeat(visitors, lengths)
        pages["slot"] = np.searchsorted(PAGE_LIMITS, self._rng.random(len(pages)), side="right")
        return pages

    def _exposures(self, pages: Rows) -> Rows:
        """What is scrolled into view: the first so many slots of the page, one after the other."""
        rng, shop = self._rng, self._shop
        seen = np.minimum(rng.geometric(1 - SCROLL_ON, len(pages)), self._page_slots[pages["slot"]])
        rows = pages.take(np.repeat(np.arange(len(pages)), seen))
        place = np.arange(len(rows)) - np.repeat(np.cumsum(seen) - seen, seen)
        rows["time"] += place * 400 + rng.integers(0, 300, len(rows))
        rows["slot"] = self._page_first[rows["slot"]] + place
        rows["banner"] = shop.banners_in(rows["slot"], rng)
        shelf = shop.settings.skus + rng.integers(0, SHELVES, len(rows))
        rows["sku"] = np.where(shop.shelf_slots[rows["slot"]], shelf, shop.popular_skus(rng, len(rows)))
        factor = self._scenario.exposures(_circumstances(rows))
        return rows if factor is None else self._multiplied(rows, factor)

    def _multiplied(self, rows: Rows, factor: Floats) -> Rows:
        """Each row so often; those beyond the first belong to other visitors."""
        times = np.floor(factor + self._rng.random(len(rows))).astype(np.int64)
        found = rows.take(np.repeat(np.arange(len(rows)), times))
        surplus = np.arange(len(found)) != np.repeat(np.cumsum(times) - times, times)
        visitors = self._shop.settings.visitors
        found["visitor"][surplus] = self._rng.integers(0, visitors, int(surplus.sum()))
        return found

    def _clicks(self, exposures: Rows) -> Rows:
        """Clicks on exposures; of a shelf one SKU is clicked. Some name no place or no SKU."""
        shop = self._shop
        chance = shop.slot_ctr[exposures["slot"]] * shop.banner_pull[exposures["banner"]]
        clicks = exposures.compress(self._happens("exposure>click", exposures, chance))
        from_shelf = clicks["sku"] >= shop.settings.skus
        shelf = clicks["sku"][from_shelf] - shop.settings.skus
        place = (self._rng.random(len(shelf)) * shop.shelf_sizes[shelf]).astype(np.int64)
        clicks["sku"][from_shelf] = shop.shelf_skus[shelf, place]
        clicks["kind"] = CLICK
        clicks["time"] += 300 + self._exponential(len(clicks), 2_000)
        self._lose(clicks, sku=0.02)
        self._lose_place(clicks, 0.05)
        return clicks

    def _direct_views(self, pages: Rows) -> Rows:
        """Product views that no exposure led to: bookmarks, shared links, search engines."""
        on_detail = pages["slot"] == len(PAGES) - 1
        views = pages.compress(on_detail & (self._rng.random(len(pages)) < self._shop.rates.direct_view))
        views["kind"] = VIEW
        views["slot"] = views["banner"] = -1
        views["sku"] = self._shop.popular_skus(self._rng, len(views))
        return views

    def _funnel(self, interest: Rows) -> Iterator[Rows]:
        """What clicks and direct views bring: views, carts, checkouts, orders and all after them."""
        rates, clicked = self._shop.rates, interest["kind"] == CLICK
        viewed = ~clicked | self._happens("click>view", interest, rates.view)
        carted = viewed & self._happens("view>cart", interest, rates.cart * self._appeal(interest))
        checked_out = carted & self._happens("cart>checkout", interest, rates.checkout)
        ordered = checked_out & self._happens("checkout>order", interest, rates.order)
        whole = self._decision_times(interest, ordered)
        viewing = np.minimum(200 + self._exponential(len(interest), 1_500), whole * 0.25) * clicked
        # Both parts grow with one number: the checkout never comes before the cart.
        part = self._rng.random(len(interest))
        yield interest.compress(clicked)
        yield self._later_clicks(interest, viewed, VIEW, viewing, VIEW_UNNAMED)
        deciding, leaving = whole * (0.3 + 0.3 * part), whole * (0.7 + 0.2 * part)
        yield self._later_clicks(interest, carted, CART, deciding, LATER_UNNAMED)
        checkouts = self._later_clicks(interest, checked_out, CHECKOUT, leaving, LATER_UNNAMED)
        self._lose(checkouts, sku=0.30)
        yield checkouts
        yield self._order_events(interest.compress(ordered), whole[ordered])

    def _appeal(self, rows: Rows) -> Floats:
        """How much better than the average this SKU converts from this slot and banner."""
        shop = self._shop
        by_place = shop.slot_conversion[rows["slot"]] * shop.banner_conversion[rows["banner"]]
        appeal: Floats = by_place * shop.sku_conversion[rows["sku"]]
        return appeal

    def _decision_times(self, interest: Rows, ordered: Flags) -> Floats:
        """Milliseconds from click to order, 0.7 Exp(4 min) + 0.3 Exp(40 min), or to giving up, Exp(1 min)."""
        slow = self._rng.random(len(interest)) < 0.3
        mean = np.where(ordered, np.where(slow, 40, 4), 1) * MINUTE_MS
        bent = mean * self._scenario.delay("checkout>order", _circumstances(interest))
        drawn: Floats = self._rng.standard_exponential(len(interest)) * bent
        return drawn

    def _later_clicks(self, rows: Rows, chosen: Flags, kind: int, delay_ms: Floats, unnamed: float) -> Rows:
        """Events of a later node, so many of which no longer say where the visitor came from."""
        events = _later(rows.compress(chosen), kind, delay_ms[chosen])
        self._lose_place(events, unnamed)
        return events

    def _order_events(self, orders: Rows, delay_ms: Floats) -> Rows:
        """Orders, attempts to pay them, the answers, and what is undone later."""
        rng = self._rng
        orders = _later(orders, ORDER, delay_ms)
        orders["order"] = np.arange(self._orders, self._orders + len(orders))
        self._orders += len(orders)
        orders["sku"] = np.where(orders["sku"] < 0, self._shop.popular_skus(rng, len(orders)), orders["sku"])
        attempts = _later(orders, ATTEMPT, rng.uniform(200, 900, len(orders)))
        paid, failed = self._answers(attempts)
        retried = failed.compress(rng.random(len(failed)) < self._shop.rates.retried)
        retries = _later(retried, ATTEMPT, 5_000 + self._exponential(len(retried), 30_000))
        paid_later, failed_later = self._answers(retries)
        all_paid = joined(paid, paid_later)
        undone = self._undone(orders, all_paid)
        chain = joined(orders, attempts, failed, retries, failed_later, all_paid, *undone)
        # By the order's number and not by chance: all events of an order show the same lines.
        unnamed = mixed(chain["order"] + 1) >= (1 - LATER_UNNAMED) * 2**32
        chain["slot"][unnamed] = chain["banner"][unnamed] = -1
        return chain

    def _answers(self, attempts: Rows) -> tuple[Rows, Rows]:
        """Attempts that were paid and that failed, Exp(12 s) later; a few are never answered."""
        rates, at = self._shop.rates, _circumstances(attempts)
        chance = rates.paid * METHOD_CHANCE[at.method]
        answered = self._happens("payment_attempt>answer", attempts, rates.answered)
        paid = self._happens("payment_attempt>paid", attempts, chance)
        delay_ms = self._rng.standard_exponential(len(attempts)) * 12_000
        delay_ms = delay_ms * self._scenario.delay("payment_attempt>answer", at)
        good, bad = answered & paid, answered & ~paid
        done, refused = attempts.compress(good), attempts.compress(bad)
        return _later(done, PAID, delay_ms[good]), _later(refused, FAILED, delay_ms[bad])

    def _undone(self, orders: Rows, paid: Rows) -> Iterator[Rows]:
        """Unpaid orders run out after 15 to 30 min; some paid ones are cancelled or refunded."""
        rates, rng = self._shop.rates, self._rng
        unpaid = orders.compress(np.isin(orders["order"], paid["order"], invert=True))
        expired = unpaid.compress(rng.random(len(unpaid)) < rates.abandoned_cancelled)
        yield _later(expired, CANCELLED, rng.uniform(15, 30, len(expired)) * MINUTE_MS)
        fate = rng.random(len(paid))
        regretted = paid.compress(fate < rates.paid_cancelled)
        yield _later(regretted, CANCELLED, 30_000 + self._exponential(len(regretted), 10 * MINUTE_MS))
        returned = paid.compress(fate >= 1 - rates.refunded)
        yield _later(returned, REFUNDED, MINUTE_MS + self._exponential(len(returned), 45 * MINUTE_MS))

    def _happens(self, step: str, rows: Rows, chance: Floats | float) -> Flags:
        bent = chance * self._scenario.chance(step, _circumstances(rows))
        happens: Flags = self._rng.random(len(rows)) < bent
        return happens

    def _lose(self, rows: Rows, **shares: float) -> None:
        """Leave these fields out of a share of the events."""
        for column, share in shares.items():
            rows[column][self._rng.random(len(rows)) < share] = -1

    def _lose_place(self, rows: Rows, share: float) -> None:
        lost = self._rng.random(len(rows)) < share
        rows["slot"][lost] = rows["banner"][lost] = -1

    def _exponential(self, size: int, mean_ms: float) -> Ints:
        return (self._rng.standard_exponential(size) * mean_ms).astype(np.int64)


def _circumstances(rows: Rows) -> Circumstances:
    return Circumstances(rows["time"], rows["slot"], rows["banner"], rows["sku"], mixed(rows["order"]) >> 28)


def joined(*parts: Rows) -> Rows:
    """One array after the other, as a copy. Ten times faster than numpy does it field by field."""
    return np.concatenate([_plain(part) for part in parts]).view(ROW).reshape(-1)


def _plain(rows: Rows) -> Ints:
    return rows.view(np.int64).reshape(-1, len(COLUMNS))


def _later(rows: Rows, kind: int, delay_ms: Floats | Ints) -> Rows:
    events = joined(rows)
    events["kind"] = kind
    events["time"] += delay_ms.astype(np.int64)
    return events


class Calendar:
    """Rows waiting for the block of their arrival; bounded by what the delays leave outstanding."""

    def __init__(self, start_ms: int, span_ms: int) -> None:
        self._start_ms = start_ms
        self._span_ms = span_ms
        # Bytes and not arrays: a slice of an array would keep its whole block alive for hours.
        self._waiting: defaultdict[int, bytearray] = defaultdict(bytearray)

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values())) // ROW.itemsize

    def add(self, rows: Rows) -> None:
        """Put every row under the block of its arrival."""
        if not len(rows):
            return
        block = (rows["arrival"] - self._start_ms) // self._span_ms
        order = np.argsort(block, kind="stable")
        rows, block = rows.take(order), block[order]
        firsts = np.flatnonzero(np.diff(block, prepend=block[0] - 1)).tolist()
        for first, end in zip(firsts, [*firsts[1:], len(rows)], strict=True):
            self._waiting[int(block[first])] += rows[first:end].tobytes()

    def due(self, block: int) -> Rows:
        """Take the rows of one block out, in order of arrival."""
        rows = np.frombuffer(self._waiting.pop(block, bytearray()), dtype=ROW)
        return rows.take(np.argsort(rows["arrival"], kind="stable"))


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
        for arrival, time, kind, number, visitor, slot, banner, sku, order, spoiled in _plain(rows).tolist():
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
