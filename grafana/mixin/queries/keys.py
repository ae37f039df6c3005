"""Keys of one dimension beside each other: traffic, conversion, money, movers, the scorecard.

A variable of the dimension's name chooses keys, so that going from slots to banners takes no slot along;
``(other)`` is what is not exported by name.
"""

from __future__ import annotations

from typing import Final

from grafana.mixin import rules
from grafana.mixin.promql import Like, aggregate, of
from grafana.mixin.queries.funnel import CLICK, PAID
from streams.metrics import catalog

_MINUTE: Final = 60
_TOP: Final = 10
_EXPOSURE: Final = "exposure"
# Of the busiest keys only: a chart of 200 lines shows nothing.
_LINES: Final = 15


def _sum(recording: rules.Recording, dimension: str, back: str = "", **labels: str) -> str:
    """By key, for the chosen keys."""
    found = "".join(f',{name}="{value}"' for name, value in labels.items())
    chosen = f'{recording.name}{{job="$job",dimension="{dimension}",key=~"${dimension}"{found}}}'
    return f"sum by (key) ({chosen}{f' offset {back}' if back else ''})"


def exposures(dimension: str, back: str = "") -> str:
    """Exposures a minute."""
    return f"{_sum(rules.NODE_EVENTS, dimension, back, node=_EXPOSURE)} * {_MINUTE}"


def clicks(dimension: str, back: str = "") -> str:
    """Visitors who click, a minute."""
    return f"{_sum(rules.NODE_VISITORS, dimension, back, node=CLICK)} * {_MINUTE}"


def click_through(dimension: str, back: str = "") -> str:
    """Clicks by exposure."""
    return _sum(rules.CTR, dimension, back)


def conversion(dimension: str, back: str = "") -> str:
    """Visitors who paid by visitors who clicked, in five minutes."""
    return _sum(rules.CVR, dimension, back)


def orders(dimension: str, back: str = "", status: str = PAID) -> str:
    """Orders a minute."""
    return f"{_sum(rules.ORDERS, dimension, back, status=status)} * {_MINUTE}"


def money(dimension: str, back: str = "", kind: str = PAID) -> str:
    """Money a minute, in units of the currency."""
    found = _sum(rules.REVENUE, dimension, back, currency="$currency", kind=kind)
    return f"{found} * {_MINUTE} / $minor_units"


def busiest(expression: str) -> str:
    """The series that are largest at each moment."""
    return f"topk({_LINES}, {expression})"


def gained(now: str, then: str) -> str:
    """The keys that gained most; a new one gained all it has, if anything is known of then."""
    return f"sort_desc(topk({_TOP}, ({now}) - (({then}) or ({now}) * 0) > 0 and on () ({then})))"


def fell(now: str, then: str) -> str:
    """The keys that lost most, as what they lost; one that vanished lost all it had."""
    return f"sort_desc(topk({_TOP}, ({then}) - (({now}) or ({then}) * 0) > 0))"


def fell_where_known(now: str, then: str) -> str:
    """The keys whose ratio fell most; without clicks there is no ratio, and that is not 0."""
    return f"sort_desc(topk({_TOP}, ({then}) - ({now}) > 0))"


def much_exposed(dimension: str) -> str:
    """Exposures over those of the middle key; only keys that also have clicks."""
    found = _sum(rules.NODE_EVENTS, dimension, node=_EXPOSURE)
    return f"({found} / scalar(quantile(0.5, {found} > 0))) and on (key) {_relative(dimension)}"


def converts_well(dimension: str) -> str:
    """Paid by click over that of the whole dimension; only keys of which something was sold."""
    return _relative(dimension)


def _relative(dimension: str) -> str:
    whole = [f"sum({_sum(rules.NODE_VISITORS, dimension, node=node)})" for node in (PAID, CLICK)]
    return f"({conversion(dimension)} / scalar({whole[0]} / ({whole[1]} > 0)) > 0)"


def step(spec: catalog.MetricSpec, dimension: str) -> str:
    """A step of each chosen key in the window: its ratio, a bound of it, or what was expected."""
    found = of(spec, dimension=dimension, key=Like(f"${dimension}"), window="$window", to_node="$step")
    return aggregate("max", found, "key")


def entered(dimension: str, window: str = "$window") -> str:
    """What paid in the window, by key."""
    found = of(catalog.WINDOW_ENTRIES, dimension=dimension, node=PAID, window=window)
    return aggregate("max", found, "key")


def exported(spec: catalog.MetricSpec, dimension: str) -> str:
    """Keys known or shown, over all workers."""
    return f"sum({of(spec, dimension=dimension)})"


def other_share(dimension: str) -> str:
    """Share of clicks that are of keys not exported by name."""
    found = [
        f'sum({rules.NODE_VISITORS.name}{{job="$job",dimension="{dimension}",node="{CLICK}"{key}}})'
        for key in (',key="(other)"', "")
    ]
    return f"{found[0]} / ({found[1]} > 0)"
