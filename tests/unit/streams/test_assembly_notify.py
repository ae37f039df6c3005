"""What the section ``notify`` says reaches those who tell people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from alerts.message import Language
from alerts.model import Kind, Severity
from alerts.stages.budget import Budget
from streams.assembly import make_notifier, notify_plan_of
from streams.errors import ConfigError
from tests.support.clock import ManualClock
from tests.support.settings import loaded

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
topics: {incidents_retention: 2d}
watch: {time_zone: Asia/Shanghai}
notify:
  language: zh
  contributors: 4
  digest_lines: 7
  worse_factor: 3
  linger: 2m
  channels:
    - {name: ops, kind: webhook, url_env: OPS, language: en, timeout: 3s}
    - {name: am, kind: alertmanager, url: "http://am:9093"}
    - {name: boss, kind: pagerduty, secret_env: KEY, budget: {messages: 10, per: 1m, burst: 4, reserve: 2}}
  routes:
    - name: night
      channels: [ops, am]
      match: {kinds: [rule], severities: [critical], hours: {from: 22:00, until: 06:00}}
      escalate_to: [boss]
      quiet: {from: 23:00, until: 07:00, below: warning}
  attempts: {first_wait: 2s, give_up: 2h, alarm_to: [boss]}
  links: {public_url: "https://fw.example", secret_env: SIGN, valid_for: 2h, mute_for: 5m}
"""
ENVIRON = {"OPS": "https://hooks.example/s3cret", "KEY": "k" * 32, "SIGN": "x" * 32}


def test_everything_arrives(tmp_path: Path) -> None:
    """Each key is where it belongs, in ms, minutes and words of ours."""
    plan = notify_plan_of(loaded(tmp_path, TEXT), ENVIRON, tmp_path)
    assert [one.name for one in plan.channels] == ["ops", "am", "boss"]
    assert plan.channels[0].patience.total_ms == 3_000
    (route,) = plan.pipeline.routes
    assert (route.match.kinds, route.match.severities) == (
        frozenset({Kind.RULE}),
        frozenset({Severity.CRITICAL}),
    )
    assert route.match.hours
    assert str(route.match.hours.zone) == "Asia/Shanghai"
    assert route.quiet
    assert (route.quiet.start_minute, route.quiet_below) == (23 * 60, Severity.WARNING)
    rules = plan.pipeline.channels
    assert (rules["boss"].budget, rules["boss"].digests) == (Budget(10, 60_000, 4, 2), False)
    assert (rules["ops"].budget, rules["ops"].digests, rules["ops"].resend_ms) == (Budget(), True, None)
    assert (rules["am"].digests, rules["am"].resend_ms) == (False, 60_000)
    assert plan.pipeline.present == frozenset({"ops", "am", "boss"})
    assert plan.pipeline.dedupe.worse_factor == 3
    assert plan.pipeline.inhibit.linger_ms == 120_000
    assert plan.languages == {"ops": Language.EN, "am": Language.ZH, "boss": Language.ZH}
    assert (plan.writing.contributors, plan.writing.digest_lines, plan.writing.mute_ms) == (4, 7, 300_000)
    assert (plan.outbox.first_wait_ms, plan.outbox.give_up_ms, plan.outbox.alarm_to) == (
        2_000,
        7_200_000,
        ("boss",),
    )
    assert plan.outbox.keep_told_ms == 3 * 86_400_000
    assert plan.links
    assert (plan.links.expiry_ms, plan.links.mute_ms) == (7_200_000, 300_000)
    assert plan == notify_plan_of(loaded(tmp_path, TEXT), ENVIRON, tmp_path)


@pytest.mark.parametrize(
    ("missing", "field"),
    [
        ("OPS", "notify.channels.ops.url_env"),
        ("KEY", "notify.channels.boss.secret_env"),
        ("SIGN", "notify.links.secret_env"),
    ],
)
def test_a_secret_that_is_not_there_is_named(tmp_path: Path, missing: str, field: str) -> None:
    """The setting, never the secret."""
    environ = {name: value for name, value in ENVIRON.items() if name != missing}
    with pytest.raises(ConfigError) as refusal:
        notify_plan_of(loaded(tmp_path, TEXT), environ, tmp_path)
    assert refusal.value.field == field


async def test_settings_are_taken_up_or_refused_whole(tmp_path: Path) -> None:
    """A running notifier takes what can be read, and refuses the rest."""
    quiet, loud = loaded(tmp_path, ""), loaded(tmp_path, TEXT)

    make_notifier(ENVIRON, tmp_path)(quiet, CollectorRegistry(), ManualClock()).configure(loud)
    with pytest.raises(ConfigError):
        make_notifier({}, tmp_path)(quiet, CollectorRegistry(), ManualClock()).configure(loud)
