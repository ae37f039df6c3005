"""One board for each dimension: all keys in a table, movers, the scorecard, and the chosen keys over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from grafana.mixin.boards.charts import banded
from grafana.mixin.boards.links import BANNERS, INCIDENTS, ONE_KEY, OVERVIEW, PIPELINE, SKUS, SLOTS
from grafana.mixin.dashboard import Board, Row
from grafana.mixin.panels import Link, Panel, Query, bargauge, stat, timeseries
from grafana.mixin.queries import keys
from grafana.mixin.tables import Column, columns, scatter
from grafana.mixin.variables import COMPARE, CURRENCY, JOB, MINOR, WINDOW, Variable, label_values
from streams.metrics import catalog


@dataclass(frozen=True, slots=True)
class _Dimension:
    """A board's dimension: its label value, its board's name, how people call it, and where one goes on."""

    name: str
    board: str
    title: str
    onward: Link


_DIMENSIONS: Final = (
    _Dimension("slot", "slots", "Slots", BANNERS),
    _Dimension("banner", "banners", "Banners", SKUS),
    _Dimension("sku", "skus", "SKUs", SLOTS),
)
_COMPARE: Final = "$compare"


def boards() -> tuple[Board, ...]:
    """A board per dimension."""
    return tuple(_board(dimension) for dimension in _DIMENSIONS)


def _board(of: _Dimension) -> Board:
    key = Variable(
        of.name, of.title, label_values(catalog.NODE_VISITORS, "key", dimension=of.name), several=True
    )
    step = Variable(
        "step", "Step to", label_values(catalog.WINDOW_RATIO, "to_node", dimension=of.name), sort=0
    )
    return Board(
        of.board,
        f"Funnelwatch: {of.title.lower()}",
        f"Which {of.title.lower()} sell, which moved, and where traffic should go. Click a name to see it alone.",
        (JOB, key, step, WINDOW, COMPARE, CURRENCY, MINOR),
        (
            Row("All", (_table(of),)),
            Row("Movers", _movers(of)),
            Row("Scorecard", (_scorecard(of), _conversion(of))),
            Row("Over time", _over_time(of)),
            Row("What is shown", _shown(of)),
        ),
    )


def _table(of: _Dimension) -> Panel:
    found = (
        Column("Exposures/min", keys.exposures(of.name)),
        Column("Clicks/min", keys.clicks(of.name)),
        Column("Click-through", keys.click_through(of.name), "percentunit"),
        Column("Conversion", keys.conversion(of.name), "percentunit", gauge=True),
        Column("Conversion then", keys.conversion(of.name, _COMPARE), "percentunit"),
        Column("Orders/min", keys.orders(of.name)),
        Column("Refunds/min", keys.orders(of.name, status="refunded")),
        Column("Money/min", keys.money(of.name), gauge=True),
        Column("Money, course", keys.money(of.name), trend=True),
        Column("Conversion, course", keys.conversion(of.name), "percentunit", trend=True, color="green"),
    )
    return columns(
        of.title,
        "Rates of five minutes, by the minute. Conversion: visitors who paid by visitors who clicked; then: $compare ago.",
        of.onward,
        "key",
        found,
        sort="Money/min",
        key_link=ONE_KEY[of.board],
        heading=of.title[:-1],
        width=24,
        height=14,
    )


def _movers(of: _Dimension) -> tuple[Panel, ...]:
    wanted = (
        ("Gained money", "money a minute gained most", keys.gained, keys.money),
        ("Lost money", "money a minute fell most", keys.fell, keys.money),
        ("Lost conversion", "conversion fell most", keys.fell_where_known, keys.conversion),
        ("Lost traffic", "clicks a minute fell most", keys.fell, keys.clicks),
    )
    return tuple(
        bargauge(
            title,
            f"The ten keys whose {words} since $compare ago, and by how much.",
            "percentunit" if measure is keys.conversion else "short",
            of.onward,
            Query(pick(measure(of.name), measure(of.name, _COMPARE)), "{{key}}", instant=True),
            width=6,
            height=9,
        )
        for title, words, pick, measure in wanted
    )


def _scorecard(of: _Dimension) -> Panel:
    return scatter(
        "Scorecard",
        "Each key's exposure over the middle key's (across) and its conversion over that of all (up), both on a "
        "log scale. Right and above 1: stars. Left and above: hidden gems, which deserve traffic. Right and below: "
        "wasted traffic. Keys that sold nothing in five minutes are not drawn; the API's scorecard has intervals.",
        of.onward,
        "key",
        Column("Exposure", keys.much_exposed(of.name), "none"),
        Column("Conversion over all", keys.converts_well(of.name), "none"),
        height=11,
    )


def _conversion(of: _Dimension) -> Panel:
    return banded(
        "Step to $step, chosen key",
        "Rate of the chosen step in the chosen window with its 95 % interval, and what was to be expected. "
        "Meant for one key: with several, click a name in the table.",
        "percentunit",
        INCIDENTS,
        tuple(
            keys.step(spec, of.name)
            for spec in (
                catalog.WINDOW_RATIO,
                catalog.WINDOW_LOWER,
                catalog.WINDOW_UPPER,
                catalog.WINDOW_EXPECTED,
            )
        ),
        height=11,
    )


def _over_time(of: _Dimension) -> tuple[Panel, ...]:
    wanted = (
        ("Money a minute", "Paid, the busiest of the chosen keys.", "short", keys.money),
        ("Conversion", "Visitors who paid by visitors who clicked.", "percentunit", keys.conversion),
        ("Clicks a minute", "Visitors who clicked, the busiest of the chosen keys.", "short", keys.clicks),
        ("Click-through", "Clicks by exposure.", "percentunit", keys.click_through),
    )
    return tuple(
        timeseries(title, words, unit, of.onward, Query(keys.busiest(measure(of.name)), "{{key}}"))
        for title, words, unit, measure in wanted
    )


def _shown(of: _Dimension) -> tuple[Panel, ...]:
    return (
        bargauge(
            "Paid in the window",
            "Visitors who paid in the chosen window, by key.",
            "short",
            of.onward,
            Query(f"sort_desc(topk(10, {keys.entered(of.name)}))", "{{key}}", instant=True),
        ),
        stat(
            "Known by name",
            "Keys that workers know.",
            "short",
            PIPELINE,
            Query(keys.exported(catalog.TRACKED_KEYS, of.name)),
            width=4,
            height=8,
        ),
        stat(
            "Shown by name",
            "Keys with series of their own; the others are summed in (other).",
            "short",
            PIPELINE,
            Query(keys.exported(catalog.SHOWN_KEYS, of.name)),
            width=4,
            height=8,
        ),
        stat(
            "Share of (other)",
            "Clicks of keys that are not shown by name; much of it asks for a larger metrics.max_keys.",
            "percentunit",
            OVERVIEW,
            Query(keys.other_share(of.name)),
            width=4,
            height=8,
        ),
    )
