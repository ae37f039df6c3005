"""Dashboard variables: the data source, the deployment, and what is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from grafana.mixin.panels import DATASOURCE, Json
from grafana.mixin.promql import of
from streams.metrics import catalog

if TYPE_CHECKING:
    from streams.metrics.catalog import MetricSpec

_REFRESH_WITH_TIME: Final = 2
_UNSORTED, _BY_NAME = 0, 1
ALL: Final = "$__all"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable whose values Prometheus tells.

    Attributes:
        query: as Grafana's Prometheus data source reads it.
        regex: which part of each answer is the value.
        several: more than one value may be chosen, and are: all.
        hidden: worked out, not chosen.
    """

    name: str
    label: str
    query: str
    regex: str = ""
    several: bool = False
    hidden: bool = False
    sort: int = _BY_NAME

    def json(self) -> Json:
        """As in a dashboard's ``templating``."""
        found: Json = {
            "type": "query",
            "name": self.name,
            "label": self.label,
            "datasource": DATASOURCE,
            "definition": self.query,
            "query": {"qryType": 5, "query": self.query, "refId": f"Variable-{self.name}"},
            "refresh": _REFRESH_WITH_TIME,
            "regex": self.regex,
            "sort": self.sort,
            "multi": self.several,
            "includeAll": self.several,
            "hide": 2 if self.hidden else 0,
            "skipUrlSync": self.hidden,
        }
        if self.several:
            found |= {"allValue": ".*", "current": {"selected": True, "text": ["All"], "value": [ALL]}}
        return found


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable with a fixed list of values; the first is chosen unless ``chosen`` says another."""

    name: str
    label: str
    values: tuple[str, ...]
    chosen: str = ""

    def json(self) -> Json:
        """As in a dashboard's ``templating``."""
        chosen = self.chosen or self.values[0]
        return {
            "type": "custom",
            "name": self.name,
            "label": self.label,
            "query": ",".join(self.values),
            "options": [{"text": v, "value": v, "selected": v == chosen} for v in self.values],
            "current": {"text": chosen, "value": chosen, "selected": True},
            "multi": False,
            "includeAll": False,
            "hide": 0,
            "skipUrlSync": False,
        }


def datasource() -> Json:
    """The data source: no dashboard names one itself."""
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "hide": 0,
        "skipUrlSync": False,
    }


def label_values(spec: MetricSpec, label: str, **labels: str) -> str:
    """A query for the values of a label."""
    return f"label_values({of(spec, **labels)}, {label})"


_START: Final = f"max by (promotion) ({of(catalog.PROMOTION_START)})"
_CHOSEN: Final = f"max({of(catalog.PROMOTION_START, promotion='$promotion')})"
_NAME: Final = '/promotion="([^"]+)"/'

JOB: Final = Variable("job", "Deployment", f"label_values({catalog.BUILD_INFO.name}, job)")
WINDOW: Final = Choice("window", "Window", ("1m", "5m", "15m", "1h", "day"), "5m")
COMPARE: Final = Choice("compare", "Compared with so long ago", ("1w", "1d", "1h", "4w", "52w"))
CURRENCY: Final = Variable("currency", "Currency", label_values(catalog.REVENUE, "currency", dimension="all"))
MINOR: Final = Choice("minor_units", "Minor units per unit", ("100", "1", "1000"))
# The chain of nodes: a step is named by the node that it leads to.
TO_NODE: Final = Variable(
    "to_node",
    "Step to",
    label_values(catalog.WINDOW_RATIO, "to_node", dimension="all"),
    several=True,
    sort=_UNSORTED,
)
# The promotion that started last is offered first, and as the earlier one the one before it.
PROMOTION: Final = Variable(
    "promotion",
    "Promotion",
    f"query_result(sort_desc({_START} <= time() or {_START} * 0))",
    _NAME,
    sort=_UNSORTED,
)
PREVIOUS: Final = Variable(
    "previous",
    "Earlier promotion",
    f"query_result(sort_desc({_START} < on() group_left() {_CHOSEN} or {_START} * 0))",
    _NAME,
    sort=_UNSORTED,
)
# Seconds from the earlier promotion's start to this one's; 0 where one of them is not known.
ALIGNED: Final = Variable(
    "aligned",
    "Seconds between their starts",
    f"query_result(round({_CHOSEN} - max({of(catalog.PROMOTION_START, promotion='$previous')})) or vector(0))",
    "/ (-?[0-9]+) /",
    hidden=True,
    sort=_UNSORTED,
)
