"""The answers of the API as types: what is sent is what the OpenAPI document says.

Times are event time in ms since the epoch, spans half-open; money is in minor units of its currency.
What is not known is null. Fields may be added within ``v1``; clients skip those they do not know.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

__all__ = [
    "Accepted",
    "Compared",
    "Funnel",
    "GmvSplit",
    "Health",
    "IncidentPage",
    "KeyPage",
    "KeyRow",
    "Money",
    "NodeCount",
    "PhaseAnswer",
    "Placed",
    "Point",
    "ProblemDocument",
    "PromotionAnswer",
    "PromotionList",
    "Rate",
    "ScorecardAnswer",
    "Series",
    "SilenceAnswer",
    "SilenceList",
    "SilenceMade",
    "StepRate",
    "Target",
    "Trade",
    "WindowAnswer",
    "WindowList",
]

Count = Annotated[int, msgspec.Meta(ge=0)]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What all answers are: immutable, fields by name."""


class Rate(Answer, frozen=True, kw_only=True):
    """A ratio with its counts, its 95 % interval, and what was expected of it."""

    entered: Count
    reached: Count
    ratio: float | None
    lower: float | None
    upper: float | None
    expected: float | None = None


class NodeCount(Answer, frozen=True, kw_only=True):
    """What came to a node. Exposures have no visitors."""

    node: str
    events: Count
    visitors: Count | None


class StepRate(Answer, frozen=True, kw_only=True):
    """A step of the funnel."""

    from_node: str
    to_node: str
    rate: Rate


class Money(Answer, frozen=True, kw_only=True):
    """Money in one currency; ``exponent`` digits make one unit."""

    currency: str
    exponent: Count
    paid_orders: Count = 0
    paid_minor: int = 0
    refunded_orders: Count = 0
    refunded_minor: int = 0
    cancelled_orders: Count = 0
    cancelled_minor: int = 0


class Trade(Answer, frozen=True, kw_only=True):
    """Clicks x conversion x order value, as counted."""

    clicks: Count
    orders: Count
    revenue_minor: int


class GmvSplit(Answer, frozen=True, kw_only=True):
    """The change of revenue against another time, by factor; the parts add up to it. Minor units."""

    with_: str = msgspec.field(name="with")
    currency: str
    exponent: Count
    now: Trade
    before: Trade
    traffic_minor: int
    conversion_minor: int
    order_value_minor: int


class Compared(Answer, frozen=True, kw_only=True):
    """The total's conversion at another time: ``previous``, ``yesterday``, ``last_week``, ``last_promotion``."""

    with_: str = msgspec.field(name="with")
    start_ms: int
    end_ms: int
    conversion: Rate


class Funnel(Answer, frozen=True, kw_only=True):
    """The funnel of one key in one window. Money, split and comparisons stand with the total only."""

    window: str
    start_ms: int
    end_ms: int
    dimension: str
    key: str
    nodes: tuple[NodeCount, ...]
    steps: tuple[StepRate, ...]
    conversion: Rate
    money: tuple[Money, ...] = ()
    split: GmvSplit | None = None
    compared: tuple[Compared, ...] = ()


class WindowAnswer(Answer, frozen=True, kw_only=True):
    """A window, and whether its beginning was seen."""

    name: str
    start_ms: int
    end_ms: int
    whole: bool


class WindowList(Answer, frozen=True, kw_only=True):
    """All windows there are now, and the dimensions with their keys' number."""

    windows: tuple[WindowAnswer, ...]
    dimensions: dict[str, int]
    nodes: tuple[str, ...]


class KeyRow(Answer, frozen=True, kw_only=True):
    """One key in a window; ``before`` and ``moved`` compare payments with the window before.

    ``moved`` is the change of paying visitors over its standard error: beyond 2 or 3 it is no chance.
    """

    key: str
    exposures: Count
    clicks: Count
    paid: Count
    conversion: Rate
    orders: Count | None
    revenue_minor: int | None
    paid_before: Count | None = None
    moved: float | None = None


class KeyPage(Answer, frozen=True, kw_only=True):
    """Keys of a dimension, in the order that was asked for."""

    window: str
    end_ms: int
    dimension: str
    currency: str | None
    keys: tuple[KeyRow, ...]
    total: Count
    next_cursor: str | None = None


