"""From what is configured to what carries messages: every channel that there is, in one table."""

from __future__ import annotations

import contextlib
import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from alerts.notify.alertmanager import Alertmanager
from alerts.notify.apprise import AppriseCarrier
from alerts.notify.dingtalk import DingTalk
from alerts.notify.discord import Discord
from alerts.notify.feishu import Feishu
from alerts.notify.guard import Guard
from alerts.notify.pagerduty import API as PAGERDUTY
from alerts.notify.pagerduty import PagerDuty
from alerts.notify.secrets import Secret, read_secret
from alerts.notify.sending import HttpCarrier, HttpSender, Patience
from alerts.notify.slack import Slack
from alerts.notify.teams import Teams
from alerts.notify.telegram import API as TELEGRAM
from alerts.notify.telegram import Telegram
from alerts.notify.webhook import Webhook
from alerts.notify.wecom import WeCom
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from alerts.notify.base import Carrier, Channel
    from streams.clock import Clock


class ChannelKind(StrEnum):
    """Channels that there are."""

    SLACK = "slack"
    TEAMS = "teams"
    DISCORD = "discord"
    DINGTALK = "dingtalk"
    FEISHU = "feishu"
    WECOM = "wecom"
    TELEGRAM = "telegram"
    PAGERDUTY = "pagerduty"
    ALERTMANAGER = "alertmanager"
    WEBHOOK = "webhook"
    APPRISE = "apprise"


@dataclass(frozen=True, slots=True)
class ChannelPlan:
    """One configured channel, its secrets read.

    Attributes:
        name: by which routes, metrics and the log know it.
        url: where messages go; of those that are reached by a key or token, where their API is.
        secret: to sign or authenticate with: signature, token, routing key, password.
        username: of basic authentication (Alertmanager).
        chat_id: of Telegram.
        keyword: that a robot wants to find (DingTalk, Feishu).
        source: what PagerDuty names as the place of trouble.
    """

    name: str
    kind: ChannelKind
    url: Secret | None = None
    secret: Secret | None = None
    username: str = ""
    chat_id: str = ""
    keyword: str = ""
    source: str = "funnelwatch"
    guard: Guard = field(default_factory=Guard)
    patience: Patience = field(default_factory=Patience)


def plan_of(plain: Mapping[str, Any], environ: Mapping[str, str], base: Path) -> ChannelPlan:
    """The plan of an entry of ``notify.channels``.

    Args:
        plain: ``ChannelEntry.plain()`` of the settings.
        environ: the variables that secrets are in.
        base: folder of the settings, which files with secrets are relative to.

    Raises:
        ConfigError: a secret is not there or is no secret.
    """
    where = f"notify.channels.{plain['name']}"

    def secret(name: str) -> Secret | None:
        env, file = plain[f"{name}_env"], plain[f"{name}_file"]
        return read_secret(f"{where}.{name}", env=env, file=file, environ=environ, base=base)

    open_url = plain["url"]
    guard = Guard(
        allow_private=plain["allow_private"],
        allow_networks=tuple(ipaddress.ip_network(one) for one in plain["allow_networks"]),
        proxy=secret("proxy"),
        ca_file=base / plain["ca_file"] if plain["ca_file"] else None,
    )
    return ChannelPlan(
        name=plain["name"],
        kind=ChannelKind(plain["kind"]),
        url=Secret(open_url) if open_url else secret("url"),
        secret=secret("secret"),
        username=plain["username"],
        chat_id=plain["chat_id"],
        keyword=plain["keyword"],
        source=plain["source"],
        guard=guard,
        patience=Patience(total_ms=plain["timeout_ms"], connect_ms=min(plain["timeout_ms"], 5_000)),
    )


@contextlib.asynccontextmanager
async def open_carrier(plan: ChannelPlan, clock: Clock) -> AsyncIterator[Carrier]:
    """What carries messages to the channel, for as long as the context lasts.

    Raises:
        ConfigError: something is missing, or the file of authorities cannot be read.
    """
    if plan.kind is ChannelKind.APPRISE:
        yield AppriseCarrier(_needed(plan, "url", plan.url), plan.patience.total_ms)
        return
    channel = channel_of(plan)
    async with contextlib.AsyncExitStack() as stack:
        try:
            sender = await stack.enter_async_context(HttpSender(plan.guard, clock, plan.patience))
        except OSError:
            raise ConfigError(
                f"notify.channels.{plan.name}.ca_file", "must be a file with certificates"
            ) from None
        yield HttpCarrier(channel, sender)


def channel_of(plan: ChannelPlan) -> Channel:
    """The pure half of a channel; raises ConfigError where something is missing."""
    return _MAKERS[plan.kind](plan)


def _needed(plan: ChannelPlan, name: str, value: Secret | None) -> Secret:
    if value is None:
        raise ConfigError(f"notify.channels.{plan.name}.{name}_env", f"must be given for {plan.kind.value}")
    return value


def _url(plan: ChannelPlan) -> Secret:
    return _needed(plan, "url", plan.url)


def _secret(plan: ChannelPlan) -> Secret:
    return _needed(plan, "secret", plan.secret)


def _api(plan: ChannelPlan, usual: str) -> str:
    return plan.url.reveal() if plan.url else usual


_MAKERS: Final[dict[ChannelKind, Callable[[ChannelPlan], Channel]]] = {
    ChannelKind.SLACK: lambda plan: Slack(_url(plan)),
    ChannelKind.TEAMS: lambda plan: Teams(_url(plan)),
    ChannelKind.DISCORD: lambda plan: Discord(_url(plan)),
    ChannelKind.DINGTALK: lambda plan: DingTalk(_url(plan), plan.secret, plan.keyword),
    ChannelKind.FEISHU: lambda plan: Feishu(_url(plan), plan.secret, plan.keyword),
    ChannelKind.WECOM: lambda plan: WeCom(_url(plan)),
    ChannelKind.TELEGRAM: lambda plan: Telegram(_secret(plan), plan.chat_id, api=_api(plan, TELEGRAM)),
    ChannelKind.PAGERDUTY: lambda plan: PagerDuty(_secret(plan), plan.source, _api(plan, PAGERDUTY)),
    ChannelKind.ALERTMANAGER: lambda plan: Alertmanager(_url(plan), plan.secret, plan.username),
    ChannelKind.WEBHOOK: lambda plan: Webhook(_url(plan), plan.secret),
}
