"""The short form of ``make chaos``: every kind of fault once, on one broker and on three, and exact counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.plan import Kind
from tests.chaos.run import Spec, run
from tests.integration.conftest import skip_if_unavailable
from tests.support.apache_kafka import java_command

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("brokers", "seed"), [(1, 101), (3, 103)])
async def test_whatever_goes_wrong_counts_are_exact(brokers: int, seed: int, tmp_path: Path) -> None:
    """Every figure is the oracle's after workers, brokers and connections went away and came back."""
    with skip_if_unavailable():
        java_command()
    result = await run(Spec(seed=seed, brokers=brokers, seconds=45, rate=1_000), tmp_path)
    journal = (tmp_path / "journal.log").read_text()
    assert set(result.faults) == set(Kind), journal
    assert result.fair, f"a topic stood still for {result.stall_s} s\n{journal}"
    # A stream without them would prove less.
    assert {"accepted", "late", "too_late", "duplicate", "invalid", "future"} <= set(result.outcomes)
    assert [str(difference) for difference in result.differences[:20]] == [], journal
    assert result.exact
