"""The table of channels and checks is what the suite has: nothing missing, nothing that is not run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.contract_table import TABLE, checked, table_of

HERE: Final = Path(__file__).parent


@pytest.mark.skipif(os.environ.get("CONTRACT_TABLE") == "write", reason="it is being written")
@pytest.mark.skipif(not importlib.util.find_spec("apprise"), reason="the extra [apprise] is not installed")
def test_the_table_is_what_the_suite_has() -> None:
    """Every check of every channel that would be run, and no other. What does not pass makes the run fail."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", str(HERE)]
    listed = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, check=False)
    assert listed.returncode == 0, listed.stdout
    found = [checked(line) for line in listed.stdout.splitlines() if "::" in line]
    assert TABLE.read_text(encoding="utf-8") == table_of(one for one in found if one is not None)
