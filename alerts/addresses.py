"""Where the links of a message lead: the dashboard at that time, the live page, the runbook. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from alerts.message import LinkKind

if TYPE_CHECKING:
    from alerts.incident import Incident
    from alerts.notify_plan import Addresses
    from alerts.stages.stage import Parcel

_BEFORE_MS: Final = 30 * 60_000
_AFTER_MS: Final = 10 * 60_000


def links_of(parcel: Parcel, addresses: Addresses) -> dict[LinkKind, str]:
    """Urls by kind; those without an address are left out."""
    incidents = [one.incident for one in parcel.told]
    found = {
        LinkKind.DASHBOARD: _dashboard(incidents, addresses.grafana_url),
        LinkKind.LIVE: _live(incidents, addresses.public_url),
        LinkKind.RUNBOOK: _runbook(incidents, addresses.runbook_url),
    }
    return {kind: url for kind, url in found.items() if url}


def _dashboard(incidents: list[Incident], base: str) -> str:
    """From half an hour before it began to its end, or a little beyond what is known."""
    if not base or not incidents:
        return base
    begin_ms = min(one.since_ms for one in incidents) - _BEFORE_MS
    end_ms = max(one.resolved_at_ms or one.updated_at_ms for one in incidents) + _AFTER_MS
    span = urlencode({"from": begin_ms, "to": end_ms})
    return f"{base}{'&' if '?' in base else '?'}{span}"


def _live(incidents: list[Incident], base: str) -> str:
    if not base or len(incidents) != 1:
        return base
    return f"{base.rstrip('/')}/?incident={quote(incidents[0].id, safe='')}"


def _runbook(incidents: list[Incident], base: str) -> str:
    kinds = {one.kind for one in incidents}
    return f"{base}#{kinds.pop().value}" if base and len(kinds) == 1 else base
