"""The simulated shop: what it shows and sells, how willing people are to buy, how its events read.

Promises: the same :class:`ShopSettings` make the same shop, in any process. Every rate that the
traffic needs (how a click becomes an order) stands here, so that expected volumes can be computed
instead of measured. Refuses to draw traffic and to know time or Kafka.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import overload

import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KINDS = (
    "exposure", "click", "view", "cart", "checkout",
    "order", "payment_attempt", "paid", "payment_failed", "cancelled", "refunded",
)  # fmt: skip
EXPOSURE, CLICK, VIEW, CART, CHECKOUT, ORDER, ATTEMPT, PAID, FAILED, CANCELLED, REFUNDED = range(11)
CURRENCY = "CNY"
PAGES = ("home", "search", "list", "detail")
PAGE_VISITS = (0.35, 0.20, 0.30, 0.15)
PAGE_SLOTS = (0.30, 0.20, 0.30, 0.20)
AREAS = {"home": ("top", "feed"), "search": ("result",), "list": ("grid",), "detail": ("related",)}
# Two of the themes are Chinese: names of banners are keys, and keys are not ASCII in real shops.
THEMES = ("hero", "d11", "flash", "coupon", "brand", "newin", "主会场", "满减")
CHANNELS = ("app", "app", "app", "app", "app", "h5", "h5", "web")
METHODS = ("alipay",) * 7 + ("wechat_pay",) * 6 + ("unionpay",) * 2 + ("card",)
# Cards fail more often; the mean over METHODS stays about 1.
METHOD_SUCCESS = {"alipay": 1.01, "wechat_pay": 1.0, "unionpay": 0.98, "card": 0.95}
SCROLL_ON = 0.85
BASKETS = 4096
SHELVES = 2048


@dataclass(frozen=True, slots=True)
class BuyingRates:
    """Probabilities along the funnel, each given that the node before it was reached."""

    view: float = 0.92
    cart: float = 0.16
    checkout: float = 0.50
    order: float = 0.70
    answered: float = 0.995
    paid: float = 0.94
    retried: float = 0.60
    abandoned_cancelled: float = 0.70
    paid_cancelled: float = 0.005
    refunded: float = 0.015
    direct_view: float = 0.30

    @property
    def attempts_per_order(self) -> float:
        """A failed attempt is repeated at most once."""
        return 1 + self.answered * (1 - self.paid) * self.retried

    @property
    def events_per_order(self) -> float:
        """The order itself, attempts, their answers, cancellations and refunds."""
        paid = self.answered * self.paid * self.attempts_per_order
        after = paid * (self.paid_cancelled + self.refunded) + (1 - paid) * self.abandoned_cancelled
        return 1 + (1 + self.answered) * self.attempts_per_order + after

    @property
    def events_after_view(self) -> float:
        """What one product view brings later, on average."""
        return self.cart * (1 + self.checkout * (1 + self.order * self.events_per_order))

    @property
    def events_per_click(self) -> float:
        """The click and everything that follows from it."""
        return 1 + self.view * (1 + self.events_after_view)


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """Size and temper of the shop.

    ``exposure_share`` is the wanted share of exposures among all events; the click-through rate
    follows from it. ``shelf_skus`` is the most SKUs one exposure of a list slot can show; 1 means
    that exposures never carry a list. Raises ConfigError for a shop that cannot exist.
    """

    seed: int = 1
    slots: int = 40
    banners: int = 200
    skus: int = 5_000
    visitors: int = 200_000
    exposure_share: float = 0.70
    shelf_skus: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated, by field."""
        within("shop.seed", self.seed, 0, 2**63 - 1)
        within("shop.slots", self.slots, len(PAGES), 10_000)
        within("shop.banners", self.banners, 1, 100_000)
        within("shop.skus", self.skus, 1, 1_000_000)
        within("shop.visitors", self.visitors, 1, 2_000_000_000)
        within("shop.exposure_share", self.exposure_share, 0.5, 0.98)
        within("shop.shelf_skus", self.shelf_skus, 1, 50)


