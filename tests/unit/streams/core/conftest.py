"""Rules of the contract are tried on the core and on the oracle that judges it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.counted import Count, Counted, by_core, by_oracle, records

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.events import Record


@pytest.fixture(params=[by_core, by_oracle], ids=["core", "oracle"])
def count(request: pytest.FixtureRequest) -> Count:
    """Counts values of the two topics under settings that differ from the defaults."""

    def counting(
        clickstream: Iterable[bytes | Record | None] = (),
        orders: Iterable[bytes | Record | None] = (),
        **settings: Any,
    ) -> Counted:
        return Counted(request.param(records(clickstream), records(orders), **settings))

    return counting
