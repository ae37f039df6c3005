"""Writes everything that is generated: dashboards, recording rules, alerts. ``check`` says what has drifted.

Promises: same source, same bytes, so that what is committed can be held against what is built; files
beside them that nothing builds any more are found, too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from grafana.mixin.alerts import Alert, alerts
from grafana.mixin.boards import boards
from grafana.mixin.config import DEFAULT
from grafana.mixin.rules import GROUPS, Recording

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grafana.mixin.config import Config

HERE: Final = Path(__file__).resolve().parent
RUNBOOK: Final = HERE.parent / "alerts" / "RUNBOOK.md"
_DASHBOARDS, _RULES = "dashboards", "prometheus/rules"
_HEAD: Final = "# Written by `make boards`; change grafana/mixin instead.\n"
_RUNBOOK_BOARD: Final = "funnelwatch-runbook"


def generated(config: Config = DEFAULT, runbook: str | None = None) -> dict[str, str]:
    """Every generated file: its path below ``grafana/`` and its text."""
    found = boards(RUNBOOK.read_text("utf-8") if runbook is None else runbook)
    documents = {f"{_DASHBOARDS}/{board.name}.json": board.json() for board in found}
    files = {
        name: json.dumps(board, indent=2, ensure_ascii=False) + "\n" for name, board in documents.items()
    }
    headings = _headings(documents[f"{_DASHBOARDS}/runbook.json"])
    files[f"{_RULES}/recording.yml"] = _yaml(recording_groups())
    files[f"{_RULES}/alerts.yml"] = _yaml(alert_groups(config, headings))
    return files


def write(folder: Path = HERE, config: Config = DEFAULT) -> list[str]:
    """Write them below a folder and remove what is left of former ones; the names of the changed files."""
    drifted = check(folder, config)
    files = generated(config)
    for name in drifted:
        path = folder / name
        if name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name], "utf-8")
        else:
            path.unlink()
    return drifted


def check(folder: Path = HERE, config: Config = DEFAULT) -> list[str]:
    """Names of the files that are missing, differ from what is built, or are built no more."""
    files = generated(config)
    differ = [name for name, text in files.items() if _read(folder / name) != text]
    return sorted({*differ, *(_present(folder) - files.keys())})


def recording_groups() -> list[dict[str, Any]]:
    """The recording rules as Prometheus reads them."""
    return [{"name": name, "rules": [_recorded(rule) for rule in rules]} for name, rules in GROUPS.items()]


def alert_groups(config: Config, headings: Mapping[str, int]) -> list[dict[str, Any]]:
    """The alerts as Prometheus reads them; ``headings`` numbers the runbook's panels.

    Raises:
        KeyError: the runbook has no heading for an alert.
    """
    return [
        {"name": name, "rules": [_alert(alert, config, headings[alert.name]) for alert in found]}
        for name, found in alerts(config).items()
    ]


def _recorded(rule: Recording) -> dict[str, Any]:
    return {"record": rule.name, "expr": rule.expr}


def _alert(alert: Alert, config: Config, panel: int) -> dict[str, Any]:
    found: dict[str, Any] = {"alert": alert.name, "expr": alert.expr}
    found |= {"for": alert.wait} if alert.wait else {}
    found |= {"keep_firing_for": alert.keep} if alert.keep else {}
    return found | {
        "labels": {"severity": alert.severity, "team": "funnelwatch"},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"{config.grafana_url}/d/{_RUNBOOK_BOARD}?viewPanel={panel}",
            "dashboard_url": f"{config.grafana_url}/d/{alert.board}",
        },
    }


def _headings(board: Mapping[str, Any]) -> dict[str, int]:
    return {panel["title"]: panel["id"] for panel in board["panels"] if panel["type"] == "text"}


def _yaml(groups: list[dict[str, Any]]) -> str:
    return _HEAD + yaml.safe_dump({"groups": groups}, sort_keys=False, width=1_000, allow_unicode=True)


def _present(folder: Path) -> set[str]:
    found = [*(folder / _DASHBOARDS).glob("*.json"), *(folder / _RULES).glob("*.yml")]
    return {path.relative_to(folder).as_posix() for path in found}


def _read(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None
