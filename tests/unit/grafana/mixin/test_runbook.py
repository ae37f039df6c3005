"""Reading the runbook."""

from __future__ import annotations

import pytest

from grafana.mixin.runbook import entries

TEXT = """# Runbook

What it is.

## Alerts

### FunnelwatchDown
**Means** it.

### FunnelwatchStale
Old.

## Kinds

### mix_shift
Moved.
"""


def test_headings_are_entries_of_their_part() -> None:
    """In order, without the headings themselves; an alert is known by its name."""
    found = entries(TEXT)
    assert [(entry.part, entry.name, entry.text, entry.is_alert) for entry in found] == [
        ("Alerts", "FunnelwatchDown", "**Means** it.", True),
        ("Alerts", "FunnelwatchStale", "Old.", True),
        ("Kinds", "mix_shift", "Moved.", False),
    ]


@pytest.mark.parametrize("text", ["### a\nx\n", "## p\n### a\nx\n### a\ny\n"])
def test_a_heading_without_part_or_twice_is_refused(text: str) -> None:
    """Links could not tell which is meant."""
    with pytest.raises(ValueError, match="runbook: a"):
        entries(text)
