"""A plan of faults is the same for the same seed, complete, and never asks for what cannot be done."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.plan import EVERY, FAMILIES, Fault, Kind, Scene, kinds_of, plan

SEEDS = st.integers(0, 1 << 32)
SCENES = st.builds(Scene, workers=st.integers(1, 4), brokers=st.sampled_from([1, 3]))
KINDS = st.sets(st.sampled_from(list(Kind)), min_size=1).map(tuple)
ON_WORKERS = {Kind.KILL, Kind.PAUSE, Kind.ADD, Kind.REMOVE}
ON_BROKERS = {Kind.BROKER_RESTART, Kind.LEADER_KILL}


def victim(fault: Fault) -> str:
    """What a fault befalls."""
    if fault.kind in ON_WORKERS:
        return f"worker {fault.target}"
    return "brokers" if fault.kind in ON_BROKERS else "network"


def by_victim(faults: list[Fault]) -> dict[str, list[Fault]]:
    """Faults of each victim by their beginning."""
    found = defaultdict(list)
    for fault in faults:
        found[victim(fault)].append(fault)
    return found


@given(SEEDS, st.integers(10, 200), SCENES, KINDS)
def test_a_seed_is_a_plan(seed: int, seconds: int, scene: Scene, kinds: tuple[Kind, ...]) -> None:
    """The same arguments give the same faults, in the order of their time."""
    faults = plan(seed, seconds, scene, kinds)
    assert faults == plan(seed, seconds, scene, kinds)
    assert faults == sorted(faults, key=lambda fault: fault.at_ms)


def test_seeds_differ() -> None:
    """Another seed is another plan."""
    assert len({tuple(plan(seed, 60, Scene(), tuple(Kind))) for seed in range(50)}) == 50


@given(SEEDS, st.integers(5, 200), SCENES, KINDS)
def test_faults_lie_within_the_time(seed: int, seconds: int, scene: Scene, kinds: tuple[Kind, ...]) -> None:
    """None before the first moment allowed, and all over when the time is."""
    for fault in plan(seed, seconds, scene, kinds):
        assert scene.first_ms <= fault.at_ms <= fault.until_ms <= seconds * 1_000


@given(SEEDS, SCENES, KINDS)
def test_only_what_was_asked_for_and_all_of_it(seed: int, scene: Scene, kinds: tuple[Kind, ...]) -> None:
    """In a minute every kind that was asked for occurs, and no other."""
    assert {fault.kind for fault in plan(seed, 60, scene, kinds)} == set(kinds)


@given(SEEDS, st.integers(30, 200), SCENES, KINDS)
def test_a_victim_has_one_fault_at_a_time(
    seed: int, seconds: int, scene: Scene, kinds: tuple[Kind, ...]
) -> None:
    """A worker, the brokers or the network have a rest between two faults; brokers one to come back in."""
    for name, faults in by_victim(plan(seed, seconds, scene, kinds)).items():
        rests = [after.at_ms - before.until_ms for before, after in pairwise(faults)]
        assert all(rest >= (13_000 if name == "brokers" else 1_000) for rest in rests)


@given(SEEDS, SCENES)
def test_targets_are_there(seed: int, scene: Scene) -> None:
    """Each fault names a worker, broker or partition of the scene; only the extra worker is added."""
    allowed = {
        Kind.KILL: range(scene.workers),
        Kind.PAUSE: range(scene.workers),
        Kind.REMOVE: range(scene.workers),
        Kind.ADD: [scene.workers],
        Kind.BROKER_RESTART: range(scene.brokers),
        Kind.LEADER_KILL: range(scene.partitions),
    }
    for fault in plan(seed, 120, scene, tuple(Kind)):
        assert fault.target in allowed.get(fault.kind, [EVERY, *range(scene.brokers)])


@given(SEEDS)
def test_a_pause_outlasts_the_session(seed: int) -> None:
    """A paused worker loses its partitions before it wakes; a delay is one of tenths of a second."""
    for fault in plan(seed, 120, Scene(), (Kind.PAUSE, Kind.DELAY)):
        if fault.kind is Kind.PAUSE:
            assert fault.until_ms - fault.at_ms > Scene().session_ms
        else:
            assert 50 <= fault.delay_ms <= 500


def test_workers_are_killed_every_few_seconds() -> None:
    """Three minutes of everything hold a good many kills; no worker is spared."""
    for seed in range(20):
        kills = [fault for fault in plan(seed, 180, Scene(), tuple(Kind)) if fault.kind is Kind.KILL]
        assert len(kills) >= 5
        assert {fault.target for fault in kills} == {0, 1}


def test_no_kinds_no_faults() -> None:
    """A quiet run is possible, to see what the harness itself does."""
    assert plan(1, 60, Scene(), ()) == []


def test_families_hold_every_kind_once() -> None:
    """The words of the command line reach all kinds; an unknown word is an error."""
    assert sorted(kinds_of(FAMILIES)) == sorted(Kind)
    assert kinds_of(["kill", "kill"]) == (Kind.KILL,)
    with pytest.raises(KeyError):
        kinds_of(["earthquake"])
