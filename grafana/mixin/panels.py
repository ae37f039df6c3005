"""Panels as values that become dashboard JSON; none without unit, description and a way on.

What Grafana 11 to 13 read alike: panel types of the core, ``datasource`` by variable, options in the
shape that those versions write themselves. ``pluginVersion`` is always there: without one the scatter
plot takes its options for those of Grafana 10 and breaks them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]
Kind = Literal["stat", "timeseries", "table", "bargauge", "xychart", "state-timeline", "text"]

DATASOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}
PLUGIN_VERSION: Final = "11.0.0"
# Everything that is chosen above stays chosen on the board that one goes to.
KEEP: Final = "${__url_time_range}&${__all_variables}"
_NO_LEGEND: Final[Json] = {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False}
_TOOLTIP: Final[Json] = {"mode": "multi", "sort": "desc"}


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL query of a panel.

    Attributes:
        expr: what is asked.
        legend: name of the series, with ``{{label}}``.
        instant: the newest values only.
        table: as rows, with labels as columns.
    """

    expr: str
    legend: str = ""
    instant: bool = False
    table: bool = False

    def json(self, letter: str) -> Json:
        """As a target; ``letter`` is how transformations call it."""
        return {
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": self.expr,
            "format": "table" if self.table else "time_series",
            "instant": self.instant,
            "legendFormat": self.legend or "__auto",
            "range": not self.instant,
            "refId": letter,
        }


@dataclass(frozen=True, slots=True)
class Link:
    """A way on: a dashboard, or any other address."""

    title: str
    url: str

    def json(self) -> Json:
        """As a panel's link, with every field that the schema wants."""
        flags = dict.fromkeys(("asDropdown", "includeVars", "keepTime"), False)
        return self.data() | flags | {"type": "link", "icon": "", "tooltip": "", "tags": []}

    def data(self) -> Json:
        """As a link of a field's value."""
        return {"title": self.title, "url": self.url, "targetBlank": False}


def to_board(title: str, uid: str, more: str = "") -> Link:
    """A link to another board with the same time and variables; ``more`` sets some of them."""
    return Link(title, f"/d/{uid}?{KEEP}{'&' + more if more else ''}")


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; the functions below make them.

    Attributes:
        unit: of its values, as Grafana calls it.
        link: the drill-down.
        width: of 24.
        height: in Grafana's rows of 30 pixels.
        defaults: of all fields, besides the unit.
        overrides: of single fields.
        repeat: variable for each value of which the panel is drawn.
    """

    kind: Kind
    title: str
    description: str
    unit: str
    link: Link
    queries: tuple[Query, ...] = ()
    width: int = 12
    height: int = 8
    options: Json = field(default_factory=dict)
    defaults: Json = field(default_factory=dict)
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()
    repeat: str = ""

    def json(self, number: int, x: int, y: int) -> Json:
        """The panel at its place."""
        found: Json = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "pluginVersion": PLUGIN_VERSION,
            "links": [self.link.json()],
            "options": self.options,
            "fieldConfig": {"defaults": {"unit": self.unit, **self.defaults}, "overrides": [*self.overrides]},
        }
        if self.queries:
            found["datasource"] = DATASOURCE
            found["targets"] = [query.json(chr(65 + at)) for at, query in enumerate(self.queries)]
        if self.transformations:
            found["transformations"] = [*self.transformations]
        if self.repeat:
            found |= {"repeat": self.repeat, "repeatDirection": "h", "maxPerRow": 24 // self.width}
        return found

    def sized(self, width: int, height: int) -> Panel:
        """The same in another size."""
        return replace(self, width=width, height=height)


def thresholds(*steps: tuple[float | None, str]) -> Json:
    """Colours from a value on; the first value is None."""
    found = [{"value": value, "color": color} for value, color in steps]
    return {"thresholds": {"mode": "absolute", "steps": found}}


def by_name(name: str, **properties: Any) -> Json:
    """An override of one field; ``__`` in a property's name is a dot."""
    found = [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": found}


def by_query(letter: str, **properties: Any) -> Json:
    """An override of what one query answers, for names that hold a variable: matchers know no variables."""
    return by_name("", **properties) | {"matcher": {"id": "byFrameRefID", "options": letter}}


def stat(title: str, description: str, unit: str, link: Link, *queries: Query, **more: Any) -> Panel:
    """One large number, or a few, with its course behind it."""
    options = {
        "colorMode": "value",
        "graphMode": "none" if all(query.instant for query in queries) else "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "percentChangeColorMode": "standard",
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    }
    defaults = thresholds((None, "text")) | more.pop("defaults", {})
    sizes = {"width": 3, "height": 4} | more
    return Panel("stat", title, description, unit, link, queries, options=options, defaults=defaults, **sizes)


def timeseries(title: str, description: str, unit: str, link: Link, *queries: Query, **more: Any) -> Panel:
    """Lines over time."""
    options = {
        "legend": {
            "calcs": ["lastNotNull"],
            "displayMode": "list",
            "placement": "bottom",
            "showLegend": True,
        },
        "tooltip": _TOOLTIP,
    }
    own = more.pop("defaults", {})
    custom = {"lineWidth": 1, "fillOpacity": 0, "showPoints": "never", "spanNulls": False} | own.get(
        "custom", {}
    )
    return Panel(
        "timeseries",
        title,
        description,
        unit,
        link,
        queries,
        options=options,
        defaults={"min": 0} | own | {"custom": custom},
        **more,
    )


def bargauge(title: str, description: str, unit: str, link: Link, *queries: Query, **more: Any) -> Panel:
    """A bar per series, in the order of the answer."""
    options = {
        "displayMode": "gradient",
        "legend": _NO_LEGEND,
        "maxVizHeight": 300,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }
    defaults = {"min": 0} | thresholds((None, "blue")) | more.pop("defaults", {})
    return Panel(
        "bargauge", title, description, unit, link, queries, options=options, defaults=defaults, **more
    )


def table(title: str, description: str, unit: str, link: Link, *queries: Query, **more: Any) -> Panel:
    """Rows of instant answers; see :mod:`grafana.mixin.tables` for how they are joined."""
    sort = more.pop("sort", None)
    options = {
        "cellHeight": "sm",
        "frameIndex": 0,
        "showHeader": True,
        "footer": {"show": False, "reducer": ["sum"], "countRows": False, "fields": []},
        "sortBy": [{"displayName": sort, "desc": True}] if sort else [],
    }
    defaults = {"custom": {"align": "auto", "inspect": False}} | more.pop("defaults", {})
    return Panel("table", title, description, unit, link, queries, options=options, defaults=defaults, **more)


def state_timeline(title: str, description: str, link: Link, *queries: Query, **more: Any) -> Panel:
    """Since when something is on: a coloured bar while the value is 1."""
    options = {
        "alignValue": "left",
        "legend": _NO_LEGEND,
        "mergeValues": True,
        "rowHeight": 0.8,
        "showValue": "never",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    defaults = thresholds((None, "transparent"), (1, more.pop("color", "orange"))) | {
        "custom": {"fillOpacity": 80, "lineWidth": 0, "spanNulls": False},
        "color": {"mode": "thresholds"},
    }
    return Panel(
        "state-timeline",
        title,
        description,
        "none",
        link,
        queries,
        options=options,
        defaults=defaults,
        **more,
    )


def text(title: str, content: str, description: str, link: Link, **more: Any) -> Panel:
    """Markdown."""
    options = {
        "mode": "markdown",
        "content": content,
        "code": {"language": "plaintext", "showLineNumbers": False, "showMiniMap": False},
    }
    return Panel("text", title, description, "none", link, options=options, **more)
