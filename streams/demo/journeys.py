"""What visitors of the simulated shop do: from the first page to the last refund.

Promises: the same shop, scenario and generator give the same events; no later node of a journey comes
before an earlier one. Delays follow the laws that stand beside them. Refuses to know when an event
arrives and what is wrong with its record: that is how it is delivered (:mod:`streams.demo.simulator`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.demo.circumstances import MINUTE_MS, Circumstances
from streams.demo.event_rows import ROW, joined, later
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
    mixed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.demo.circumstances import Scenario
    from streams.demo.event_rows import Flags, Rows
    from streams.demo.shop import Floats, Ints, Shop

LEAVE_AFTER_PAGE = 0.30
PAGE_GAP_MS = 25_000
# Shares of the later events that do not say again from which slot and banner the visitor came.
VIEW_UNNAMED, LATER_UNNAMED = 0.60, 0.90
PAGE_LIMITS = np.cumsum(PAGE_VISITS[:-1])
METHOD_CHANCE = np.array([METHOD_SUCCESS[method] for method in METHODS])


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
        would, ordered = self._would_and_do(interest, rates.order)
        whole = self._decision_times(interest, checked_out & (would | ordered))
        ordered &= checked_out
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

    def _would_and_do(self, interest: Rows, chance: float) -> tuple[Flags, Flags]:
        """Who would order if all were as ever, and who does. Nobody decides faster for an order that will fail."""
        drawn = self._rng.random(len(interest))
        return drawn < chance, drawn < chance * self._scenario.chance(
            "checkout>order", _circumstances(interest)
        )

    def _decision_times(self, interest: Rows, would: Flags) -> Floats:
        """Milliseconds from click to order, 0.7 Exp(4 min) + 0.3 Exp(40 min), or to giving up, Exp(1 min)."""
        slow = self._rng.random(len(interest)) < 0.3
        mean = np.where(would, np.where(slow, 40, 4), 1) * MINUTE_MS
        bent = mean * self._scenario.delay("checkout>order", _circumstances(interest))
        drawn: Floats = self._rng.standard_exponential(len(interest)) * bent
        return drawn

    def _later_clicks(self, rows: Rows, chosen: Flags, kind: int, delay_ms: Floats, unnamed: float) -> Rows:
        """Events of a later node, so many of which no longer say where the visitor came from."""
        events = later(rows.compress(chosen), kind, delay_ms[chosen])
        self._lose_place(events, unnamed)
        return events

    def _order_events(self, orders: Rows, delay_ms: Floats) -> Rows:
        """Orders, attempts to pay them, the answers, and what is undone later."""
        rng = self._rng
        orders = later(orders, ORDER, delay_ms)
        orders["order"] = np.arange(self._orders, self._orders + len(orders))
        self._orders += len(orders)
        orders["sku"] = np.where(orders["sku"] < 0, self._shop.popular_skus(rng, len(orders)), orders["sku"])
        attempts = later(orders, ATTEMPT, rng.uniform(200, 900, len(orders)))
        paid, failed = self._answers(attempts)
        retried = failed.compress(rng.random(len(failed)) < self._shop.rates.retried)
        retries = later(retried, ATTEMPT, 5_000 + self._exponential(len(retried), 30_000))
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
        return later(done, PAID, delay_ms[good]), later(refused, FAILED, delay_ms[bad])

    def _undone(self, orders: Rows, paid: Rows) -> Iterator[Rows]:
        """Unpaid orders run out after 15 to 30 min; some paid ones are cancelled or refunded."""
        rates, rng = self._shop.rates, self._rng
        unpaid = orders.compress(np.isin(orders["order"], paid["order"], invert=True))
        expired = unpaid.compress(rng.random(len(unpaid)) < rates.abandoned_cancelled)
        yield later(expired, CANCELLED, rng.uniform(15, 30, len(expired)) * MINUTE_MS)
        fate = rng.random(len(paid))
        regretted = paid.compress(fate < rates.paid_cancelled)
        yield later(regretted, CANCELLED, 30_000 + self._exponential(len(regretted), 10 * MINUTE_MS))
        returned = paid.compress(fate >= 1 - rates.refunded)
        yield later(returned, REFUNDED, MINUTE_MS + self._exponential(len(returned), 45 * MINUTE_MS))

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
