"""From settings to channels: every kind, its secrets, and what is missing."""

from __future__ import annotations

import sys
import typing
from typing import TYPE_CHECKING, Any

import pytest

from alerts.notify.apprise import AppriseCarrier
from alerts.notify.base import Verdict, Why
from alerts.notify.guard import Guard
from alerts.notify.registry import ChannelKind, ChannelPlan, channel_of, open_carrier, plan_of
from alerts.notify.secrets import Secret
from streams.config_channels import ChannelEntry, KindName
from streams.errors import ConfigError
from tests.support.channels import HTTP_KINDS, plan
from tests.support.clock import ManualClock
from tests.support.messages import message

if TYPE_CHECKING:
    from pathlib import Path


def entry(**fields: Any) -> dict[str, Any]:
    """An entry as plain data."""
    return ChannelEntry.model_validate({"name": "ops", "kind": "slack", "url_env": "URL"} | fields).plain()


def test_the_settings_know_every_kind() -> None:
    """Those of the settings are those that there are."""
    assert typing.get_args(KindName) == tuple(kind.value for kind in ChannelKind)


def test_secrets_are_read_where_they_are_named(tmp_path: Path) -> None:
    """From variables and files; the plan's repr shows none."""
    (tmp_path / "secret").write_text("s3cret-word\n", encoding="utf-8")
    plain = entry(kind="dingtalk", secret_file="secret", proxy_env="PROXY", allow_networks=["10.0.0.0/8"])
    found = plan_of(plain, {"URL": "https://d.example/1234567", "PROXY": "http://p:1"}, tmp_path)
    assert (found.url, found.secret) == (Secret("https://d.example/1234567"), Secret("s3cret-word"))
    assert found.guard.proxy == Secret("http://p:1")
    assert found.guard.permits("10.1.1.1")
    assert "s3cret-word" not in repr(found)
    assert "1234567" not in repr(found)


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    """The setting is named, and the channel by its name."""
    with pytest.raises(ConfigError) as refusal:
        plan_of(entry(), {}, tmp_path)
    assert refusal.value.field == "notify.channels.ops.url_env"


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_every_kind_can_be_made(kind: str) -> None:
    """With what it needs; without, it is said what is missing."""
    assert channel_of(plan(kind)).traits.rates
    with pytest.raises(ConfigError, match=kind):
        channel_of(ChannelPlan("ops", ChannelKind(kind)))


async def test_authorities_that_cannot_be_read(tmp_path: Path) -> None:
    """It is said which setting is wrong."""
    some = ChannelPlan(
        "ops", ChannelKind.SLACK, Secret("https://s.example"), guard=Guard(ca_file=tmp_path / "no")
    )
    with pytest.raises(ConfigError, match=r"ops\.ca_file"):
        async with open_carrier(some, ManualClock()):
            pass


async def test_apprise_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed, that is the outcome."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    some = ChannelPlan("ops", ChannelKind.APPRISE, Secret("apprise://json://x"))
    async with open_carrier(some, ManualClock()) as carrier:
        assert isinstance(carrier, AppriseCarrier)
        outcome = await carrier.deliver(message())
    assert (outcome.verdict, outcome.why) == (Verdict.REFUSED, Why.NOT_INSTALLED)
