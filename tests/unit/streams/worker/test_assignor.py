"""Which worker gets which partitions: the assignor that the worker's app really uses, asked directly."""

from __future__ import annotations

from itertools import pairwise

import pytest
from faust.assignor.partition_assignor import PartitionAssignor

from streams.config import load_settings
from streams.worker.wiring import faust_app

TOPICS = ("clickstream", "orders", "rollups")
Owners = dict[tuple[str, int], str]


class Cluster:
    """As much of aiokafka's cluster metadata as an assignor asks for."""

    def __init__(self, partitions: int, shards: int) -> None:
        self._counts = dict(zip(TOPICS, (partitions, partitions, shards), strict=True))

    def partitions_for_topic(self, topic: str) -> set[int]:
        """Numbers of a topic's partitions."""
        return set(range(self._counts[topic]))


class Group:
    """Members with the memory that the assignor gives them, from one generation to the next."""

    def __init__(self, partitions: int, shards: int) -> None:
        self._cluster = Cluster(partitions, shards)
        self._members: dict[str, PartitionAssignor] = {}

    def rebalance(self, size: int) -> Owners:
        """The first so many members are there now: who owns what."""
        names = [f"worker-{number}" for number in range(size)]
        self._members = {name: self._members.get(name) or self._new() for name in names}
        told = {name: member.metadata(set(TOPICS)) for name, member in self._members.items()}
        assigned = self._members[names[0]].assign(self._cluster, told)
        owners: Owners = {}
        for name, member in self._members.items():
            member.on_assignment(assigned[name])
            for topic, numbers in assigned[name].assignment:
                for number in numbers:
                    assert owners.setdefault((topic, number), name) == name, "two owners"
        return owners

    @staticmethod
    def _new() -> PartitionAssignor:
        app = faust_app(load_settings(None, {}))
        assert app.conf.table_standby_replicas > 0, "aiokafka's round robin would be used"
        assert isinstance(app.assignor, PartitionAssignor)
        return app.assignor


def load_of(owners: Owners, topic: str, size: int) -> list[int]:
    """How many partitions of a topic each member has."""
    mine = [owner for (name, _), owner in owners.items() if name == topic]
    return [mine.count(f"worker-{number}") for number in range(size)]


@pytest.mark.parametrize(("partitions", "shards"), [(8, 8), (8, 16), (12, 4), (3, 8)])
@pytest.mark.parametrize("sizes", [[1, 2, 3, 5], [5, 3, 2, 1], [2, 3, 2, 3]])
def test_equal_partitions_stay_together(partitions: int, shards: int, sizes: list[int]) -> None:
    """Whoever has a partition of the clickstream has that of the orders; all are owned, nobody has too many."""
    group = Group(partitions, shards)
    for size in sizes:
        owners = group.rebalance(size)
        assert len(owners) == 2 * partitions + shards
        for number in range(partitions):
            assert owners["clickstream", number] == owners["orders", number]
        assert max(load_of(owners, "clickstream", size)) == -(-partitions // size)
        assert max(load_of(owners, "rollups", size)) == -(-shards // size)


@pytest.mark.parametrize(("partitions", "shards"), [(8, 8), (8, 16), (12, 4)])
@pytest.mark.parametrize("sizes", [[1, 2, 3, 5], [5, 3, 2, 1], [2, 3, 2, 3], [3, 3]])
def test_no_more_partitions_move_than_must(partitions: int, shards: int, sizes: list[int]) -> None:
    """Only what a member has beyond its fair share, rounded up, or what a member leaves behind, moves."""
    group = Group(partitions, shards)
    before = group.rebalance(sizes[0])
    for old, new in pairwise(sizes):
        after = group.rebalance(new)
        for topic, count in zip(TOPICS, (partitions, partitions, shards), strict=True):
            share = -(-count // new)
            loads = load_of(before, topic, old)
            must = sum(max(load - share, 0) for load in loads[:new]) + sum(loads[new:])
            moved = sum(after[key] != before[key] for key in before if key[0] == topic)
            assert moved == must, (topic, old, new)
        before = after
