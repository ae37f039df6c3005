"""A real Prometheus scrapes a running demo, and every expression of every board and rule is asked of it.

The demo's payments break while two promotions are on. Grafana itself cannot be had here: its part, the
variables, is done by ``tests.support.grafana_variables``.
"""

from __future__ import annotations

import math
import re
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.integration.conftest import skip_if_unavailable
from tests.support.boards import RULES, asked_by_annotations, asked_by_panels, asked_by_rules, dashboards
from tests.support.grafana_variables import filled, values_of
from tests.support.processes import Process
from tests.support.prometheus_server import PrometheusServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.boards import Expression

pytest.importorskip("confluent_kafka", reason="the demo's broker is not installed (extra: demo)")
pytestmark = [pytest.mark.prometheus, pytest.mark.slow, pytest.mark.timeout(500)]

PATIENCE_S: Final = 300
SETTLED_S: Final = 60
# The incident is found and told, and what happens is judged as it happens.
WANTED: Final = (
    'funnelwatch_incident_active{from_node="order"}',
    'funnelwatch_notifications_total{outcome="delivered"}',
    "funnelwatch_watch_delay_seconds < 60 and on () (funnelwatch_watching == 1)",
)
# A demo is minutes old: what boards ask of a week ago is asked of a few seconds ago. Its promotions
# are 20 s apart, which the boards find out themselves.
CHOSEN: Final = {"compare": "15s", "datasource": "prometheus", "step": "click"}
# Expressions that a short demo cannot answer, with the reason.
EMPTY: Final = {
    "pipeline: Templates that failed A": "no template fails",
}
# Series that rules name and a healthy demo does not have, likewise.
ABSENT: Final = {
    f"rules: {rule} {series}": reason
    for rule, series, reason in (
        (
            "FunnelwatchNotificationsFailing",
            'funnelwatch_notifications_total{outcome="retry"}',
            "the chat answers",
        ),
        (
            "FunnelwatchNotificationsLost",
            'funnelwatch_notifications_total{outcome=~"refused|given_up"}',
            "the chat takes all",
        ),
        ("FunnelwatchTemplateFailing", "funnelwatch_template_failures_total", "no template fails"),
    )
}
NAME: Final = re.compile(r"[a-z:]*funnelwatch_[a-z0-9_:]+(?:\{[^}]*\})?")


class Running(NamedTuple):
    """A demo and the Prometheus that scrapes it."""

    demo: Process
    server: PrometheusServer


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Scraped from its start, until the incident is told and live traffic was seen for a while."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "tests.support.staged_shop"]
    with Process("staged shop", command, log=folder / "demo.log") as demo:
        demo.wait_until(lambda: demo.log.stat().st_size > 0, timeout=60, what="address of its metrics")
        address = urlsplit(demo.log.read_text().split()[0]).netloc
        with skip_if_unavailable():
            made = PrometheusServer({"funnelwatch": [address]}, rules=sorted(RULES.glob("*.yml")))
        with made as server:
            for wanted in WANTED:
                demo.wait_until(partial(has_data, server, wanted), timeout=PATIENCE_S, what=wanted)
            yield Running(demo, server)


@pytest.fixture(scope="module")
def values(running: Running) -> dict[str, dict[str, str]]:
    """Values of each board's variables."""
    return {name: values_of(board, running.server, CHOSEN) for name, board in dashboards().items()}


def test_variables_find_what_there_is(values: dict[str, dict[str, str]]) -> None:
    """The deployment, the currency, the newest promotion, the one before it, and the time between them."""
    promotion = values["promotion"]
    assert promotion["job"] == "funnelwatch"
    assert promotion["currency"] == "CNY"
    assert (promotion["promotion"], promotion["previous"]) == ("summer", "spring")
    assert promotion["aligned"] == "20"


def test_every_panel_shows_something(running: Running, values: dict[str, dict[str, str]]) -> None:
    """Each query of each panel is understood and answered with data; the few that cannot be are listed."""
    assert_answered(running, {one.place: one.expr for one in board_wide(values, [*asked_by_panels()])}, EMPTY)


def test_every_annotation_marks_something(running: Running, values: dict[str, dict[str, str]]) -> None:
    """The promotions and the incident are found."""
    assert_answered(
        running, {one.place: one.expr for one in board_wide(values, [*asked_by_annotations()])}, {}
    )


def test_every_rule_finds_what_it_asks_for(running: Running) -> None:
    """Each rule is understood, and each series that it names is there."""
    selectors = {
        f"{one.place} {found}": found for one in asked_by_rules() for found in NAME.findall(one.expr)
    }
    assert_answered(running, selectors, ABSENT)
    for one in asked_by_rules():
        running.server.query(one.expr)


def test_a_healthy_demo_is_silent_but_for_the_watchdog(running: Running) -> None:
    """What is wrong with the shop is no alert on Funnelwatch; the watchdog says that alerts are evaluated."""
    firing = {
        alert["labels"]["alertname"]: alert for alert in running.server.alerts() if alert["state"] == "firing"
    }
    # Freshness remembers the quick motion for five minutes, and the shop's invalid records are few.
    assert firing.keys() - {"FunnelwatchStale"} == {"FunnelwatchWatchdog"}
    assert not [alert for alert in firing.values() if "error expanding" in str(alert["annotations"])]


def board_wide(values: dict[str, dict[str, str]], asked: list[Expression]) -> Iterator[Expression]:
    """Expressions of boards with their variables filled in."""
    for one in asked:
        board = one.place.partition(":")[0]
        yield one._replace(expr=filled(one.expr, values[board]))


def has_data(server: PrometheusServer, expr: str) -> bool:
    """Whether there is a value, and not only such as come of dividing nothing by nothing."""
    return any(math.isfinite(sample.value) for sample in server.query(expr))


def assert_answered(running: Running, asked: dict[str, str], empty: dict[str, str]) -> None:
    """All but the listed ones have data within a while, and the listed ones have none."""
    left = dict(asked)
    deadline = time.monotonic() + SETTLED_S
    while left.keys() - empty and time.monotonic() < deadline:
        running.server.wait_scraped()
        left = {place: expr for place, expr in left.items() if not has_data(running.server, expr)}
    assert {place: left[place] for place in left.keys() - empty} == {}
    assert empty.keys() & asked.keys() <= left.keys()
