"""What every suite shares: Faust's own warnings, and a summary of what could not run here."""

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
_SKIP_PREFIX = "Skipped: "

# As the command does, before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Excuse the suite that runs Faust agents from Faust's warnings."""
    for item in items:
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
