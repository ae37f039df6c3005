"""Which windows there are, and how much is kept of earlier times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY: Final = "day"
SLIDING: Final[Mapping[str, int]] = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000}
LONGEST_MS: Final = max(SLIDING.values())
DAY_MS: Final = 86_400_000


class Sale(NamedTuple):
    """A promotion: its name, its time (half-open), and keys by dimension; no scope is everything."""

    name: str
    start_ms: int
    end_ms: int
    scope: Mapping[str, frozenset[str]] = {}  # never written to

    @property
    def window(self) -> str:
        """Name of the window from its start to now."""
        return f"promotion:{self.name}"


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """How much is kept.

    Attributes:
        zone: time zone of the days, a name in the IANA database.
        lateness_ms: how late counts may come and still find their ten seconds.
        history_days: for so many days earlier times are kept.
        max_keys: of each dimension, for earlier times.
        max_sales: windows of promotions at a time; the ones that started last.
        max_money: sums of money (by dimension, key, currency and kind) that are told apart; further
            ones are left out.
    """

    zone: str = "UTC"
    lateness_ms: int = 600_000
    history_days: int = 8
    max_keys: int = 200
    max_sales: int = 4
    max_money: int = 200_000
