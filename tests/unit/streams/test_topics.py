"""What the topics should be, and what is said of those that are otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from streams.durations import DAY, HOUR
from streams.events import MAX_RECORD_BYTES
from streams.topics import (
    MAX_DEADLETTER_VALUE_BYTES,
    SOURCES,
    ProblemKind,
    Purpose,
    TopicShape,
    aligned,
    find_problems,
    topic_specs,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.topics import TopicSpec

SPECS = topic_specs(replication_factor=3)
BY_PURPOSE = {spec.purpose: spec for spec in SPECS}


def _as_wanted(specs: tuple[TopicSpec, ...] = SPECS) -> dict[str, TopicShape]:
    defaults = {"retention.ms": "604800000", "max.message.bytes": "1048588", "min.insync.replicas": "1"}
    return {
        spec.name: TopicShape(spec.partitions, spec.replication_factor, defaults | dict(spec.config))
        for spec in specs
    }


def _with(purpose: Purpose, config: Mapping[str, str]) -> dict[str, TopicShape]:
    shapes = _as_wanted()
    name = BY_PURPOSE[purpose].name
    return shapes | {name: replace(shapes[name], config={**shapes[name].config, **config})}


def test_the_settings_describe_the_topics() -> None:
    """Names, partitions, shards, replicas and retentions of the settings are those of the topics."""
    specs = topic_specs(
        clickstream="shop.clicks",
        partitions=12,
        rollup_shards=6,
        replication_factor=2,
        rollups_retention_ms=DAY,
    )
    found = {spec.purpose: (spec.name, spec.partitions, spec.replication_factor) for spec in specs}
    assert found == {
        Purpose.CLICKSTREAM: ("shop.clicks", 12, 2),
        Purpose.ORDERS: ("orders", 12, 2),
        Purpose.ROLLUPS: ("funnelwatch.rollups", 6, 2),
        Purpose.DEADLETTER: ("funnelwatch.deadletter", 12, 2),
        Purpose.STATE: ("funnelwatch.state", 12, 2),
        Purpose.TOTALS: ("funnelwatch.totals", 6, 2),
        Purpose.INCIDENTS: ("funnelwatch.incidents", 1, 2),
        Purpose.WATCH: ("funnelwatch.watch", 1, 2),
        Purpose.CONTROL: ("funnelwatch.control", 1, 2),
        Purpose.DELIVERIES: ("funnelwatch.deliveries", 1, 2),
    }
    rollups = next(spec for spec in specs if spec.purpose is Purpose.ROLLUPS)
    assert rollups.config["retention.ms"] == str(DAY)


def test_only_what_stands_for_the_present_is_compacted() -> None:
    """Compaction would drop events, rollups, dead letters, incidents; retention would drop state."""
    compacted = {spec.purpose for spec in SPECS if spec.config["cleanup.policy"] == "compact"}
    assert compacted == {Purpose.STATE, Purpose.TOTALS, Purpose.WATCH, Purpose.CONTROL, Purpose.DELIVERIES}
    assert {spec.config["cleanup.policy"] for spec in SPECS} == {"compact", "delete"}


def test_incidents_are_kept_as_the_settings_say() -> None:
    """A week unless said otherwise."""
    assert BY_PURPOSE[Purpose.INCIDENTS].config["retention.ms"] == str(7 * DAY)
    shorter = {spec.purpose: spec for spec in topic_specs(incidents_retention_ms=2 * DAY)}
    assert shorter[Purpose.INCIDENTS].config["retention.ms"] == str(2 * DAY)


@pytest.mark.parametrize("purpose", [Purpose.INCIDENTS, Purpose.WATCH, Purpose.CONTROL, Purpose.DELIVERIES])
def test_what_one_watcher_writes_has_one_order(purpose: Purpose) -> None:
    """One partition, whatever the shop has; another count is a problem with its reason."""
    specs = {spec.purpose: spec for spec in topic_specs(partitions=12, rollup_shards=6)}
    assert specs[purpose].partitions == 1
    shapes = _as_wanted()
    name = BY_PURPOSE[purpose].name
    shapes[name] = replace(shapes[name], partitions=4)
    (problem,) = find_problems(SPECS, shapes)
    assert str(problem) == f"{name}: partitions: 4, wanted 1 (one watcher, one order)"


def test_a_dead_letter_fits_into_its_topic() -> None:
    """The largest value that is kept, and a whole record of the largest size that is counted, fit in."""
    limit = int(BY_PURPOSE[Purpose.DEADLETTER].config["max.message.bytes"])
    assert max(MAX_DEADLETTER_VALUE_BYTES, MAX_RECORD_BYTES) * 2 <= limit


@pytest.mark.parametrize(("replicas", "in_sync"), [(1, "1"), (2, "1"), (3, "2")])
def test_own_topics_survive_a_broker_and_stay_writable(replicas: int, in_sync: str) -> None:
    """With three replicas two must have a write; with fewer that would stop writing at the first loss."""
    specs = topic_specs(replication_factor=replicas)
    assert {s.config.get("min.insync.replicas") for s in specs if s.purpose not in SOURCES} == {in_sync}


def test_topics_as_wanted_have_no_problem() -> None:
    """What the specs describe is not complained about."""
    assert find_problems(SPECS, _as_wanted()) == []


def test_more_than_wanted_is_as_good() -> None:
    """Longer and unlimited retention, and larger messages, are no problem."""
    assert find_problems(SPECS, _with(Purpose.ROLLUPS, {"retention.ms": str(90 * DAY)})) == []
    assert find_problems(SPECS, _with(Purpose.ROLLUPS, {"retention.ms": "-1"})) == []
    assert find_problems(SPECS, _with(Purpose.STATE, {"max.message.bytes": "9000000"})) == []


@pytest.mark.parametrize(
    ("purpose", "config", "kind"),
    [
        (Purpose.CLICKSTREAM, {"cleanup.policy": "compact"}, ProblemKind.CLEANUP_POLICY),
        (Purpose.ROLLUPS, {"cleanup.policy": "compact,delete"}, ProblemKind.CLEANUP_POLICY),
        (Purpose.STATE, {"cleanup.policy": "delete"}, ProblemKind.CLEANUP_POLICY),
        (Purpose.STATE, {"cleanup.policy": "compact,delete"}, ProblemKind.CLEANUP_POLICY),
        (Purpose.DEADLETTER, {"retention.ms": str(7 * DAY - 1)}, ProblemKind.RETENTION),
        (Purpose.STATE, {"max.message.bytes": "1048588"}, ProblemKind.MESSAGE_SIZE),
        (Purpose.STATE, {"min.insync.replicas": "1"}, ProblemKind.IN_SYNC_REPLICAS),
    ],
)
def test_a_wrong_setting_is_a_problem(purpose: Purpose, config: Mapping[str, str], kind: ProblemKind) -> None:
    """Each setting that would lose records is named with its topic, once."""
    (problem,) = find_problems(SPECS, _with(purpose, config))
    assert (problem.topic, problem.kind) == (BY_PURPOSE[purpose].name, kind)


def test_sources_are_kept_as_the_broker_does_unless_said() -> None:
    """Without a setting none is made up; with one both sources are created with it."""
    assert {"retention.ms" in spec.config for spec in topic_specs() if spec.purpose in SOURCES} == {False}
    kept = topic_specs(sources_retention_ms=30 * DAY)
    assert [spec.config["retention.ms"] for spec in kept[:2]] == [str(30 * DAY)] * 2


@pytest.mark.parametrize("purpose", SOURCES)
def test_a_source_kept_for_less_than_counting_looks_back_is_a_warning(purpose: Purpose) -> None:
    """Live counting works with it; only what has to be read once more may be gone."""
    (problem,) = find_problems(SPECS, _with(purpose, {"retention.ms": str(HOUR - 1)}))
    assert str(problem) == (
        f"warning: {purpose}: retention: retention.ms=3599999, "
        "wanted 3600000 or more (duplicates and clicks are looked for so far back)"
    )
    assert find_problems(SPECS, _with(purpose, {"retention.ms": str(HOUR)})) == []
    longer = topic_specs(replication_factor=3, look_back_ms=2 * HOUR)
    assert [p.warning for p in find_problems(longer, _with(purpose, {"retention.ms": str(HOUR)}))] == [True]


def test_a_source_kept_for_less_than_the_setting_says_is_a_warning() -> None:
    """It was there before, and is the shop's; a rollup topic that is too short is an error."""
    specs = topic_specs(replication_factor=3, sources_retention_ms=DAY)
    (problem,) = find_problems(specs, _with(Purpose.ORDERS, {"retention.ms": str(2 * HOUR)}))
    assert (problem.warning, problem.wanted) == (True, f"{DAY} or more")
    (problem,) = find_problems(specs, _with(Purpose.ROLLUPS, {"retention.ms": str(2 * HOUR)}))
    assert not problem.warning


