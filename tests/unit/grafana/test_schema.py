"""The committed dashboards against Grafana's own schemas: what they do not know, Grafana may drop or refuse."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from tests.support.boards import dashboards, panels

SCHEMAS: Final = Path(__file__).parents[2] / "fixtures" / "grafana"
ANYTHING: Final = {"type": "object", "additionalProperties": {}}
PANELS: Final = [pytest.param(panel, id=f"{board}-{panel['id']}") for board, panel in panels()]


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """One of the schemas."""
    found: dict[str, Any] = _read(json.loads((SCHEMAS / f"{name}.jsonschema.json").read_text("utf-8")))
    return found


def _read(found: Any) -> Any:
    """As it is meant: see the fixture's README."""
    if isinstance(found, dict):
        if ANYTHING.items() <= found.items():
            return {}
        return {key: _read(one) for key, one in found.items()}
    return [_read(one) for one in found] if isinstance(found, list) else found


def wrong(name: str, found: Any, part: str = "") -> list[str]:
    """What a schema, or a part of it, has against a document."""
    whole = schema(name)
    asked = {"$ref": f"#/definitions/{part}", "definitions": whole["definitions"]} if part else whole
    errors = jsonschema.Draft7Validator(asked).iter_errors(found)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in errors]


@pytest.mark.parametrize("name", sorted(dashboards()))
def test_a_dashboard_is_one(name: str) -> None:
    """Variables, annotations, links and panels have the shape that Grafana writes."""
    assert wrong("dashboard", dashboards()[name]) == []


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_has_the_options_of_its_kind(panel: dict[str, Any]) -> None:
    """Options and field settings are complete, and none is unknown to the panel."""
    name = panel["type"].replace("-", "")
    assert wrong(name, panel["options"], "Options") == []
    if "FieldConfig" in schema(name)["definitions"]:
        assert wrong(name, panel["fieldConfig"]["defaults"].get("custom", {}), "FieldConfig") == []


def test_the_schemas_would_notice() -> None:
    """A panel without a type's option, an unknown one, and a dashboard with a wrong kind of id are found."""
    (stat,) = [
        panel
        for name, panel in panels()
        if (name, panel["title"]) == ("overview", "Conversion") and panel["type"] == "stat"
    ]
    assert wrong("stat", {key: stat["options"][key] for key in ("textMode", "colorMode")}, "Options")
    assert wrong("xychart", {"thresholdsStyle": {"mode": "dashed"}}, "FieldConfig")
    assert wrong("dashboard", dashboards()["overview"] | {"panels": [{"id": 1}]})
