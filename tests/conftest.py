"""What every suite shares: who may run beside whom, Faust's own warnings, a summary of what could not run."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

# Faust leaves loops open when its app is dropped; ours are closed, so only its suite is excused.
_FAUST_WARNINGS = (
    "ignore:unclosed event loop:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
_FAUST_SUITE = Path(__file__).parent / "faust"
# What starts brokers and workers has one process of pytest's to itself: two of them would want four cores.
_HEAVY_SUITES = tuple(Path(__file__).parent / name for name in ("integration", "chaos", "faust"))
_SKIP_PREFIX = "Skipped: "

# As the command does, before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what is heavy in one process; excuse the suite that runs Faust agents from Faust's warnings."""
    for item in items:
        if any(item.path.is_relative_to(suite) for suite in _HEAVY_SUITES):
            item.add_marker(pytest.mark.xdist_group("heavy"))
        if item.path.is_relative_to(_FAUST_SUITE):
            for warning in _FAUST_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was skipped and why, so that a green run never hides what it did not run."""
    counts = count_skipped(terminalreporter.stats.get("skipped", ()))
    if not counts:
        return
    terminalreporter.section("NOT RUN HERE")
    for (reason, file), count in sorted(counts.items()):
        tests = "1 test" if count == 1 else f"{count} tests"
        terminalreporter.write_line(f"{file}: {tests} skipped: {reason}")


def count_skipped(reports: Iterable[pytest.TestReport | pytest.CollectReport]) -> Counter[tuple[str, str]]:
    """How many tests of a file were skipped for one reason, keyed by (reason, file)."""
    counts: Counter[tuple[str, str]] = Counter()
    for report in reports:
        where, what = report.nodeid.split("::")[0], report.longrepr
        # A skip is reported as (file, line, reason); anything else is a plain text.
        reason = what[2] if isinstance(what, tuple) else str(what)
        counts[reason.removeprefix(_SKIP_PREFIX), where] += 1
    return counts