def test_the_state_has_no_retention() -> None:
    """A compacted topic does not expire, so its retention.ms is not looked at."""
    assert find_problems(SPECS, _with(Purpose.STATE, {"retention.ms": "1"})) == []


def test_missing_topics_are_named_with_what_they_need() -> None:
    """A missing co-partitioned topic needs as many partitions as the one that is there."""
    shapes = _as_wanted()
    there = shapes["clickstream"]
    problems = find_problems(SPECS, {"clickstream": replace(there, partitions=12)})
    assert [(p.topic, p.kind, p.wanted) for p in problems] == [
        ("orders", ProblemKind.MISSING, "12 partitions"),
        ("funnelwatch.rollups", ProblemKind.MISSING, "4 partitions"),
        ("funnelwatch.deadletter", ProblemKind.MISSING, "4 partitions"),
        ("funnelwatch.state", ProblemKind.MISSING, "12 partitions"),
        ("funnelwatch.totals", ProblemKind.MISSING, "4 partitions"),
        ("funnelwatch.incidents", ProblemKind.MISSING, "1 partitions"),
        ("funnelwatch.watch", ProblemKind.MISSING, "1 partitions"),
        ("funnelwatch.control", ProblemKind.MISSING, "1 partitions"),
        ("funnelwatch.deliveries", ProblemKind.MISSING, "1 partitions"),
    ]


