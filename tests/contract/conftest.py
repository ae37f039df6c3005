"""``CONTRACT_TABLE=write``: the table of channels and checks is written from what passed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.support.contract_table import TABLE, Checked, checked, table_of

if TYPE_CHECKING:
    import pytest


class TableWriter:
    """A plugin of the process that hears of all tests, also if others run them."""

    def __init__(self) -> None:
        self._passed: set[Checked] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what passed."""
        found = checked(report.nodeid)
        if found is not None and report.when == "call" and report.passed:
            self._passed.add(found)

    def pytest_sessionfinish(self) -> None:
        """Write it."""
        TABLE.write_text(table_of(self._passed), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Only if asked for, and only in one process."""
    if os.environ.get("CONTRACT_TABLE") == "write" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(TableWriter())
