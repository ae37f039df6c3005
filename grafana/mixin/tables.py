"""Tables: one row per key, one column per query, perhaps a sparkline; and the scatter plot, which is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from grafana.mixin.panels import Json, Link, Panel, Query, by_name, table, thresholds

_SPARKLINE: Final = {"type": "sparkline", "hideValue": True}


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        title: its heading.
        expr: a query whose series have the row's labels.
        unit: as Grafana calls it.
        gauge: drawn as a bar, from 0 to the largest.
        trend: a sparkline over the time range.
        color: of a sparkline.
    """

    title: str
    expr: str
    unit: str = "short"
    gauge: bool = False
    trend: bool = False
    color: str = "blue"

    def field(self, letter: str) -> str:
        """How Grafana calls it before it is renamed."""
        return f"{'Trend' if self.trend else 'Value'} #{letter}"

    def query(self) -> Query:
        """What is asked."""
        return Query(self.expr, instant=not self.trend, table=not self.trend)

    def override(self) -> Json:
        """How it is drawn."""
        if self.trend:
            color = {"mode": "fixed", "fixedColor": self.color}
            return by_name(self.title, custom__cellOptions=_SPARKLINE, color=color, unit=self.unit)
        found: dict[str, Any] = {"unit": self.unit}
        if self.gauge:
            found |= {
                "custom__cellOptions": {"type": "gauge", "mode": "gradient", "valueDisplayMode": "text"}
            }
            found |= {"min": 0, "color": {"mode": "continuous-BlPu"}}
        return by_name(self.title, **found)


def columns(
    title: str,
    description: str,
    link: Link,
    row: str,
    found: tuple[Column, ...],
    *,
    sort: str,
    key_link: Link | None = None,
    heading: str = "",
    **more: Any,
) -> Panel:
    """A table with a row per value of the label ``row``; the largest of ``sort`` on top.

    Args:
        title: of the panel.
        description: of the panel.
        link: the panel's drill-down.
        row: the label that all queries have, and no other.
        found: the columns.
        sort: title of a column.
        key_link: where a click on a row's name leads.
        heading: of the first column; the label's name if there is none.
        more: further fields of the panel.
    """
    letters = [chr(65 + at) for at in range(len(found))]
    heading = heading or row
    links = {} if key_link is None else {"links": [key_link.data()]}
    return table(
        title,
        description,
        "short",
        link,
        *(column.query() for column in found),
        overrides=(by_name(heading, **links, custom__minWidth=140), *(column.override() for column in found)),
        transformations=_joined(row, heading, found, letters),
        sort=sort,
        **more,
    )


def _joined(row: str, heading: str, found: tuple[Column, ...], letters: list[str]) -> tuple[Json, ...]:
    """Trends become rows, rows of one key one row, columns get their names and their order."""
    named = {row: heading} | {c.field(letter): c.title for c, letter in zip(found, letters, strict=True)}
    times = ["Time", *(f"Time {number}" for number in range(1, len(found) + 1))]
    organized = {
        "excludeByName": dict.fromkeys(times, True),
        "includeByName": {},
        "indexByName": {name: at for at, name in enumerate(named)},
        "renameByName": named,
    }
    trends = {letter: {"stat": "lastNotNull"} for c, letter in zip(found, letters, strict=True) if c.trend}
    steps: list[Json] = [{"id": "timeSeriesTable", "options": trends}] if trends else []
    steps.append({"id": "joinByField", "options": {"byField": row, "mode": "outer"}})
    return (*steps, {"id": "organize", "options": organized})


def scatter(title: str, description: str, link: Link, row: str, x: Column, y: Column, **more: Any) -> Panel:
    """A point per value of ``row``, on log scales; green where y is above 1."""
    series = {
        "frame": {"matcher": {"id": "byIndex", "options": 0}},
        "x": {"matcher": {"id": "byName", "options": x.title}},
        "y": {"matcher": {"id": "byName", "options": y.title}},
    }
    custom = {
        "show": "points",
        "pointSize": {"fixed": 8},
        "pointShape": "circle",
        "scaleDistribution": {"type": "log", "log": 2},
        "axisGridShow": True,
    }
    return Panel(
        "xychart",
        title,
        description,
        y.unit,
        link,
        (x.query(), y.query()),
        options={
            "mapping": "manual",
            "series": [series],
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
            "tooltip": {"mode": "single", "sort": "none"},
        },
        defaults=thresholds((None, "orange"), (1, "green"))
        | {"custom": custom, "color": {"mode": "thresholds"}},
        overrides=(
            by_name(x.title, unit=x.unit, custom__axisLabel=x.title),
            by_name(y.title, unit=y.unit, custom__axisLabel=y.title),
        ),
        transformations=_joined(row, row, (x, y), ["A", "B"]),
        **more,
    )
