"""What telling goes by is whole before it is gone by."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from alerts.notify.guard import Guard
from alerts.notify.registry import ChannelKind
from alerts.notify_plan import channel_rule, pipeline_of
from alerts.stages.route import Route
from streams.errors import ConfigError
from tests.support.telling import channel

if TYPE_CHECKING:
    from pathlib import Path


def test_machines_are_told_one_by_one_and_much() -> None:
    """People are told together what there is no budget for."""
    rules = {
        kind: channel_rule(channel("c", "http://c", kind), None)
        for kind in (ChannelKind.ALERTMANAGER, ChannelKind.SLACK)
    }
    machine, people = rules.values()
    assert (machine.digests, people.digests) == (False, True)
    assert machine.budget.messages > 10 * people.budget.messages
    assert (machine.resend_ms, people.resend_ms) == (60_000, None)


def test_a_file_of_authorities_is_read_now(tmp_path: Path) -> None:
    """Not when the channel is opened: then the settings would have been taken up."""
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    for path in (file, tmp_path / "missing.pem"):
        plan = replace(channel("ops", "https://c"), guard=Guard(ca_file=path))
        with pytest.raises(ConfigError, match="file with certificates") as refusal:
            channel_rule(plan, None)
        assert refusal.value.field == "notify.channels.ops.ca_file"


def test_a_route_to_nowhere_is_refused() -> None:
    """Nobody would hear of it."""
    with pytest.raises(ConfigError, match="not boss"):
        pipeline_of((Route("r", ("boss",)),), {}, worse_factor=2.0, linger_ms=0, order_nodes=frozenset())
