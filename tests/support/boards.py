"""What is committed for Grafana and Prometheus, as data: every panel, and every PromQL expression with its place.

Reads the files that are deployed, not the code that builds them.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
DASHBOARDS: Final = ROOT / "grafana" / "dashboards"
RULES: Final = ROOT / "grafana" / "prometheus" / "rules"
_METRIC: Final = re.compile(r"(?:[a-z]+:)?funnelwatch_[a-z0-9_]+(?::[a-z0-9_]+)?")
# What Grafana's Prometheus data source lets a variable ask.
_VARIABLE: Final = re.compile(r"(label_values|query_result)\((.+)\)")
_LABEL: Final = re.compile(r"(.+), (\w+)")


class Expression(NamedTuple):
    """One PromQL expression.

    Attributes:
        place: board, or file of rules, and what asks there.
        expr: as it is written, with variables.
    """

    place: str
    expr: str


@functools.cache
def dashboards() -> dict[str, dict[str, Any]]:
    """The committed dashboards by name of their files."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every panel that is no heading, with its board."""
    for name, board in dashboards().items():
        for panel in board["panels"]:
            if panel["type"] != "row":
                yield name, panel


@functools.cache
def rules() -> tuple[dict[str, Any], ...]:
    """Every committed rule, recording or alert."""
    files = (yaml.safe_load(path.read_text("utf-8")) for path in sorted(RULES.glob("*.yml")))
    return tuple(rule for found in files for group in found["groups"] for rule in group["rules"])


def asked_by_panels() -> Iterator[Expression]:
    """Of every query of every panel."""
    for name, panel in panels():
        for target in panel.get("targets", ()):
            yield Expression(f"{name}: {panel['title']} {target['refId']}", target["expr"])


def asked_by_annotations() -> Iterator[Expression]:
    """Of every annotation."""
    for name, board in dashboards().items():
        for mark in board["annotations"]["list"]:
            yield Expression(f"{name}: {mark['name']}", mark["expr"])


def asked_by_variables() -> Iterator[Expression]:
    """Of every variable: its series, or its result."""
    for name, board in dashboards().items():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                found = _VARIABLE.fullmatch(variable["query"]["query"])
                assert found, variable
                kind, inner = found.groups()
                label = _LABEL.fullmatch(inner) if kind == "label_values" else None
                yield Expression(f"{name}: ${variable['name']}", label[1] if label else inner)


def asked_by_rules() -> Iterator[Expression]:
    """Of every rule."""
    for rule in rules():
        yield Expression(f"rules: {rule.get('alert', rule.get('record'))}", rule["expr"])


def asked() -> tuple[Expression, ...]:
    """All of them."""
    return (*asked_by_panels(), *asked_by_annotations(), *asked_by_variables(), *asked_by_rules())


def metrics_in(expr: str) -> set[str]:
    """Names of Funnelwatch's series, exported or recorded, in an expression."""
    return set(_METRIC.findall(expr))
