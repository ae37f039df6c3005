"""Charts that several boards have: now and then, and a value within its band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grafana.mixin.panels import Link, Panel, Query, by_name, by_query, timeseries

if TYPE_CHECKING:
    from collections.abc import Callable

    from grafana.mixin.panels import Json

NOW, THEN, EARLIER = "now", "$compare ago", "$previous, same time after its start"


def dashed(letter: str, color: str) -> Json:
    """What a query answers as a dashed line."""
    style = {"fill": "dash", "dash": [6, 6]}
    return by_query(letter, custom__lineStyle=style, color={"mode": "fixed", "fixedColor": color})


def compared(
    title: str,
    description: str,
    unit: str,
    link: Link,
    at: Callable[[str], str],
    **more: Any,
) -> Panel:
    """Now, so long ago, and the earlier promotion at the same time after its start.

    Args:
        title: of the panel.
        description: of the panel; what the lines are is said behind it.
        unit: of all lines.
        link: the drill-down.
        at: the query at an offset; none for now.
        more: further fields of the panel.
    """
    return timeseries(
        title,
        f"{description} Dashed: so long ago, and the earlier promotion at the same time after its start.",
        unit,
        link,
        Query(at(""), NOW),
        Query(at("$compare"), THEN),
        Query(at("${aligned}s"), EARLIER),
        overrides=(
            by_name(NOW, custom__lineWidth=2, color={"mode": "fixed", "fixedColor": "blue"}),
            dashed("B", "orange"),
            dashed("C", "purple"),
        ),
        **more,
    )


def banded(
    title: str,
    description: str,
    unit: str,
    link: Link,
    queries: tuple[str, ...],
    **more: Any,
) -> Panel:
    """A value, its lower and upper bound as a band, and what was expected, in this order."""
    low, high = "95 % from", "95 % to"
    names = ("now", low, high, "expected")
    band = {"mode": "fixed", "fixedColor": "light-blue"}
    return timeseries(
        title,
        description,
        unit,
        link,
        *(Query(query, name) for query, name in zip(queries, names, strict=True)),
        overrides=(
            by_name("now", custom__lineWidth=2, color={"mode": "fixed", "fixedColor": "blue"}),
            by_name(low, custom__lineWidth=0, color=band),
            by_name(high, custom__lineWidth=0, custom__fillBelowTo=low, custom__fillOpacity=20, color=band),
            dashed("D", "green"),
        ),
        **more,
    )
