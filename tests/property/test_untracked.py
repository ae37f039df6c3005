"""Beyond the bound on keys: SKUs share the counts of ``(other)``, and nothing else changes.

The oracle knows no bound. What does not ask for a SKU's name must equal it to the unit: all, slots and
banners, and their money. Counts per SKU must equal it on the same traffic with all SKUs beyond
the bound renamed to one, since they do not depend on what events are attributed to.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.settings import CountingSettings
from streams.funnel import NONE, OTHER, Funnel
from streams.replay import Counts, count_records
from tests.support import oracle
from tests.support.oracle import OracleResult, OracleSettings
from tests.support.traffic import SMALL_SETTINGS, Partition, Shape, all_settings, partitions, traffic

if TYPE_CHECKING:
    from collections.abc import Collection

    from streams.core.settings import AttributionModel
    from streams.events import Record

MODELS: tuple[AttributionModel, ...] = ("last", "first", "linear")
# As many slots and banners as keys are tracked, and more SKUs.
LONG_TAIL = Shape(visitors=40, skus=60, slots=5, orders=60)


def _count(partition: Partition, settings: OracleSettings, max_tracked_keys: int, seed: int) -> Counts:
    names = ("max_out_of_orderness_ms", "allowed_lateness_ms", "max_future_ms", "dedupe_horizon_ms",
             "attribution_window_ms", "attribution", "remembered_orders")  # fmt: skip
    same = {name: getattr(settings, name) for name in names}
    rng = Random(seed)
    return count_records(
        iter(partition.clickstream),
        iter(partition.orders),
        CountingSettings(**same, max_tracked_keys=max_tracked_keys),
        funnel=Funnel(nodes=settings.nodes),
        fetch=lambda: rng.randint(1, 100),
    )


def _oracle(partition: Partition, settings: OracleSettings, tracked: Collection[str]) -> OracleResult:
    """What the contract says, with SKUs that are not tracked in ``(other)``."""
    exact = oracle.count(partition.clickstream, partition.orders, settings)
    beyond = _skus(exact) - {NONE, *tracked}
    renamed = Partition(*([_renamed(record, beyond) for record in topic] for topic in partition))
    per_sku = oracle.count(renamed.clickstream, renamed.orders, settings)
    assert per_sku.outcomes == exact.outcomes
    cells = {cell: sums for cell, sums in exact.cells.items() if cell[0] != "sku"}
    money = {row: sums for row, sums in exact.money.items() if row[0] != "sku"}
    for cell, visits in per_sku.cells.items():
        if cell[0] == "sku":
            cells["sku", _counted(cell[1]), *cell[2:]] = visits
    for row, sums in per_sku.money.items():
        if row[0] == "sku":
            money["sku", _counted(row[1]), *row[2:]] = sums
    return OracleResult(cells, money, exact.outcomes, exact.reasons)


def _renamed(record: Record, skus: Collection[str]) -> Record:
    """All these SKUs as one, in a value of the same length."""
    value = record.value
    for sku in skus if value else ():
        name = f'"{sku}"'.encode()
        value = value and value.replace(name, b'"X"'.ljust(len(name)))
    return record._replace(value=value)


def _skus(counted: OracleResult | Counts) -> set[str]:
    """All keys of the dimension sku."""
    in_cells = {cell[1] for cell in counted.cells if cell[0] == "sku"}
    return in_cells | {row[1] for row in counted.money if row[0] == "sku"}


def _counted(key: str) -> str:
    return OTHER if key == "X" else key


def _assert_equal(
    partition: Partition, settings: OracleSettings, max_tracked_keys: int, seed: int
) -> set[str]:
    """Core and oracle agree; the SKUs that were tracked and counted."""
    core = _count(partition, settings, max_tracked_keys, seed)
    keys = _skus(core)
    tracked = keys - {NONE, OTHER}
    assert len(tracked) <= max_tracked_keys
    expected = _oracle(partition, settings, tracked)
    assert core.outcomes == expected.outcomes
    assert core.cells == expected.cells
    assert core.money == expected.money
    return keys


@pytest.mark.parametrize("model", MODELS)
@given(data=st.data(), settings=all_settings(), seed=st.integers(0, 2**16))
def test_core_equals_oracle_beside_the_names_of_skus(
    data: st.DataObject, settings: OracleSettings, model: AttributionModel, seed: int
) -> None:
    """Two slots, two banners, and two of three SKUs are tracked."""
    settings = replace(settings, attribution=model)
    _assert_equal(data.draw(partitions(settings)), settings, 2, seed)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("settings", [SMALL_SETTINGS, OracleSettings()], ids=["small", "default"])
def test_core_equals_oracle_in_the_long_tail(settings: OracleSettings, model: AttributionModel) -> None:
    """Thousands of records, and eleven of twelve SKUs beyond the bound."""
    settings = replace(settings, attribution=model)
    partition = traffic(5, 4_000, settings, LONG_TAIL)
    assert OTHER in _assert_equal(partition, settings, 5, seed=5)