def within(field: str, value: float, low: float, high: float) -> None:
    """Raise ConfigError unless ``low <= value <= high``; NaN is refused too."""
    if not low <= value <= high:
        raise ConfigError(field, f"a number from {low} to {high}")


@overload
def mixed(number: int) -> int: ...
@overload
def mixed(number: Ints) -> Ints: ...
def mixed(number: int | Ints) -> int | Ints:
    """Spread an order's number over 32 bits; the same for one integer and for an array of them."""
    return number % 2**31 * 2_654_435_761 % 2**32


class Shop:
    """The drawn world: names of keys, and rates and prices per key number.

    Arrays of rates end with one more entry for *absent*: key number -1 converts like the average.
    """

    def __init__(self, settings: ShopSettings, rates: BuyingRates | None = None) -> None:
        self.settings = settings
        self.rates = rates or BuyingRates()
        rng = np.random.default_rng([settings.seed, 0])
        self.slot_names, self.page_first, self.page_slots = _slot_names(settings.slots)
        self.banner_names = [
            f"{THEMES[i % len(THEMES)]}_v{i // len(THEMES) + 1}" for i in range(settings.banners)
        ]
        self.sku_names = [f"SKU_{i + 1:05d}" for i in range(settings.skus)]
        self.shelf_slots = self._slots_with_shelves()
        self._draw_rates(rng)
        self._draw_goods(rng)
        self.baskets = self._baskets(rng)

    def _draw_rates(self, rng: np.random.Generator) -> None:
        """Slots differ in click-through, slots and banners in conversion."""
        seen = self._slot_visits()
        place = np.concatenate([np.arange(count) for count in self.page_slots])
        pull = _factors(rng, 0.45, seen, base=(1.0 + place) ** -0.35)
        self.slot_ctr = np.append(pull * self._mean_ctr(float(seen.sum())), 0.0)
        self.banner_pull = np.append(_factors(rng, 0.25, np.ones(self.settings.banners)), 1.0)
        self.slot_conversion = np.append(_factors(rng, 0.40, seen * pull), 1.0)
        self.banner_conversion = np.append(_factors(rng, 0.40, self.banner_pull[:-1]), 1.0)

    def _slots_with_shelves(self) -> NDArray[np.bool_]:
        """Every other slot of the list page shows a shelf of SKUs in one exposure."""
        place = np.arange(self.settings.slots) - self.page_first[2]
        on_list = (place >= 0) & (place < self.page_slots[2]) & (place % 2 == 0)
        wanted: NDArray[np.bool_] = on_list & (self.settings.shelf_skus > 1)
        return wanted

    def _slot_visits(self) -> Floats:
        """Exposures per page view of every slot: people stop scrolling."""
        per_page = [
            visits * SCROLL_ON ** np.arange(count)
            for visits, count in zip(PAGE_VISITS, self.page_slots, strict=True)
        ]
        return np.concatenate(per_page)

    def _mean_ctr(self, exposures: float) -> float:
        """Click-through that leaves exposures their wanted share of all events."""
        others = exposures * (1 / self.settings.exposure_share - 1)
        ctr = (others - self._direct_events()) / (exposures * self.rates.events_per_click)
        # Positions and banners multiply the mean by up to about 4; beyond this they would be cut off.
        if not 0 < ctr <= 0.3:
            raise ConfigError("shop.exposure_share", "a share that leaves a click-through of 0 to 0.3")
        self.exposures_per_page = exposures
        self.records_per_page = exposures + others
        return ctr

    def _direct_events(self) -> float:
        """Events per page view that start without an exposure, on detail pages."""
        return PAGE_VISITS[-1] * self.rates.direct_view * (1 + self.rates.events_after_view)

    def _draw_goods(self, rng: np.random.Generator) -> None:
        """SKUs sell by Zipf's law; prices are log-normal around 89 and end in .90, .00 or .50."""
        weights = 1.0 / np.arange(1, self.settings.skus + 1)
        self.sku_weights = weights / weights.sum()
        self.sku_cdf = np.cumsum(self.sku_weights)
        self.sku_conversion = np.append(_factors(rng, 0.60, self.sku_weights), 1.0)
        yuan = np.exp(rng.normal(np.log(89.0), 0.9, self.settings.skus)).clip(3, 20_000).astype(np.int64)
        self.price_minor = yuan * 100 + rng.choice([90, 0, 50], self.settings.skus)
        longest = self.settings.shelf_skus
        self.shelf_skus = self.popular_skus(rng, SHELVES * longest).reshape(SHELVES, longest)
        self.shelf_sizes = rng.integers(min(2, longest), longest + 1, SHELVES)

    def _baskets(self, rng: np.random.Generator) -> list[list[tuple[int, int]]]:
        """Further lines of orders, zero to three each: SKU number and quantity."""
        sizes = rng.choice(4, BASKETS, p=(0.60, 0.25, 0.10, 0.05))
        total = int(sizes.sum())
        quantities = rng.integers(1, 4, total).tolist()
        lines = iter(zip(self.popular_skus(rng, total).tolist(), quantities, strict=True))
        return [list(islice(lines, size)) for size in sizes.tolist()]

    def popular_skus(self, rng: np.random.Generator, count: int) -> Ints:
        """Draw SKU numbers by popularity."""
        drawn = np.searchsorted(self.sku_cdf, rng.random(count), side="right")
        return np.minimum(drawn, self.settings.skus - 1)

    def banners_in(self, slots: Ints, rng: np.random.Generator) -> Ints:
        """Draw a banner for each slot: a slot rotates some ten banners, the first ones more often."""
        stride = max(1, self.settings.banners // self.settings.slots)
        choice = (rng.random(len(slots)) ** 2 * 2 * stride).astype(np.int64)
        return (slots * stride + choice) % self.settings.banners


def _slot_names(slots: int) -> tuple[list[str], list[int], list[int]]:
    """Names, and for each page the number of its first slot and how many it has."""
    counts = [max(1, int(slots * share)) for share in PAGE_SLOTS]
    counts[0] += slots - sum(counts)
    firsts = [sum(counts[:page]) for page in range(len(counts))]
    names = []
    for page, count in zip(PAGES, counts, strict=True):
        areas = AREAS[page]
        for place in range(count):
            area = areas[min(place // 3, len(areas) - 1)]
            names.append(f"{page}.{area}.{place + 1}")
    return names, firsts, counts


def _factors(rng: np.random.Generator, spread: float, weights: Floats, base: Floats | float = 1.0) -> Floats:
    """Multipliers within ``exp(+-spread)`` times ``base``, with a weighted mean of exactly 1."""
    drawn: Floats = base * np.exp(rng.uniform(-spread, spread, len(weights)))
    return drawn / float(np.average(drawn, weights=weights))


class EventText:
    """Puts the JSON of one event together from pieces written once per key.

    Lists of pieces end with an empty one, so that key number -1 (absent) leaves its field out.
    ``run`` is a word that makes ids of this run unlike those of any other.
    """

    def __init__(self, shop: Shop, run: str) -> None:
        self._run = run
        self._slots = [*(f',"slot":"{name}"' for name in shop.slot_names), ""]
        self._banners = [*(f',"banner":"{name}"' for name in shop.banner_names), ""]
        single = (f',"sku":"{name}"' for name in shop.sku_names)
        self._skus = [*single, *_shelf_pieces(shop), ""]
        self._lines = [_line_piece(shop, sku) for sku in range(shop.settings.skus)]
        self._baskets = [
            "".join(f',{self._lines[sku]},"quantity":{quantity}}}' for sku, quantity in basket)
            for basket in shop.baskets
        ]

    def click(self, number: int, time: int, kind: int, visitor: int, slot: int, banner: int, sku: int) -> str:
        """An event of the topic ``clickstream``; a SKU number beyond the last SKU is a shelf."""
        return (
            f'{{"event_id":"{self._run}-{number:x}","event_time":{time},"event":"{KINDS[kind]}",'
            f'"visitor_id":"v{visitor}"{self._slots[slot]}{self._banners[banner]}{self._skus[sku]},'
            f'"channel":"{CHANNELS[visitor % 8]}"}}'
        )

    def order(self, number: int, time: int, kind: int, visitor: int, order: int, lines: str) -> str:
        """An event of the topic ``orders``; ``lines`` is empty or comes from :meth:`lines`."""
        paying = ATTEMPT <= kind <= FAILED
        method = f',"payment_method":"{METHODS[mixed(order) >> 28]}"' if paying else ""
        return (
            f'{{"event_id":"{self._run}-{number:x}","event_time":{time},"event":"{KINDS[kind]}",'
            f'"order_id":"{self._run}-O{order}","visitor_id":"v{visitor}"{method}{lines},'
            f'"channel":"{CHANNELS[visitor % 8]}"}}'
        )

    def lines(self, kind: int, order: int, slot: int, banner: int, sku: int) -> str:
        """Currency and lines; the same for every event of one order that carries all lines.

        Of the reversals a quarter name only the order and a quarter only its first line.
        """
        spread = mixed(order)
        part = (spread >> 24) % 4 if kind >= CANCELLED else 2
        if kind in (ATTEMPT, FAILED) or part == 0:
            return ""
        first = f'{self._lines[sku]}{self._slots[slot]}{self._banners[banner]},"quantity":{1 + (spread & 7) // 6}}}'
        rest = self._baskets[(spread >> 8) % BASKETS] if part > 1 else ""
        return f',"currency":"{CURRENCY}","items":[{first}{rest}]'


def _shelf_pieces(shop: Shop) -> list[str]:
    shelves = zip(shop.shelf_skus.tolist(), shop.shelf_sizes.tolist(), strict=True)
    lists = (dict.fromkeys(shelf[:size]) for shelf, size in shelves)
    names = (",".join(f'"{shop.sku_names[sku]}"' for sku in shelf) for shelf in lists)
    return [f',"sku":[{shelf}]' for shelf in names]


def _line_piece(shop: Shop, sku: int) -> str:
    """The start of an order line; every tenth SKU has its price in minor units."""
    minor = int(shop.price_minor[sku])
    price = f'{minor},"minor":true' if sku % 10 == 9 else f'"{minor // 100}.{minor % 100:02d}"'
    return f'{{"sku":"{shop.sku_names[sku]}","price":{price}'


def padded(value: bytes, size: int) -> bytes:
    """Lengthen a JSON object to ``size`` bytes with an unknown field, or spaces if it is too close."""
    room = size - len(value) - len(b',"agent":""')
    if room < 0:
        return value[:-1] + b" " * (size - len(value)) + b"}"
    return value[:-1] + b',"agent":"' + b"x" * room + b'"}'


def spoil(event: str, time: int, number: int) -> bytes:
    """What a broken producer makes of an event: one of eight faults, none with a line feed."""
    priced = '"price":' in event
    match number % 8:
        case 0:
            broken = event[: len(event) // 2]
        case 1:
            broken = "upstream connect error or disconnect/reset before headers"
        case 2:
            broken = event.replace('"visitor_id":', '"visitor":', 1)
        case 3 if priced:
            broken = event.replace('"price":', '"price":-', 1).replace('-"', '"-', 1)
        case 3:
            broken = event.replace(f'"event_time":{time}', '"event_time":"yesterday"')
        case 4:
            broken = event.replace(f'"event_time":{time}', f'"event_time":{time // 1000}')
        case 5:
            # Two bytes that are no UTF-8.
            broken = event.replace('"visitor_id":"', '"visitor_id":"\udcff\udcfe', 1)
        case 6:
            broken = f"[{event}]"
        case _:
            broken = event.replace('"event":"', '"event":7,"was":"', 1)
    return broken.encode("utf-8", "surrogateescape")
