"""Links lead to the time and the incident that a message is about."""

from __future__ import annotations

from alerts.addresses import links_of
from alerts.message import LinkKind, MessageState
from alerts.notify_plan import Addresses
from alerts.stages.stage import Candidate, Parcel
from tests.support.deliveries import incident, over
from tests.support.findings import T0

ALL = Addresses(
    "https://shop.example/fw/", "https://grafana.example/d/fw?var-x=1", "https://wiki.example/run"
)
MINUTE = 60_000


def parcel(*incidents: object) -> Parcel:
    """About these."""
    told = tuple(Candidate(one, "ops") for one in incidents)  # type: ignore[arg-type]  # built loosely
    return Parcel("k", "ops", MessageState.OPENED, told)


def test_of_one_incident() -> None:
    """The dashboard from half an hour before, the page at the incident, the runbook at its kind."""
    one = over(incident("a/b"), T0 + 60 * MINUTE)
    found = links_of(parcel(one), ALL)
    begin, end = one.since_ms - 30 * MINUTE, T0 + 70 * MINUTE
    assert found == {
        LinkKind.DASHBOARD: f"https://grafana.example/d/fw?var-x=1&from={begin}&to={end}",
        LinkKind.LIVE: "https://shop.example/fw/?incident=a%2Fb",
        LinkKind.RUNBOOK: f"https://wiki.example/run#{one.kind.value}",
    }


def test_of_several() -> None:
    """The page as it is."""
    found = links_of(parcel(incident("a"), incident("b")), ALL)
    assert found[LinkKind.LIVE] == ALL.public_url


def test_without_addresses_there_are_no_links() -> None:
    """Nor of a meta-alert to anywhere in particular."""
    assert links_of(parcel(incident()), Addresses()) == {}
    assert links_of(parcel(), ALL)[LinkKind.DASHBOARD] == ALL.grafana_url
