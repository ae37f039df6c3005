"""The funnel of one key (by default of the whole shop): entries, steps, rates of traffic and money.

Windowed ratios are worked out by Funnelwatch and come with their interval and expectation; ``$window``
chooses which. Comparisons ask the same of an earlier time: ``$compare`` ago, or ``$aligned`` seconds
ago, which is the same moment of the earlier promotion.
"""

from __future__ import annotations

from typing import Final

from grafana.mixin import rules
from grafana.mixin.promql import aggregate, of
from streams.funnel import ALL
from streams.metrics import catalog

STEP: Final = ("from_node", "to_node")
PAID: Final = "paid"
CLICK: Final = "click"
COMPARED: Final = "$compare"
ALIGNED: Final = "${aligned}s"
_MINUTE: Final = 60


def entries(dimension: str = ALL, key: str = ALL, window: str = "$window", back: str = "") -> str:
    """What came to each node in the window; the funnel from wide to narrow."""
    found = of(catalog.WINDOW_ENTRIES, back=back, dimension=dimension, key=key, window=window)
    return f"sort_desc({aggregate('max', found, 'node')})"


def entered(node: str, window: str = "$window", back: str = "") -> str:
    """What came to one node of the whole shop in the window."""
    return f"max({of(catalog.WINDOW_ENTRIES, back=back, dimension=ALL, key=ALL, node=node, window=window)})"


def conversion(window: str = "$window", back: str = "") -> str:
    """Visitors who paid by visitors who clicked, in the window."""
    return f"{entered(PAID, window, back)} / ({entered(CLICK, window, back)} > 0)"


def step(spec: catalog.MetricSpec, *, to_node: str = "", window: str = "$window", back: str = "") -> str:
    """A step of the whole shop in the window: its ratio, a bound of it, or what was expected."""
    to: dict[str, str] = {"to_node": to_node} if to_node else {}
    found = of(spec, back=back, dimension=ALL, key=ALL, window=window, **to)
    return aggregate("max", found, *STEP)


def against_expected(window: str = "$window") -> str:
    """Each step's ratio over what was to be expected; 1 is as expected."""
    return (
        f"{step(catalog.WINDOW_RATIO, window=window)} / ({step(catalog.WINDOW_EXPECTED, window=window)} > 0)"
    )


def entered_step(window: str = "$window") -> str:
    """What came to the node that a step leaves, by that node."""
    found = of(catalog.WINDOW_ENTRIES, dimension=ALL, key=ALL, window=window)
    return aggregate("max", f'label_replace({found}, "from_node", "$1", "node", "(.*)")', "from_node")


def money(back: str = "", kind: str = PAID) -> str:
    """Money a minute, in units of the currency."""
    found = rules.REVENUE.of(back, dimension=ALL, currency="$currency", kind=kind)
    return f"sum({found}) * {_MINUTE} / $minor_units"


def orders(back: str = "", status: str = PAID) -> str:
    """Orders a minute."""
    return f"sum({rules.ORDERS.of(back, dimension=ALL, status=status)}) * {_MINUTE}"


def order_value(back: str = "") -> str:
    """Money by paid order, in units of the currency."""
    value = f"sum({rules.REVENUE.of(back, dimension=ALL, currency='$currency', kind=PAID)})"
    return f"{value} / (sum({rules.ORDERS.of(back, dimension=ALL, status=PAID)}) > 0) / $minor_units"


def clicks(back: str = "") -> str:
    """Visitors who click, a minute."""
    return f"sum({rules.NODE_VISITORS.of(back, dimension=ALL, node=CLICK)}) * {_MINUTE}"


def click_through(back: str = "") -> str:
    """Clicks by exposure."""
    return f"sum({rules.CTR.of(back, dimension=ALL)})"


def earned(span: str = "$__range") -> str:
    """Money in a span, by kind, in units of the currency."""
    found = of(catalog.REVENUE, span=span, dimension=ALL, currency="$currency")
    return f"sum by (kind) (increase({found})) / $minor_units"
