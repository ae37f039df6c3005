"""Dashboard variables filled in as Grafana does: asked of Prometheus one after the other, first value taken.

No Grafana runs in these tests; this is as much of it as queries need. What is chosen by hand there is
handed in here; a variable of several values stands for all of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.prometheus_server import PrometheusServer, Sample

_USED: Final = re.compile(r"\$(?:\{([a-z_]\w*)\}|([a-z_]\w*))")
_QUERY: Final = re.compile(r"(label_values|query_result)\((.+)\)")
_LABEL: Final = re.compile(r"(.+), (\w+)")


class NoValue(Exception):  # noqa: N818  # says what happened
    """A variable has no value: its query answers nothing, or its regular expression fits nothing."""


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables' values.

    Raises:
        KeyError: a variable has none.
    """
    return _USED.sub(lambda found: values[found[1] or found[2]], text)


def values_of(
    board: Mapping[str, Any], server: PrometheusServer, chosen: Mapping[str, str]
) -> dict[str, str]:
    """Values of a board's variables, and of those that Grafana has itself.

    Args:
        board: a dashboard.
        server: who is asked.
        chosen: what is not asked for, by name.

    Raises:
        NoValue: of a variable.
    """
    values = {"__rate_interval": "30s", "__range": "5m", "__interval": "15s"}
    for variable in board["templating"]["list"]:
        values[variable["name"]] = chosen.get(variable["name"]) or _value(variable, server, values)
    return values


def _value(variable: Mapping[str, Any], server: PrometheusServer, values: Mapping[str, str]) -> str:
    if variable["type"] != "query":
        return str(variable.get("current", {}).get("value", variable["query"]))
    found = _answers(filled(variable["query"]["query"], values), server)
    pattern = variable["regex"].strip("/")
    fitting = [match[1] for one in found if (match := re.search(pattern, one))] if pattern else found
    if not fitting:
        raise NoValue(f"${variable['name']}: {found}")
    return ".*" if variable["multi"] else fitting[0]


def _answers(query: str, server: PrometheusServer) -> list[str]:
    kind, inner = _QUERY.fullmatch(query).groups()  # type: ignore[union-attr]  # a test sees to the form
    if kind == "query_result":
        return [_line(sample) for sample in server.query(inner)]
    found = _LABEL.fullmatch(inner)
    selector, label = found.groups() if found else (None, inner)
    samples = server.query(f"group by ({label}) ({selector})")
    return sorted(sample.labels[label] for sample in samples)


def _line(sample: Sample) -> str:
    """One answer as Grafana writes it: labels, value, time."""
    labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items() if name != "__name__")
    return f"{{{labels}}} {sample.value:.15g} 0"
