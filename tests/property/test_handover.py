"""A source partition changes hands at any moment, and nobody can tell from the counts.

The next owner is another process: its vocabulary numbers the keys in another order. Damaged state
is refused, whatever the damage.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.attribution import MODELS
from streams.core.settings import CountingSettings
from streams.errors import CodecError
from streams.funnel import Funnel
from tests.support.partition import CountedPartition, Tables
from tests.support.traffic import SMALL_SETTINGS, Partition, Shape, all_settings, partitions, traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.settings import AttributionModel
    from tests.support.oracle import OracleSettings

Owners = "Callable[[CountedPartition], CountedPartition]"
# Names that the traffic uses, in another order than it uses them.
KEYS = ["slot1", "S2", "banner1", "elsewhere", "S0", "app", "banner0", "S1", "slot0", "web"]
FUNNEL = Funnel(extra_dimensions=("channel",))


def counting(settings: OracleSettings) -> CountedPartition:
    """A new partition under the oracle's settings."""
    names = ("max_out_of_orderness_ms", "allowed_lateness_ms", "max_future_ms", "dedupe_horizon_ms",
             "attribution_window_ms", "attribution", "remembered_orders")  # fmt: skip
    return CountedPartition(
        CountingSettings(**{name: getattr(settings, name) for name in names}), funnel=FUNNEL
    )


def run(
    settings: OracleSettings,
    partition: Partition,
    sizes: Callable[[], int],
    change_hands: Callable[[CountedPartition], CountedPartition],
) -> Tables:
    """Everything read and counted, with a chance to change hands after each batch."""
    counted = counting(settings)
    places = [0, 0]
    open_topics = [topic for topic in (0, 1) if partition[topic]]
    while open_topics:
        topic = min(open_topics, key=lambda number: counted.counts.newest[number])
        batch = partition[topic][places[topic] : places[topic] + sizes()]
        places[topic] += len(batch)
        counted.read(topic, batch)
        if places[topic] == len(partition[topic]):
            open_topics.remove(topic)
        if open_topics:
            newest = min(counted.counts.newest[number] for number in open_topics)
            counted.counts.process(newest - settings.max_out_of_orderness_ms)
        counted = change_hands(counted)
    return counted.finish()


def staying(counted: CountedPartition) -> CountedPartition:
    """Nobody takes over."""
    return counted


def sizes(seed: int) -> Callable[[], int]:
    """Batch sizes, the same for the same seed."""
    rng = Random(seed)
    return lambda: rng.choice([1, 2, 5, 20])


@given(
    data=st.data(), settings=all_settings(), model=st.sampled_from(list(MODELS)), seed=st.integers(0, 2**16)
)
def test_an_owner_may_follow_at_any_moment(
    data: st.DataObject, settings: OracleSettings, model: AttributionModel, seed: int
) -> None:
    """After any batch, as often as one likes, with whatever keys the next owner has met before."""
    settings = replace(settings, attribution=model)
    partition = data.draw(partitions(settings, max_size=30))
    order = data.draw(st.permutations(KEYS))
    rng = Random(seed)

    def maybe(counted: CountedPartition) -> CountedPartition:
        if rng.random() < 0.5:
            return counted
        return counted.hand_over(order[: rng.randint(0, len(order))])

    expected = run(settings, partition, sizes(seed), staying)
    assert run(settings, partition, sizes(seed), maybe) == expected


@pytest.mark.parametrize(("seed", "model"), [(0, "last"), (1, "last"), (2, "first"), (3, "linear")])
def test_an_owner_may_follow_in_a_long_stream(seed: int, model: AttributionModel) -> None:
    """Thousands of records under a hundred owners: what is remembered is remembered as long as needed."""
    settings = replace(SMALL_SETTINGS, attribution=model)
    partition = traffic(seed, 3_000, settings, Shape(visitors=60, skus=12, slots=5, orders=80))
    rng = Random(seed)

    def at_times(counted: CountedPartition) -> CountedPartition:
        return counted.hand_over(rng.sample(KEYS, 5)) if rng.random() < 0.2 else counted

    expected = run(settings, partition, sizes(seed), staying)
    assert run(settings, partition, sizes(seed), at_times) == expected


@given(
    partition=partitions(SMALL_SETTINGS, max_size=15),
    damage=st.lists(st.tuples(st.integers(0, 2**30), st.integers(1, 255)), min_size=1, max_size=4),
    cut=st.integers(0, 2**30),
)
def test_damaged_state_is_refused(partition: Partition, damage: list[tuple[int, int]], cut: int) -> None:
    """Bytes changed anywhere, or cut off anywhere: CodecError and nothing else."""
    counted = counting(SMALL_SETTINGS)
    for topic, records in enumerate(partition):
        if records:
            counted.read(topic, records)
    good = counted.counts.snapshot()
    changed = bytearray(good)
    for place, bits in damage:
        changed[place % len(good)] ^= bits
    for bad in (bytes(changed), good[: cut % len(good)], good + good):
        if bad != good:
            with pytest.raises(CodecError):
                counting(SMALL_SETTINGS).counts.restore(bad)
