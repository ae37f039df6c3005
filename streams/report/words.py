"""The report's words of a language: what has no word in one of them does not type-check.

Names of kinds, severities, dimensions and phases are those of messages (:mod:`alerts.content`). Phrases
with parts in braces take them by name; each language names the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.diagnosis.scorecard import Quadrant
    from streams.events import Outcome


@dataclass(frozen=True, slots=True)
class Heads:
    """Heads of columns and names of figures."""

    phase: str
    time: str
    revenue: str
    orders: str
    aov: str
    conversion: str
    clicks: str
    visitors: str
    exposures: str
    ctr: str
    step: str
    rate: str
    interval: str
    node: str
    target: str
    wanted: str
    reached: str
    share: str
    share_of_records: str
    reached_at: str
    traffic: str
    expected: str
    actual: str
    compared_with: str
    this_time: str
    last_time: str
    change: str
    key: str
    beyond: str
    last_conversion: str
    place: str
    keys: str
    busiest: str
    since: str
    lasted: str
    what: str
    where: str
    observed: str
    lost: str
    severity: str
    topic: str
    outcome: str
    records: str
    cancelled: str
    refunded: str
    currency: str


@dataclass(frozen=True, slots=True)
class Parts:
    """Titles of the parts of the page."""

    glance: str
    funnel: str
    phases: str
    plan: str
    last: str
    course: str
    dimension: str
    incidents: str
    quality: str
    most: str
    best: str
    worst: str
    scorecard: str


@dataclass(frozen=True, slots=True)
class Says:
    """Whole sentences."""

    title: str
    subtitle: str
    running: str
    scoped: str
    foot: str
    lag: str
    root: str
    orders_per_step: str
    conversion_per_step: str
    activity: str
    marks: str
    cumulated: str
    cumulated_orders: str
    this: str
    last: str
    goal: str
    no_targets: str
    no_last: str
    last_unknown: str
    last_compared: str
    earlier: str
    earlier_unknown: str
    lifts: str
    none_better: str
    none_worse: str
    beyond: str
    scorecard: str
    lines: str
    dots: str
    no_incidents: str
    lost: str
    more: str
    overlap: str
    still: str
    read: str
    whole: str
    partly: str
    clean: str
    gaps: str
    incomplete: str
    dead_letters: str
    duplicates: str
    late: str
    outages: str
    no_outages: str
    target_reached: str
    target_missed: str
    against_last: str
    of_target: str
    nothing_lost: str
    incidents: str
    unpaid: str
    no_currency: str
    events: str
    step_of: str


@dataclass(frozen=True, slots=True)
class ReportWords:
    """All of a language."""

    heads: Heads
    parts: Parts
    says: Says
    targets: Mapping[str, str]
    nodes: Mapping[str, str]
    quadrants: Mapping[Quadrant, str]
    outcomes: Mapping[Outcome, str]
    topics: tuple[str, str]
    dimensions: Mapping[str, str]