class Point(Answer, frozen=True, kw_only=True):
    """Ten seconds of a step; null where nobody knows what to expect. The band holds 95 % of counts."""

    start_ms: int
    entered: Count
    reached: Count
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None


class Series(Answer, frozen=True, kw_only=True):
    """The last buckets of a key and step, oldest first."""

    dimension: str
    key: str
    from_node: str
    to_node: str
    points: tuple[Point, ...]


class Placed(Answer, frozen=True, kw_only=True):
    """A key's place: ``star``, ``hidden_gem``, ``wasted_traffic``, ``tail`` or ``unclear``."""

    key: str
    quadrant: str
    exposures: Count
    clicks: Count
    paid: Count
    ratio: float | None
    lower: float
    upper: float


class ScorecardAnswer(Answer, frozen=True, kw_only=True):
    """Where traffic should go: keys by exposure, and the lines between the places."""

    window: str
    end_ms: int
    dimension: str
    exposure_line: float
    conversion_line: float
    quadrants: dict[str, int]
    keys: tuple[Placed, ...]
    total: Count
    next_cursor: str | None = None


class IncidentPage(Answer, frozen=True, kw_only=True):
    """Incidents, the one that opened last first, each as its newest record on the topic of incidents.

    The worker that watches gives open ones with the numbers of now.
    """

    incidents: tuple[dict[str, Any], ...]
    total: Count
    next_cursor: str | None = None


class PhaseAnswer(Answer, frozen=True, kw_only=True):
    """A phase of a promotion."""

    phase: str
    start_ms: int
    end_ms: int


class Target(Answer, frozen=True, kw_only=True):
    """A target: ``orders``, ``revenue`` (minor units) or ``conversion``; and what the pace wants by now."""

    name: str
    target: float
    so_far: float | None
    by_now: float | None
    currency: str | None = None
    exponent: Count = 0


class PromotionAnswer(Answer, frozen=True, kw_only=True):
    """A promotion; ``phase`` is null outside of its phases."""

    name: str
    start_ms: int
    end_ms: int
    phase: str | None
    phases: tuple[PhaseAnswer, ...]
    scope: dict[str, tuple[str, ...]]
    targets: tuple[Target, ...]


class PromotionList(Answer, frozen=True, kw_only=True):
    """All promotions in the order of their starts."""

    now_ms: int
    promotions: tuple[PromotionAnswer, ...]


class SilenceAnswer(Answer, frozen=True, kw_only=True):
    """Nobody is told of what matches, from start to before end. Empty lists match everything."""

    id: str
    by: str
    starts_ms: int
    ends_ms: int
    comment: str
    kinds: tuple[str, ...] = ()
    scope: tuple[dict[str, str], ...] = ()
    steps: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    incident_ids: tuple[str, ...] = ()


class SilenceList(Answer, frozen=True, kw_only=True):
    """Silences that have not ended, the one that ends first first."""

    silences: tuple[SilenceAnswer, ...]


class Accepted(Answer, frozen=True, kw_only=True):
    """It was written down; the watcher acts on it within a bucket."""

    id: str


class SilenceMade(Answer, frozen=True, kw_only=True):
    """The silence's id, by which it can be ended."""

    id: str
    starts_ms: int
    ends_ms: int


class Health(Answer, frozen=True, kw_only=True):
    """Whether what is shown can be believed.

    Attributes:
        watching: this worker watches, so it answers for what is counted.
        ready: it counts; else ``reasons`` says what it waits for.
        end_ms: everything before this event time is in; null before the first bucket.
        behind_ms: how long ago that was.
        data_incidents: open incidents about the data itself.
        incidents: open incidents.
        watcher: address of the page of the worker that watches, if another one does and said so.
    """

    watching: bool
    ready: bool
    reasons: tuple[str, ...]
    end_ms: int | None
    behind_ms: int | None
    data_incidents: Count
    incidents: Count
    watcher: str | None = None


class ProblemDocument(Answer, frozen=True, kw_only=True):
    """What went wrong with a request (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""
