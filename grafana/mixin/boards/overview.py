"""The war room: is the sale going as it should, and if not, where to look."""

from __future__ import annotations

from alerts.model import Severity
from grafana.mixin import variables as chosen
from grafana.mixin.boards.charts import banded, compared
from grafana.mixin.boards.links import INCIDENTS, PIPELINE, PROMOTION, SKUS, SLOTS
from grafana.mixin.dashboard import Board, Row
from grafana.mixin.panels import Panel, Query, bargauge, stat, state_timeline, thresholds
from grafana.mixin.promql import Like
from grafana.mixin.queries import funnel, incidents, pipeline, promotion
from grafana.mixin.tables import Column, columns
from streams.metrics import catalog

_STEP_DESCRIPTION = (
    "Share of those who came to a node that came to the next one, in the chosen window. "
    "Band: its 95 % interval. Dashed: what was to be expected, delays allowed for; absent while it is learnt."
)


def board() -> Board:
    """The board."""
    return Board(
        "overview",
        "Funnelwatch: war room",
        "Everything of a sale night at a glance: money, funnel, conversion against what is expected, incidents.",
        (
            chosen.JOB,
            chosen.WINDOW,
            chosen.COMPARE,
            chosen.CURRENCY,
            chosen.MINOR,
            chosen.TO_NODE,
            chosen.PROMOTION,
            chosen.PREVIOUS,
            chosen.ALIGNED,
        ),
        (
            Row("Now", _now()),
            Row("Funnel", (_funnel(), _steps())),
            Row("Against earlier times", _earlier()),
            Row("Steps against what is expected", (_step(),)),
            Row("Promotions and incidents", (_promotions(), _incidents())),
        ),
    )


def _now() -> tuple[Panel, ...]:
    high = thresholds((None, "text"), (1, "red"))
    old = thresholds((None, "green"), (15, "orange"), (30, "red"))
    return (
        stat("Money a minute", "Paid in five minutes, by the minute.", "short", SKUS, Query(funnel.money())),
        stat(
            "Orders a minute",
            "Paid orders in five minutes, by the minute.",
            "short",
            SLOTS,
            Query(funnel.orders()),
        ),
        stat(
            "Conversion",
            "Visitors who paid by visitors who clicked, in the chosen window. It falls for a while when traffic "
            "jumps, since orders follow clicks by minutes: compare steps with what is expected.",
            "percentunit",
            SLOTS,
            Query(funnel.conversion()),
        ),
        stat(
            "Click-through",
            "Clicks by exposure, in five minutes.",
            "percentunit",
            SLOTS,
            Query(funnel.click_through()),
        ),
        stat(
            "Order value", "Money by paid order, in five minutes.", "short", SKUS, Query(funnel.order_value())
        ),
        stat(
            "Open incidents",
            "Incidents that are firing or acknowledged.",
            "none",
            INCIDENTS,
            Query(incidents.count()),
            defaults=high,
        ),
        stat(
            "Critical incidents",
            "Of those, the critical ones.",
            "none",
            INCIDENTS,
            Query(incidents.count(Severity.CRITICAL)),
            defaults=high,
        ),
        stat(
            "Age of the numbers",
            "Time from an event until it stands in the metrics; 99 of 100 are younger.",
            "s",
            PIPELINE,
            Query(pipeline.freshness()),
            defaults=old,
        ),
    )


def _funnel() -> Panel:
    return bargauge(
        "Funnel",
        "What came to each node in the chosen window: events of the first node, visitors of the others.",
        "short",
        SLOTS,
        Query(funnel.entries(), "{{node}}", instant=True),
        width=8,
        height=9,
    )


def _steps() -> Panel:
    found = (
        Column("Entered", funnel.entered_step()),
        Column("Rate", _by_node(catalog.WINDOW_RATIO), "percentunit", gauge=True),
        Column("95 % from", _by_node(catalog.WINDOW_LOWER), "percentunit"),
        Column("to", _by_node(catalog.WINDOW_UPPER), "percentunit"),
        Column("Expected", _by_node(catalog.WINDOW_EXPECTED), "percentunit"),
        Column("Course", _by_node(catalog.WINDOW_RATIO), "percentunit", trend=True),
    )
    return columns(
        "Steps",
        "Rate of each step in the chosen window with its 95 % interval and what was to be expected.",
        SLOTS,
        "from_node",
        found,
        sort="Entered",
        heading="From",
        width=16,
        height=9,
    )


def _by_node(spec: catalog.MetricSpec) -> str:
    return f"max by (from_node) ({funnel.step(spec)})"


def _earlier() -> tuple[Panel, ...]:
    return (
        compared("Money a minute", "Paid in five minutes, by the minute.", "short", PROMOTION, funnel.money),
        compared(
            "Conversion",
            "Visitors who paid by visitors who clicked, in the chosen window.",
            "percentunit",
            SLOTS,
            lambda back: funnel.conversion(back=back),
        ),
        compared(
            "Visitors who click, a minute", "Visitors counted at clicks.", "short", SLOTS, funnel.clicks
        ),
        compared("Order value", "Money by paid order.", "short", SKUS, funnel.order_value),
    )


def _step() -> Panel:
    to_node = Like("$to_node")
    return banded(
        "Step to $to_node",
        _STEP_DESCRIPTION,
        "percentunit",
        SLOTS,
        tuple(
            funnel.step(spec, to_node=to_node)
            for spec in (
                catalog.WINDOW_RATIO,
                catalog.WINDOW_LOWER,
                catalog.WINDOW_UPPER,
                catalog.WINDOW_EXPECTED,
            )
        ),
        repeat="to_node",
        width=8,
    )


def _promotions() -> Panel:
    return state_timeline(
        "Promotions",
        "Which promotion is on, and in which phase.",
        PROMOTION,
        Query(promotion.phases(), "{{promotion}}: {{phase}}"),
        color="purple",
    )


def _incidents() -> Panel:
    return state_timeline(
        "Incidents",
        "Since when which incident is open.",
        INCIDENTS,
        Query(incidents.active(), "{{kind}} {{key}} {{from_node}} {{to_node}}"),
        color="red",
    )
