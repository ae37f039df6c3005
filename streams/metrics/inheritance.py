"""Which counters of dead owners a worker continues, and what of the others it leaves out.

Under the address at which they were shown, with every shard they are of, counters continue exactly,
from the moment that the rollups the dead one had read are read again. Anywhere else a counter starts
from zero and counts at first only what nobody can have been shown: of series that may have been, what
is read again is left out. Promises: no increment is told twice. Refuses to touch counters: it says
which (:class:`streams.metrics.key_series.KeySeries` counts). Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.metrics.series_part import Carried, SeriesPart


class Continued(NamedTuple):
    """What goes on as it was: the parts by shard, and the newest of what was written down."""

    parts: dict[int, SeriesPart]
    newest: SeriesPart


class Inheritance:
    """What is inherited until all that dead owners had read is read again.

    Attributes:
        told: by shard the (dimension, name) of which others may have been shown something; None for all.
    """

    def __init__(self) -> None:
        self.told: dict[int, frozenset[tuple[str, str]] | None] = {}
        self._continued: set[int] = set()

    @property
    def behind(self) -> bool:
        """Whether counters that continue are behind what was shown already."""
        return bool(self._continued)

    def go_on(self, continued: Continued) -> None:
        """These are continued from here on."""
        self._continued = set(continued.parts)

    def leave_out(self, shard: int, part: SeriesPart | None) -> None:
        """Of this shard others were shown what its part says; without one nobody knows, so all of it."""
        self.told[shard] = None if part is None else part.told()

    def caught_up(self, shard: int) -> None:
        """From here on everything counts."""
        self.told.pop(shard, None)
        self._continued.discard(shard)

    def lose(self, shards: frozenset[int]) -> None:
        """Shards went elsewhere before that."""
        for shard in shards:
            self.caught_up(shard)

    def is_new(self, shard: int, dimension: str, name: str) -> bool:
        """Whether nobody was shown anything of a series."""
        if shard not in self.told:
            return True
        told = self.told[shard]
        return told is not None and (dimension, name) not in told

    def only_new(
        self, shard: int, dimension: str, names: Sequence[str], values: Sequence[int]
    ) -> tuple[Sequence[str], Sequence[int]]:
        """Names and values without those of which others may have been shown something."""
        told = self.told[shard]
        if told is None:
            return [], []
        new = [(n, v) for n, v in zip(names, values, strict=True) if (dimension, n) not in told]
        return [name for name, _ in new], [value for _, value in new]


def continued(
    owned: frozenset[int], carried: Mapping[int, Carried | None], *, begins: bool
) -> Continued | None:
    """What may go on as it was, if anything may.

    Args:
        owned: all shards that are here.
        carried: of those that come, what a dead owner had written down; None if he handed it over.
        begins: this process has shown nothing yet; otherwise it would show less or more than it did.
    """
    mine = {shard: it.part for shard, it in carried.items() if begins and it and it.mine and it.part}
    newest = max(mine.values(), key=lambda part: part.tenure, default=None)
    # ``(other)`` is of all its shards: without one of them it would be less than it was.
    if newest is None or not mine.keys() | (owned - carried.keys()) >= {*newest.owned}:
        return None
    return Continued({shard: mine[shard] for shard in newest.owned if shard in mine}, newest)
