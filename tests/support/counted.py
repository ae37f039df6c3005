"""Counts of tiny hand-made streams, by the core and by the slow oracle, asked by dimension."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from streams.core.settings import CountingSettings
from streams.events import Record
from streams.funnel import Funnel
from streams.replay import count_records
from tests.support import oracle
from tests.support.builders import T0, stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CLICKS, ORDERS = "clickstream", "orders"


class Tables(Protocol):
    """What both the core and the oracle give back."""

    @property
    def cells(self) -> Mapping[tuple[str, str, str, int], tuple[int, int]]: ...  # noqa: D102
    @property
    def money(self) -> Mapping[tuple[str, str, str, str, int], tuple[int, int]]: ...  # noqa: D102
    @property
    def outcomes(self) -> Mapping[tuple[str, str], int]: ...  # noqa: D102
    @property
    def reasons(self) -> Mapping[tuple[str, str], int]: ...  # noqa: D102


class Counted:
    """Counts of a tiny stream, asked by dimension."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def events(self, node: str, dimension: str = "all") -> dict[str, int]:
        """Events by key, over all buckets."""
        sums: Counter[str] = Counter()
        for (cell_dimension, key, cell_node, _), (events, _) in self.tables.cells.items():
            if (cell_dimension, cell_node) == (dimension, node):
                sums[key] += events
        return dict(sums)

    def visitors(self, node: str, dimension: str = "all") -> dict[str, int]:
        """Visitors by key, over all buckets."""
        sums: Counter[str] = Counter()
        for (cell_dimension, key, cell_node, _), (_, visitors) in self.tables.cells.items():
            if (cell_dimension, cell_node) == (dimension, node):
                sums[key] += visitors
        return dict(sums)

    def buckets(self, node: str) -> dict[int, int]:
        """Events of ``all`` by bucket, in milliseconds after T0."""
        return {
            bucket - T0: events
            for (dimension, _, cell_node, bucket), (events, _) in self.tables.cells.items()
            if (dimension, cell_node) == ("all", node)
        }

    def money(self, kind: str, dimension: str = "all") -> dict[tuple[str, str], tuple[int, int]]:
        """(orders, amount) by key and currency, of a kind that fell into one bucket."""
        return {
            (key, currency): sums
            for (row_dimension, key, currency, row_kind, _), sums in self.tables.money.items()
            if (row_dimension, row_kind) == (dimension, kind)
        }

    def amounts(self, kind: str, dimension: str) -> dict[str, tuple[int, int]]:
        """(orders, amount) in CNY by key."""
        return {
            key: sums for (key, currency), sums in self.money(kind, dimension).items() if currency == "CNY"
        }

    def outcomes(self, topic: str = CLICKS) -> dict[str, int]:
        """Records by outcome."""
        return {str(word): number for (of, word), number in self.tables.outcomes.items() if of == topic}

    def reasons(self, topic: str = CLICKS) -> dict[str, int]:
        """Rejected records by reason."""
        return {str(word): number for (of, word), number in self.tables.reasons.items() if of == topic}


Count = Callable[..., Counted]


def records(values: Iterable[bytes | Record | None]) -> list[Record]:
    """Records as they stand, bare values with offset and a timestamp that makes nothing future."""
    return [
        value if isinstance(value, Record) else stream([value])[0]._replace(offset=offset)
        for offset, value in enumerate(values)
    ]


def by_core(clickstream: list[Record], orders: list[Record], **settings: Any) -> Tables:
    """What the core counts; settings of the funnel among the others."""
    extra = settings.pop("extra_dimensions", ())
    nodes = settings.pop("nodes", Funnel().nodes)
    funnel = Funnel(nodes=nodes, extra_dimensions=extra)
    return count_records(clickstream, orders, CountingSettings(**settings), funnel=funnel)


def by_oracle(clickstream: list[Record], orders: list[Record], **settings: Any) -> Tables:
    """What the oracle counts."""
    return oracle.count(clickstream, orders, oracle.OracleSettings(**settings))
