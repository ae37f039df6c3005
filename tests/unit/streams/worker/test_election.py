"""Whom an election gives the partition to, asked directly; elections on a broker are in tests/integration."""

from __future__ import annotations

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from streams.worker.election import Incumbent

TOPIC = "control"


class Cluster:
    """As much of aiokafka's cluster metadata as an assignor asks for."""

    def __init__(self, **counts: int) -> None:
        self._counts = counts

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """Numbers of a topic's partitions; None for one that is not there."""
        return set(range(self._counts[topic])) if topic in self._counts else None


def told(term: int | None) -> ConsumerProtocolMemberMetadata:
    """What a member tells, as the wire has it."""
    data = Incumbent(lambda: term).metadata({TOPIC}).encode()
    return ConsumerProtocolMemberMetadata.decode(data)


def elected(cluster: Cluster, **terms: int | None) -> dict[str, list[int]]:
    """Who is given which partitions, when members tell these terms."""
    members = {name: told(term) for name, term in terms.items()}
    found = Incumbent(lambda: None).assign(cluster, members)
    assert found.keys() == members.keys()
    return {
        name: [tp.partition for tp in one.decode(one.encode()).partitions()] for name, one in found.items()
    }


@pytest.mark.parametrize(
    ("terms", "winner"),
    [
        ({"b": None, "a": None, "c": None}, "a"),
        ({"a": None, "b": 0}, "b"),
        ({"a": None, "b": 12, "c": None}, "b"),
        ({"a": 9, "b": 12, "c": 10}, "b"),
        ({"c": 3, "b": 3, "a": None}, "b"),
    ],
)
def test_who_is_elected_stays_so(terms: dict[str, int | None], winner: str) -> None:
    """Nobody takes it from whoever has it; of two who say so, it is the newer one's; else the first by name."""
    assert elected(Cluster(control=1), **terms) == {name: [0] if name == winner else [] for name in terms}


def test_all_partitions_go_to_one() -> None:
    """More of them than needed make no second one elected."""
    assert elected(Cluster(control=3), a=None, b=None) == {"a": [0, 1, 2], "b": []}


def test_no_topic_nobody_elected() -> None:
    """Until the topic is there."""
    assert elected(Cluster(), a=None, b=None) == {"a": [], "b": []}


def test_what_cannot_be_read_is_no_term() -> None:
    """A member of another build is as good as anybody."""
    odd = ConsumerProtocolMemberMetadata(0, [TOPIC], b"\xff\x00")
    found = Incumbent(lambda: None).assign(Cluster(control=1), {"a": odd, "b": told(1)})
    assert found["b"].partitions()
    assert not found["a"].partitions()
