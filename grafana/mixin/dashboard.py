"""A dashboard: rows of panels, variables, annotations and the links to the others.

Promises: panel numbers and uids follow from names and order alone, so that links outlive a rebuild;
panels fill rows from left to right and never overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from alerts.metrics import INCIDENT_ACTIVE
from grafana.mixin.panels import DATASOURCE, Json
from grafana.mixin.promql import aggregate, of
from grafana.mixin.variables import datasource
from streams.metrics import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grafana.mixin.panels import Panel
    from grafana.mixin.variables import Choice, Variable

WIDTH: Final = 24
# Of Grafana 11; later ones read it and bring it up to theirs.
SCHEMA_VERSION: Final = 39
TAG: Final = "funnelwatch"
INCIDENT_LABELS: Final = INCIDENT_ACTIVE.labels


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard.

    Attributes:
        name: of its file; its uid is this with the prefix ``funnelwatch-``.
        title: as it is listed.
        description: for whom, and what it answers.
        variables: besides the data source.
        since: what is shown at first, as Grafana writes it.
        refresh: how often it is asked anew; empty for not by itself.
    """

    name: str
    title: str
    description: str
    variables: tuple[Variable | Choice, ...]
    rows: tuple[Row, ...]
    since: str = "now-1h"
    refresh: str = "10s"

    @property
    def uid(self) -> str:
        """How others link to it."""
        return f"{TAG}-{self.name}"

    def json(self) -> Json:
        """What Grafana reads from the file."""
        return {
            "id": None,
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": False,
            "fiscalYearStartMonth": 0,
            "graphTooltip": 1,
            "refresh": self.refresh,
            "time": {"from": self.since, "to": "now"},
            "timepicker": {},
            "timezone": "browser",
            "weekStart": "",
            "templating": {"list": [datasource(), *(one.json() for one in self.variables)]},
            "annotations": {"list": _marks() if self.variables else []},
            "links": [_others()],
            "panels": [*_placed(self.rows)],
        }


def _placed(rows: tuple[Row, ...]) -> Iterator[Json]:
    number, top = 0, 0
    for row in rows:
        number += 1
        yield _heading(row.title, number, top)
        top += 1
        x = height = 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, top, height = 0, top + height, 0
            number += 1
            yield panel.json(number, x, top)
            x, height = x + panel.width, max(height, panel.height)
        top += height


def _heading(title: str, number: int, top: int) -> Json:
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": top},
        "panels": [],
    }


def _others() -> Json:
    """All boards of this mixin, keeping time and variables."""
    return {
        "type": "dashboards",
        "title": "Funnelwatch",
        "tags": [TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


PROMOTIONS: Final = aggregate("max", of(catalog.PROMOTION_ACTIVE), "promotion", "phase")
INCIDENTS: Final = aggregate("max", of(INCIDENT_ACTIVE), *INCIDENT_LABELS)


def _marks() -> list[Json]:
    """Promotions and incidents as regions in every chart, asked of Prometheus."""
    return [
        _annotation("Promotions", PROMOTIONS, "{{promotion}}: {{phase}}", "promotion,phase", "purple"),
        _annotation(
            "Incidents", INCIDENTS, "{{kind}} {{dimension}} {{key}}", ",".join(INCIDENT_LABELS), "red"
        ),
    ]


def _annotation(name: str, expr: str, title: str, tags: str, color: str) -> Json:
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": expr,
        "step": "30s",
        "tagKeys": tags,
        "titleFormat": title,
        "textFormat": "",
        "useValueForTime": False,
    }
