"""What is committed is what is built."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml

from grafana.build import HERE, alert_groups, check, generated, write
from grafana.command import dashboards
from grafana.mixin.config import DEFAULT

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_committed_is_what_is_built() -> None:
    """No dashboard and no rule was changed by hand, and none was forgotten: run `make boards`."""
    assert check() == []


def test_it_is_built_from_itself_alone() -> None:
    """Twice the same bytes."""
    assert generated() == generated()


def test_what_drifted_is_named_and_mended(tmp_path: Path) -> None:
    """Missing, changed and left-over files are found; writing mends all of them, and then nothing is left."""
    assert set(write(tmp_path)) == set(generated())
    (tmp_path / "dashboards" / "slots.json").unlink()
    (tmp_path / "dashboards" / "skus.json").write_text("{}")
    (tmp_path / "prometheus" / "rules" / "former.yml").write_text("groups: []")
    drifted = ["dashboards/skus.json", "dashboards/slots.json", "prometheus/rules/former.yml"]
    assert check(tmp_path) == drifted
    assert write(tmp_path) == drifted
    assert check(tmp_path) == []
    assert not (tmp_path / "prometheus" / "rules" / "former.yml").exists()


def test_the_verb_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Writing succeeds; checking fails as long as something has drifted, and names it."""
    assert dashboards(tmp_path, None, check_only=True) == 1
    assert "drifted  dashboards/overview.json" in capsys.readouterr().out
    assert not (tmp_path / "dashboards").exists()
    assert dashboards(tmp_path, None, check_only=False) == 0
    assert "changed  dashboards/overview.json" in capsys.readouterr().out
    assert dashboards(tmp_path, None, check_only=True) == 0
    assert capsys.readouterr().out == "everything is as it is built\n"


def test_alerts_link_to_the_grafana_that_is_named(tmp_path: Path) -> None:
    """With another address only the alerts change."""
    dashboards(tmp_path, "https://grafana.example/", check_only=False)
    built = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*.*")}
    assert {name for name, text in generated().items() if built[name] != text} == {
        "prometheus/rules/alerts.yml"
    }
    links = [
        rule["annotations"]["runbook_url"]
        for group in yaml.safe_load(built["prometheus/rules/alerts.yml"])["groups"]
        for rule in group["rules"]
    ]
    assert all(link.startswith("https://grafana.example/d/funnelwatch-runbook?") for link in links)


def test_an_alert_without_a_heading_is_refused() -> None:
    """Nobody can add an alert and forget the runbook."""
    with pytest.raises(KeyError, match="FunnelwatchWatchdog"):
        alert_groups(DEFAULT, {})


def test_thresholds_are_settings() -> None:
    """A bound of the settings stands in its alert."""
    text = generated(replace(DEFAULT, lag_records=4711))["prometheus/rules/alerts.yml"]
    assert "> 4711" in text


def test_dashboards_are_in_the_package() -> None:
    """They lie beside the code that builds them, so that an installed Funnelwatch has them."""
    assert (HERE / "dashboards" / "overview.json").exists()
    assert json.loads((HERE / "dashboards" / "overview.json").read_text())["uid"] == "funnelwatch-overview"