def test_unequal_sources_are_a_problem() -> None:
    """Clickstream and orders are read in pairs of partitions."""
    shapes = _as_wanted()
    shapes["orders"] = replace(shapes["orders"], partitions=3)
    (problem,) = find_problems(SPECS, shapes)
    assert str(problem) == "orders: partitions: 3, wanted 4 (as many as clickstream, state)"


def test_partitions_of_the_shop_count_not_those_of_the_settings() -> None:
    """Sources and state that agree among themselves are well, however many the settings name."""
    shapes = _as_wanted(topic_specs(partitions=12, replication_factor=3))
    assert find_problems(SPECS, shapes) == []


def test_rollups_have_one_partition_per_shard() -> None:
    """A key's shard is its partition, so another count would put keys where nobody looks."""
    shapes = _as_wanted()
    shapes["funnelwatch.rollups"] = replace(shapes["funnelwatch.rollups"], partitions=8)
    (problem,) = find_problems(SPECS, shapes)
    assert (problem.topic, problem.kind) == ("funnelwatch.rollups", ProblemKind.PARTITIONS)


def test_totals_have_one_partition_per_shard() -> None:
    """Whoever has a shard finds its totals under the same number, whatever the sources have."""
    assert {spec.purpose: spec.partitions for spec in topic_specs(partitions=9, rollup_shards=6)}[
        Purpose.TOTALS
    ] == 6
    shapes = _as_wanted()
    shapes["funnelwatch.totals"] = replace(shapes["funnelwatch.totals"], partitions=3)
    (problem,) = find_problems(SPECS, shapes)
    assert str(problem) == "funnelwatch.totals: partitions: 3, wanted 4 (one per shard)"


def test_too_few_replicas_are_a_problem() -> None:
    """Fewer replicas than wanted lose the topic with fewer brokers."""
    shapes = _as_wanted()
    shapes["funnelwatch.state"] = replace(shapes["funnelwatch.state"], replication_factor=1)
    (problem,) = find_problems(SPECS, shapes)
    assert (problem.kind, problem.found, problem.wanted) == (ProblemKind.REPLICATION, "1", "3 or more")


def test_what_is_missing_follows_what_is_there() -> None:
    """Specs of co-partitioned topics take the count of the first one there; the others keep theirs."""
    counts = {spec.purpose: spec.partitions for spec in aligned(SPECS, {"orders": 9})}
    assert counts == {
        Purpose.CLICKSTREAM: 9,
        Purpose.ORDERS: 9,
        Purpose.ROLLUPS: 4,
        Purpose.DEADLETTER: 4,
        Purpose.STATE: 9,
        Purpose.TOTALS: 4,
        Purpose.INCIDENTS: 1,
        Purpose.WATCH: 1,
        Purpose.CONTROL: 1,
        Purpose.DELIVERIES: 1,
    }
    assert aligned(SPECS, {}) == list(SPECS)


def test_with_rekey_the_keyed_topics_are_read_together() -> None:
    """The shop's topics have as many partitions as they like; the state has as many as the keyed ones."""
    specs = topic_specs(rekey=True, partitions=6, keyed_retention_ms=2 * DAY)
    together = [spec.purpose for spec in specs if spec.together]
    assert together == [Purpose.KEYED_CLICKSTREAM, Purpose.KEYED_ORDERS, Purpose.STATE]
    shapes = _as_wanted(specs)
    assert find_problems(specs, shapes) == []
    odd = {name: replace(shapes[name], partitions=shapes[name].partitions + 1) for name in shapes}
    wrong = {problem.topic for problem in find_problems(specs, shapes | {"clickstream": odd["clickstream"]})}
    assert wrong == set()
    (problem,) = find_problems(specs, shapes | {"funnelwatch.orders": odd["funnelwatch.orders"]})
    assert "as many as keyed_clickstream, state" in str(problem)


def test_keyed_topics_are_kept_by_when_they_were_written() -> None:
    """By the times of a back-fill they would be deleted at once; and as long as counting looks back."""
    keyed = [s for s in topic_specs(rekey=True, look_back_ms=3 * DAY) if s.purpose.startswith("keyed")]
    assert [spec.config["message.timestamp.type"] for spec in keyed] == ["LogAppendTime"] * 2
    assert [spec.config["retention.ms"] for spec in keyed] == [str(3 * DAY)] * 2


def test_without_rekey_there_are_no_keyed_topics() -> None:
    """Nobody has to create what nobody reads."""
    names = {Purpose.KEYED_CLICKSTREAM, Purpose.KEYED_ORDERS, Purpose.PROGRESS}
    assert not names & {spec.purpose for spec in topic_specs()}
