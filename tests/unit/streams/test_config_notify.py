"""The section ``notify``: what reaches those who tell people, and what is refused in which line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.reload import differences, merged
from tests.support.settings import loaded, refused

if TYPE_CHECKING:
    from pathlib import Path

OPS = "{name: ops, kind: webhook, url_env: OPS}"
SALE = "promotions: [{name: D11, start: 2026-11-11, end: 2026-11-12}]\n"


def test_an_empty_file_tells_nobody(tmp_path: Path) -> None:
    """No channels, no routes."""
    notify = loaded(tmp_path, "").notify
    assert (notify.channels, notify.plain_routes()) == ((), [])


def test_without_routes_everybody_is_told(tmp_path: Path) -> None:
    """One route that matches everything."""
    notify = loaded(tmp_path, f"notify: {{channels: [{OPS}]}}").notify
    (route,) = notify.plain_routes()
    assert (route["channels"], route["remind_every_ms"]) == (("ops",), 3_600_000)


def test_all_that_can_be_said(tmp_path: Path) -> None:
    """Every key of the section is taken, and nothing is lost when it is validated anew."""
    settings = loaded(
        tmp_path,
        SALE
        + """
notify:
  language: zh
  time_zone: Asia/Shanghai
  contributors: 5
  digest_lines: 12
  worse_factor: 3
  linger: 2m
  channels:
    - {name: ops, kind: webhook, url_env: OPS, budget: {messages: 10, per: 1m, burst: 3, reserve: 1}, language: en}
    - {name: boss, kind: pagerduty, secret_env: KEY}
  routes:
    - name: night
      channels: [ops]
      match:
        kinds: [node_break, rule]
        severities: warning,critical
        scope: {slot: "*", sku: S1}
        promotions: [D11, (none)]
        phases: [open]
        hours: {from: "22:00", until: 06:00, days: [sat, sun]}
      and_on: true
      remind_every: off
      escalate_to: [boss]
      escalate_after: 10m
      quiet: {from: 23:00, until: 07:00, below: warning}
      collect: 30s
    - {name: rest, channels: [ops]}
  attempts: {first_wait: 2s, longest_wait: 1m, give_up: 2h, alarm_after: 1m, alarm_every: 2h, alarm_to: [boss]}
  links:
    public_url: https://shop.example/fw
    grafana_url: https://grafana.example
    runbook_url: https://wiki.example/runbook
    secret_file: /run/secrets/links
    valid_for: 12h
    mute_for: 45m
  templates: {folder: words}
""",
    )
    notify = settings.notify
    night, rest = notify.plain_routes()
    assert night["match"] == {
        "kinds": ("node_break", "rule"),
        "severities": ("warning", "critical"),
        "scope": [("slot", ""), ("sku", "S1")],
        "promotions": ("D11", ""),
        "phases": ("open",),
        "hours": {"start_minute": 1320, "end_minute": 360, "days": frozenset({5, 6})},
    }
    assert (night["remind_every_ms"], night["escalate_after_ms"], night["collect_ms"]) == (
        None,
        600_000,
        30_000,
    )
    assert (night["quiet"]["start_minute"], night["quiet_below"]) == (1380, "warning")
    assert (rest["quiet"], rest["quiet_below"]) == (None, "critical")
    budgets = [channel.budget for channel in notify.channels]
    assert [budget and budget.burst for budget in budgets] == [3, None]
    assert merged(settings, settings) == settings


@pytest.mark.parametrize(
    ("words", "finding"),
    [
        (
            f"channels: [{OPS}, {OPS}]",
            "notify.channels[1].name: must differ from those of the other channels",
        ),
        (
            "routes: [{name: a, channels: [x]}]",
            "notify.routes[0].channels[0]: must be the name of one of the",
        ),
        (
            f"channels: [{OPS}]\n  routes: [{{name: a, channels: [ops], escalate_to: [x]}}]",
            "notify.routes[0].escalate_to[0]: must be the name of one of the channels",
        ),
        (
            f"channels: [{OPS}]\n  routes: [{{name: a, channels: [ops], escalate_to: [ops]}}]",
            "notify.routes[0].escalate_to: must not name ops, which is told at once",
        ),
        ("attempts: {alarm_to: [x]}", "notify.attempts.alarm_to[0]: must be the name of one of the channels"),
        (
            "attempts: {first_wait: 1m, longest_wait: 1s}",
            "notify.attempts.first_wait: must be at most longest_wait",
        ),
        ("attempts: {give_up: 2m}", "notify.attempts.give_up: must be more than longest_wait"),
        ("links: {public_url: shop.example}", "notify.links.public_url: must be an address such as"),
        ("links: {secret_env: S}", "notify.links.public_url: must be given for signed links"),
        ("routes: [{name: a, channels: [x], match: {hours: {from: 25:00}}}]", "must be a time of day"),
        (
            "routes: [{name: a, channels: [x], match: {kinds: [pigeon]}}]",
            "must be node_break, conversion_drop",
        ),
        ("routes: [{name: a, channels: [x], remind_every: 1s}]", "must be a duration from 1m to 30d"),
        ("quiet: {}", "notify.quiet: is no setting; here are: attempts, channels"),
    ],
)
def test_what_is_refused_and_where(tmp_path: Path, words: str, finding: str) -> None:
    """The line, the setting and what is allowed."""
    found = refused(tmp_path, f"notify:\n  {words}\n")
    assert finding in found[0]
    assert found[0].startswith(("2:", "3:"))


@pytest.mark.parametrize(
    ("words", "finding"),
    [
        ("scope: {slto: a}", "notify.routes[0].match.scope.slto: must be one of all, slot, banner, sku"),
        (
            "promotions: [D12]",
            "notify.routes[0].match.promotions[0]: must be the name of one of the promotions",
        ),
    ],
)
def test_what_a_route_names_is_there(tmp_path: Path, words: str, finding: str) -> None:
    """A place or promotion that is misspelt would never match, and nobody would know."""
    text = (
        f"{SALE}notify:\n  channels: [{OPS}]\n  routes: [{{name: a, channels: [ops], match: {{{words}}}}}]\n"
    )
    assert finding in refused(tmp_path, text)[0]


def test_all_of_it_is_taken_up_while_running(tmp_path: Path) -> None:
    """Nothing in the section needs a restart."""
    before = loaded(tmp_path, "")
    after = loaded(tmp_path, f"notify: {{channels: [{OPS}], language: zh}}")
    assert list(differences(merged(before, after), after)) == []


@pytest.mark.parametrize(
    ("words", "finding"),
    [
        ("old_secret_env: A, old_secret_file: b", "old_secret_file: must not stand beside old_secret_env"),
        ("old_secret_env: A", "secret_env: or secret_file must be given beside an old one"),
        ("pictures: true", "secret_env: or secret_file must be given for pictures"),
    ],
)
def test_an_old_secret_stands_beside_a_new_one(tmp_path: Path, words: str, finding: str) -> None:
    """Given once, and never alone."""
    text = f"notify:\n  links: {{public_url: 'https://a.example', {words}}}"
    assert any(finding in line for line in refused(tmp_path, text))
