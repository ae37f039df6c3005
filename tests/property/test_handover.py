"""A source partition changes hands at any moment, and nobody can tell from the counts.

The next owner is another process: its vocabulary numbers the keys in another order. Damaged state
is refused, whatever the damage.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.attribution import MODELS
from streams.core.settings import CountingSettings
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


def counting(settings: OracleSettings, max_tracked_keys: int = 1_000) -> CountedPartition:
    """A new partition under the oracle's settings, and of so many keys."""
    names = ("max_out_of_orderness_ms", "allowed_lateness_ms", "max_future_ms", "dedupe_horizon_ms",
             "attribution_window_ms", "attribution", "remembered_orders")  # fmt: skip
    same = {name: getattr(settings, name) for name in names}
    return CountedPartition(CountingSettings(**same, max_tracked_keys=max_tracked_keys), funnel=FUNNEL)


def run(
    settings: OracleSettings,
    partition: Partition,
    sizes: Callable[[], int],
    change_hands: Callable[[CountedPartition], CountedPartition],
    max_tracked_keys: int = 1_000,
) -> Tables:
    """Everything read and counted, with a chance to change hands after each batch."""
    counted = counting(settings, max_tracked_keys)
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
        return counted.hand_over(order[: rng.randint(0, len(order))], flushed=rng.random() < 0.7)

    expected = run(settings, partition, sizes(seed), staying)
    assert run(settings, partition, sizes(seed), maybe) == expected


def beside_skus(tables: Tables) -> Tables:
    """All but the counts per SKU."""
    return Tables(
        {key: cells for key, cells in tables.cells.items() if key[1] != "sku"},
        {key: sums for key, sums in tables.money.items() if key[1][0] != "sku"},
        tables.outcomes,
    )


def amounts_by_sku(tables: Tables) -> Counter[tuple[int, str, str]]:
    """The money of all SKUs together: (bucket, currency, kind) -> amount."""
    sums = Counter[tuple[int, str, str]]()
    for (bucket, (dimension, _, currency, kind)), (_, amount) in tables.money.items():
        if dimension == "sku":
            sums[bucket, currency, kind] += amount
    return sums


@given(
    data=st.data(), settings=all_settings(), model=st.sampled_from(list(MODELS)), seed=st.integers(0, 2**16)
)
def test_owners_that_number_other_skus_find_the_same_places(
    data: st.DataObject, settings: OracleSettings, model: AttributionModel, seed: int
) -> None:
    """A SKU with a number here may be beyond the bound there, and back: slots and banners stay right."""
    settings = replace(settings, attribution=model)
    partition = data.draw(partitions(settings, max_size=30))
    rng = Random(seed)

    def maybe(counted: CountedPartition) -> CountedPartition:
        if rng.random() < 0.3:
            return counted
        return counted.hand_over(first_skus=rng.sample(["S0", "S1", "S2", "T0", "T1"], rng.randint(0, 2)))

    expected = run(settings, partition, sizes(seed), staying)
    counted = run(settings, partition, sizes(seed), maybe, max_tracked_keys=2)
    assert beside_skus(counted) == beside_skus(expected)
    assert amounts_by_sku(counted) == amounts_by_sku(expected)


@pytest.mark.parametrize(("seed", "model"), [(0, "last"), (1, "last"), (2, "first"), (3, "linear")])
def test_an_owner_may_follow_in_a_long_stream(seed: int, model: AttributionModel) -> None:
    """Thousands of records under a hundred owners: what is remembered is remembered as long as needed."""
    settings = replace(SMALL_SETTINGS, attribution=model)
    partition = traffic(seed, 3_000, settings, Shape(visitors=60, skus=12, slots=5, orders=80))
    rng = Random(seed)

    def at_times(counted: CountedPartition) -> CountedPartition:
        return (
            counted.hand_over(rng.sample(KEYS, 5), flushed=rng.random() < 0.7)
            if rng.random() < 0.2
            else counted
        )

    expected = run(settings, partition, sizes(seed), staying)
    assert run(settings, partition, sizes(seed), at_times) == expected
