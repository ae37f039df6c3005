"""Prometheus' rules as promtool reads them, and its unit tests of each of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.support.boards import RULES, rules

if TYPE_CHECKING:
    from pathlib import Path

TESTS: Final = RULES.parent / "tests"
# It always fires, so it has no time of silence.
NEVER_SILENT: Final = {"FunnelwatchWatchdog"}
ASKED: Final = re.compile(r'alertname="(\w+)"')

pytestmark = pytest.mark.prometheus


def promtool(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What promtool says."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("no promtool")
    command = [program, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_the_rules_are_in_order() -> None:
    """Lint finds nothing; every file is read."""
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", *sorted(RULES.glob("*.yml")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == len([*RULES.glob("*.yml")])


def test_the_rules_do_what_they_say() -> None:
    """Promtool's unit tests: each alert is silent before and fires after, each recording has its value."""
    done = promtool("test", "rules", *sorted(TESTS.glob("*.yml")))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_its_test() -> None:
    """Each alert is asked for while it is silent and while it fires, each recording for a value."""
    silent, firing, recorded = set[str](), set[str](), set[str]()
    for asked in _expectations():
        found = ASKED.search(asked["expr"])
        if found is None:
            recorded |= {asked["expr"]} if asked["exp_samples"] else set()
        else:
            (firing if asked["exp_samples"] else silent).add(found[1])
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert firing == alerts
    assert silent == alerts - NEVER_SILENT
    assert recorded == {rule["record"] for rule in rules() if "record" in rule}


def _expectations() -> list[dict[str, Any]]:
    files = [yaml.safe_load(path.read_text("utf-8")) for path in sorted(TESTS.glob("*.yml"))]
    return [asked for found in files for test in found["tests"] for asked in test["promql_expr_test"]]


@pytest.mark.parametrize(
    ("expr", "excused"), [("vector(0) > 1", set[str]()), ("vector(1)", NEVER_SILENT)], ids=["never", "always"]
)
def test_the_tests_would_notice(expr: str, excused: set[str], tmp_path: Path) -> None:
    """With alerts that never fire, or fire all the time, each alert's own test fails: none passes by itself."""
    folder = shutil.copytree(RULES.parent, tmp_path / "prometheus")
    file = folder / "rules" / "alerts.yml"
    found = yaml.safe_load(file.read_text("utf-8"))
    for group in found["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
            rule["expr"] = expr
    file.write_text(yaml.safe_dump(found))
    done = promtool("test", "rules", *sorted((folder / "tests").glob("*.yml")))
    failed = set(ASKED.findall(done.stdout + done.stderr))
    assert done.returncode == 1
    assert failed == {rule["alert"] for rule in rules() if "alert" in rule} - excused
