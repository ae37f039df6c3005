"""Alerts on Funnelwatch itself: what each must carry, and that the runbook knows it."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from alerts.model import Kind
from grafana.build import RUNBOOK
from grafana.mixin.runbook import entries
from tests.support.boards import dashboards, rules

ALERTS: Final = [rule for rule in rules() if "alert" in rule]
NAMES: Final = [rule["alert"] for rule in ALERTS]
ENTRIES: Final = {entry.name: entry for entry in entries(RUNBOOK.read_text("utf-8"))}
CAMEL: Final = re.compile(r"Funnelwatch([A-Z][a-z]+)+")
LABEL: Final = re.compile(r"\$labels\.(\w+)")


def test_an_alert_has_one_name() -> None:
    """CamelCase with the project's name in front, and no two the same."""
    assert len(set(NAMES)) == len(NAMES)
    assert all(CAMEL.fullmatch(name) for name in NAMES)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_to_do(alert: dict[str, Any]) -> None:
    """Severity and team, a summary, a description, a board, and its own heading of the runbook."""
    assert alert["labels"]["severity"] in {"critical", "warning", "none"}
    assert alert["labels"]["team"] == "funnelwatch"
    said = alert["annotations"]
    assert said["summary"]
    assert said["description"].endswith(".")
    uid = said["dashboard_url"].rpartition("/")[2]
    assert uid in {board["uid"] for board in dashboards().values()}
    number = int(said["runbook_url"].partition("viewPanel=")[2])
    (panel,) = [panel for panel in dashboards()["runbook"]["panels"] if panel["id"] == number]
    assert panel["title"] == alert["alert"]
    assert panel["options"]["content"] == ENTRIES[alert["alert"]].text


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_names_labels_that_it_has(alert: dict[str, Any]) -> None:
    """What its text asks of ``$labels`` is left by its expression."""
    text = " ".join(alert["annotations"].values())
    kept = (
        set(re.findall(r"by \(([^)]*)\)", alert["expr"])[0].split(", ")) if "by (" in alert["expr"] else set()
    )
    recorded = {"topic"} if alert["expr"].startswith("topic:") else set()
    scraped = {"instance", "job"} if alert["expr"].startswith("up{") else set()
    assert set(LABEL.findall(text)) <= kept | recorded | scraped


def test_the_runbook_is_whole() -> None:
    """One heading per alert and per kind of incident, in the words that operators see, and none besides."""
    assert {name for name, entry in ENTRIES.items() if entry.is_alert} == set(NAMES)
    assert {name for name, entry in ENTRIES.items() if not entry.is_alert} == {kind.value for kind in Kind}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.name)
def test_a_heading_says_what_it_means_and_what_to_do(entry: Any) -> None:
    """Three words that one finds at night: what it means, what to look at, what to do."""
    assert [word for word in ("**Means**", "**Look at**", "**Do**") if word not in entry.text] == []
