"""Who gained and who lost, as Prometheus works it out: keys that came and keys that vanished among them."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from grafana.mixin.queries import keys

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.prometheus

NOW = {"grew": 5, "shrank": 1, "new": 3}
THEN = {"grew": 2, "shrank": 6, "gone": 4}


def assert_answer(folder: Path, expr: str, expected: dict[str, int], then: dict[str, int]) -> None:
    """What promtool says of an expression over the series ``now`` and ``then``."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("no promtool")
    series = {f'now{{key="{key}"}}': n for key, n in NOW.items()}
    series |= {f'then{{key="{key}"}}': n for key, n in then.items()}
    samples = [{"labels": f'{{key="{key}"}}', "value": value} for key, value in expected.items()]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": str(value)} for name, value in series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": "0m", "exp_samples": samples}],
    }
    file = folder / "movers.yml"
    file.write_text(json.dumps({"tests": [test]}))  # JSON is YAML
    done = subprocess.run([program, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_key_gained_all_it_has(tmp_path: Path) -> None:
    """Beside those that grew; who shrank did not gain."""
    assert_answer(tmp_path, keys.gained("now", "then"), {"grew": 3, "new": 3}, THEN)


def test_nothing_is_gained_on_a_time_of_which_nothing_is_known(tmp_path: Path) -> None:
    """Else everything would be new on the first day."""
    assert_answer(tmp_path, keys.gained("now", "then"), {}, {})


def test_a_key_that_vanished_lost_all_it_had(tmp_path: Path) -> None:
    """A slot that is not shown any more stands above all others."""
    assert_answer(tmp_path, keys.fell("now", "then"), {"gone": 4, "shrank": 5}, THEN)


def test_a_ratio_of_nothing_did_not_fall(tmp_path: Path) -> None:
    """Who has no clicks has no conversion, and that is not 0."""
    assert_answer(tmp_path, keys.fell_where_known("now", "then"), {"shrank": 5}, THEN)
