"""Everything that telling people goes by, from the plain words of the settings; see ``streams.config_notify``."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from alerts.content.templates import Templates
from alerts.control import ScopeMatch
from alerts.model import Kind, Severity
from alerts.notify.registry import ChannelKind, channel_of
from alerts.rounds import OutboxSettings
from alerts.stages.budget import Budget, ChannelRule
from alerts.stages.dedupe import DedupeSettings
from alerts.stages.hours import Hours
from alerts.stages.inhibit import InhibitSettings
from alerts.stages.pipeline import PipelineSettings
from alerts.stages.route import Match, Route
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from alerts.content.writing import WritingSettings
    from alerts.links import LinkSettings
    from alerts.message import Language
    from alerts.notify.registry import ChannelPlan

# Where incidents are found and ended by their key, each is told on its own.
_ONE_BY_ONE: Final = frozenset({ChannelKind.PAGERDUTY, ChannelKind.ALERTMANAGER})
# A machine, which groups by itself.
_FOR_A_MACHINE: Final = Budget(messages=1_200, per_ms=60_000, burst=200, reserve=20)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where links lead; empty ones are left out. See :mod:`alerts.addresses`."""

    public_url: str = ""
    grafana_url: str = ""
    runbook_url: str = ""


@dataclass(frozen=True, slots=True)
class NotifyPlan:
    """See the module.

    Attributes:
        channels: all that there are, their secrets read.
        pipeline: who is told of what.
        writing: how it is worded.
        languages: by channel.
        links: what acknowledge and mute links are signed with; None for no such links.
        templates: words in place of the built-in ones.
    """

    channels: tuple[ChannelPlan, ...]
    pipeline: PipelineSettings
    writing: WritingSettings
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    languages: Mapping[str, Language] = field(default_factory=dict)
    addresses: Addresses = field(default_factory=Addresses)
    links: LinkSettings | None = None
    templates: Templates = field(default_factory=Templates)


def route_from(plain: Mapping[str, Any], zone: ZoneInfo) -> Route:
    """A route from an entry of ``notify.routes`` as plain data; its hours are those of ``zone``."""
    match, quiet = plain["match"], plain["quiet"]
    return Route(
        name=plain["name"],
        channels=tuple(plain["channels"]),
        match=Match(
            kinds=frozenset(map(Kind, match["kinds"])),
            severities=frozenset(map(Severity, match["severities"])),
            scope=tuple(ScopeMatch(*place) for place in match["scope"]),
            promotions=frozenset(match["promotions"]),
            phases=frozenset(match["phases"]),
            hours=Hours(zone=zone, **match["hours"]) if match["hours"] else None,
        ),
        and_on=plain["and_on"],
        remind_every_ms=plain["remind_every_ms"],
        escalate_to=tuple(plain["escalate_to"]),
        escalate_after_ms=plain["escalate_after_ms"],
        quiet=Hours(zone=zone, **quiet) if quiet else None,
        quiet_below=Severity(plain["quiet_below"]),
        collect_ms=plain["collect_ms"],
    )


def channel_rule(plan: ChannelPlan, budget: Mapping[str, int] | None) -> ChannelRule:
    """What the deciders have to know of a channel: its budget, and what kind of thing it is.

    Raises:
        ConfigError: something that the channel needs is missing, or its file of authorities cannot be read.
    """
    _check_authorities(plan)
    usual = _FOR_A_MACHINE if plan.kind is ChannelKind.ALERTMANAGER else Budget()
    # Apprise's addresses are of any vendor; what it takes is known when it is opened.
    resend_ms = None if plan.kind is ChannelKind.APPRISE else channel_of(plan).traits.resend_ms
    return ChannelRule(Budget(**budget) if budget else usual, plan.kind not in _ONE_BY_ONE, resend_ms)


def _check_authorities(plan: ChannelPlan) -> None:
    """Now, for when the channel is opened the settings have been taken up already."""
    if plan.guard.ca_file is not None:
        try:
            ssl.create_default_context(cafile=plan.guard.ca_file)
        except OSError:
            field = f"notify.channels.{plan.name}.ca_file"
            raise ConfigError(field, "must be a file with certificates") from None


def pipeline_of(
    routes: tuple[Route, ...],
    rules: Mapping[str, ChannelRule],
    *,
    worse_factor: float,
    linger_ms: int,
    order_nodes: frozenset[str],
) -> PipelineSettings:
    """The deciders' settings.

    Raises:
        ConfigError: a route names a channel that is not there.
    """
    pipeline = PipelineSettings(
        routes,
        rules,
        InhibitSettings(linger_ms, order_nodes),
        DedupeSettings(worse_factor),
        frozenset(rules),
    )
    missing = [name for name in pipeline.names if name not in rules]
    if missing:
        raise ConfigError("notify.routes", f"must name channels that there are, not {missing[0]}")
    return pipeline
