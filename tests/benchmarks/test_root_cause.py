"""The scan on labelled root causes of a real service: how often is the cause named first, or among three?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from alerts.diagnosis.leaves import Leaves
from alerts.diagnosis.likelihood import Direction
from alerts.diagnosis.scan import scan
from alerts.model import Place

CASES: Final = Path(__file__).parents[1] / "fixtures" / "robustspot" / "cases.jsonl"
# A leaf's own rate weighs as much as the common one once it had so many requests.
PSEUDO_REQUESTS: Final = 50.0


def cases() -> list[dict[str, Any]]:
    """The labelled incidents."""
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


def leaves_of(case: dict[str, Any]) -> Leaves:
    """Failures against what each leaf's calm rate, shrunk to the common one, makes of its requests."""
    depth = len(case["dimensions"])
    rows = np.array(case["leaves"], np.int64)
    failures, requests, calm_failures, calm_requests = rows[:, depth:].T.astype(np.float64)
    common = calm_failures.sum() / calm_requests.sum()
    rate = (calm_failures + PSEUDO_REQUESTS * common) / (calm_requests + PSEUDO_REQUESTS)
    names = tuple(tuple(keys) for keys in case["names"])
    return Leaves(tuple(case["dimensions"]), names, rows[:, :depth], failures, rate * requests, requests)


def rank_of_cause(case: dict[str, Any]) -> int | None:
    """At which place the scan names a labelled cause, from 1; None if not at all."""
    causes = [{Place(*one) for one in cause.items()} for cause in case["causes"]]
    named = [set(scope.places) for scope in scan(leaves_of(case), Direction.SURGE)]
    return next((at for at, places in enumerate(named, 1) if places in causes), None)


@pytest.mark.parametrize(("within", "least"), [(1, 0.6), (3, 0.9)])
def test_the_cause_is_named(within: int, least: float) -> None:
    """S12: first in at least 0.6 of the cases, among the first three in at least 0.9."""
    ranks = {case["case"]: rank_of_cause(case) for case in cases()}
    right = [name for name, rank in ranks.items() if rank is not None and rank <= within]
    print(f"named within the first {within}: {len(right)} of {len(ranks)} = {len(right) / len(ranks):.2f}")
    assert len(right) >= least * len(ranks)
