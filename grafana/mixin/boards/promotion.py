"""One promotion: its clock, what it has brought so far, and the earlier one at the same time."""

from __future__ import annotations

from grafana.mixin import variables as chosen
from grafana.mixin.boards.charts import compared, dashed
from grafana.mixin.boards.links import BANNERS, INCIDENTS, OVERVIEW, SKUS, SLOTS
from grafana.mixin.dashboard import Board, Row
from grafana.mixin.panels import (
    Link,
    Panel,
    Query,
    bargauge,
    by_name,
    stat,
    state_timeline,
    thresholds,
    timeseries,
)
from grafana.mixin.queries import funnel, promotion
from grafana.mixin.tables import Column, columns
from streams.metrics import catalog

_EARLIER = "$previous"
_NEAR_PACE = 0.9


def board() -> Board:
    """The board."""
    return Board(
        "promotion",
        "Funnelwatch: promotion",
        "One promotion from its start to now, beside the earlier one at the same time after its start.",
        (
            chosen.JOB,
            chosen.PROMOTION,
            chosen.PREVIOUS,
            chosen.ALIGNED,
            chosen.WINDOW,
            chosen.COMPARE,
            chosen.CURRENCY,
            chosen.MINOR,
        ),
        (
            Row("The clock", _clock()),
            Row("Against its targets", _targets()),
            Row("So far", _so_far()),
            Row("Against the earlier one", _against()),
            Row("What sells", _best()),
        ),
        since="now-6h",
    )


def _clock() -> tuple[Panel, ...]:
    return (
        stat(
            "Since its start",
            "Negative before it.",
            "dtdurations",
            OVERVIEW,
            Query(promotion.since_start(), instant=True),
            width=4,
        ),
        stat(
            "Until its end",
            "0 after it.",
            "dtdurations",
            OVERVIEW,
            Query(promotion.until_end(), instant=True),
            width=4,
        ),
        state_timeline(
            "Phases",
            "Which promotion is on, and in which phase.",
            OVERVIEW,
            Query(promotion.phases(), "{{promotion}}: {{phase}}"),
            color="purple",
            width=16,
            height=4,
        ),
    )


def _targets() -> tuple[Panel, ...]:
    line = timeseries(
        "Against target pace",
        "What it has brought of each target, as a share of it; dashed what the expected pace wants by now. "
        "Without targets in the settings there is none.",
        "percentunit",
        INCIDENTS,
        Query(promotion.reached(), "{{target}}"),
        Query(promotion.wanted(), "{{target}}: pace"),
        overrides=(dashed("B", "purple"),),
        width=16,
    )
    return (
        stat(
            "Of what the pace wants by now",
            "100 % is on pace. Whether a target can still be met is judged with its uncertainty: see the incidents.",
            "percentunit",
            INCIDENTS,
            Query(promotion.of_pace(), "{{target}}"),
            defaults=thresholds((None, "red"), (_NEAR_PACE, "orange"), (1, "green")),
            width=8,
            height=8,
        ),
        line,
    )


def _so_far() -> tuple[Panel, ...]:
    paid = timeseries(
        "Visitors who paid, from its start",
        "Cumulative; dashed the earlier promotion at the same time after its start.",
        "short",
        SLOTS,
        Query(promotion.paid(), "now"),
        Query(promotion.paid_then(), _EARLIER),
        overrides=(
            by_name("now", custom__lineWidth=2, color={"mode": "fixed", "fixedColor": "blue"}),
            dashed("B", "purple"),
        ),
        width=14,
    )
    return (
        stat(
            "Paid so far",
            "Visitors who paid, from its start.",
            "short",
            SLOTS,
            Query(promotion.paid(), instant=True),
            width=5,
            height=8,
        ),
        stat(
            "The earlier one by now",
            "Visitors who had paid at the same time after its start.",
            "short",
            SLOTS,
            Query(promotion.paid_then(), instant=True),
            width=5,
            height=8,
        ),
        paid,
        bargauge(
            "Money in the time shown",
            "Paid, cancelled and refunded.",
            "short",
            SKUS,
            Query(funnel.earned(), "{{kind}}", instant=True),
            width=8,
        ),
        _steps(),
    )


def _steps() -> Panel:
    rate, low, high = catalog.WINDOW_RATIO, catalog.WINDOW_LOWER, catalog.WINDOW_UPPER
    found = (
        Column("Rate", promotion.to_date(rate), "percentunit", gauge=True),
        Column("95 % from", promotion.to_date(low), "percentunit"),
        Column("to", promotion.to_date(high), "percentunit"),
        Column("Earlier one", promotion.to_date(rate, "$previous", "${aligned}s"), "percentunit"),
    )
    return columns(
        "Steps so far",
        "Rate of each step from its start to now, and of the earlier promotion at the same time after its start.",
        SLOTS,
        "to_node",
        found,
        sort="Rate",
        heading="To",
        width=16,
    )


def _against() -> tuple[Panel, ...]:
    return (
        compared("Money a minute", "Paid in five minutes, by the minute.", "short", OVERVIEW, funnel.money),
        compared("Orders a minute", "Paid orders in five minutes.", "short", OVERVIEW, funnel.orders),
        compared(
            "Visitors who click, a minute", "Visitors counted at clicks.", "short", OVERVIEW, funnel.clicks
        ),
        compared(
            "Conversion",
            "Visitors who paid by visitors who clicked, in the chosen window.",
            "percentunit",
            OVERVIEW,
            lambda back: funnel.conversion(back=back),
        ),
    )


def _best() -> tuple[Panel, ...]:
    wanted: tuple[tuple[str, str, Link], ...] = (
        ("slot", "Slots", SLOTS),
        ("banner", "Banners", BANNERS),
        ("sku", "SKUs", SKUS),
    )
    return tuple(
        bargauge(
            title,
            "The ten with most visitors who paid, from its start to now.",
            "short",
            link,
            Query(promotion.best(dimension), "{{key}}", instant=True),
            width=8,
            height=10,
        )
        for dimension, title, link in wanted
    )
