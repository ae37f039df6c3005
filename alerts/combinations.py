"""Slot, banner and SKU together: the leaves in which diagnosis looks for where something happened.

Of the last hour every combination's clicks, orders and payments, and of the last days what is usual. A
combination is expected to convert as it usually does, shrunk to what its slot, banner and SKU say; all
together are expected to have reached what the total was expected to.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from alerts.diagnosis.leaves import Leaves
from alerts.packing import pack, unpack
from alerts.recent_cells import RecentCells
from streams.closed import BUCKET_MS, COMBINATION, VISITORS, Cells
from streams.funnel import OTHER, RESERVED_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.model import Place
    from streams.closed import ClosedBucket

    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

DIMENSIONS: Final = ("slot", "banner", "sku")
_JOIN: Final = "\x1f"
_BUCKETS: Final = 360
_KEPT: Final = 0.5 ** (BUCKET_MS / 86_400_000)
# Entries of so long before still arrive, so shares of entries are taken from then on.
_LEAD_MS: Final = 600_000
# Entries that what slot, banner and SKU say weighs against a combination's own.
_PRIOR: Final = 200.0
# Slots have other shares if so much of all clicks would have to be elsewhere.
_MOVED: Final = 0.1
_TINY: Final = 1e-12


class Mix(NamedTuple):
    """What other shares of its combinations make of a key's conversion.

    Attributes:
        factor: on what the key usually converts at.
        error: of what the combinations usually bring, relative.
    """

    factor: float
    error: float


class Carried(NamedTuple):
    """Something of each key, by its number; good until more is added."""

    numbers: tuple[Mapping[str, int], ...]
    values: tuple[F64, ...]

    def of(self, place: Place) -> float:
        """Of one key; 0 of one that is not known."""
        if place.dimension not in DIMENSIONS:
            return 0.0
        dimension = DIMENSIONS.index(place.dimension)
        number = self.numbers[dimension].get(place.key)
        return 0.0 if number is None else float(self.values[dimension][number])


class Ratios(NamedTuple):
    """Reached over expected since a moment, of the total and of all slots; 1 where nothing is known."""

    total: float
    slots: float


class Combinations:
    """See the module.

    Args:
        columns: that are counted by combination: of clicks, orders and payments.
    """

    def __init__(self, columns: Sequence[int]) -> None:
        self._columns = np.array(columns, dtype=np.int64)
        self._place = np.full(2 * VISITORS, -1, dtype=np.int64)
        self._place[self._columns] = np.arange(self._columns.size)
        self._recent = RecentCells(_BUCKETS)
        # With room for more, so that names that come a few at a time do not copy the others.
        self._roomy_usual = np.zeros((self._columns.size, 0))
        self._weight = 1.0
        self._roomy_codes = np.zeros((0, len(DIMENSIONS)), dtype=np.int64)
        # Names that have room; those of them that are taken apart, which nobody needs before he asks.
        self._size = self._coded_size = 0
        self._all_names: Sequence[str] = ()
        self._names: tuple[list[str], ...] = tuple([] for _ in DIMENSIONS)
        self._numbers: tuple[dict[str, int], ...] = tuple({} for _ in DIMENSIONS)

    @property
    def _usual(self) -> F64:
        return self._roomy_usual[:, : self._size]

    @property
    def _codes(self) -> I64:
        known, self._coded_size = self._coded_size, self._size
        if known < self._size:
            self._roomy_codes[known : self._size] = self._coded(self._all_names[known : self._size])
        return self._roomy_codes[: self._size]

    @property
    def names(self) -> tuple[list[str], ...]:
        """Keys of each dimension, by number; they only grow."""
        self._codes  # noqa: B018  # takes all names apart
        return self._names

    def add(self, closed: ClosedBucket, *, frozen: bool) -> None:
        """Take in a closed bucket; while frozen nothing of it is usual."""
        self._admit(closed.names.get(COMBINATION, ()))
        keys, places, counts = self._cells(closed.everything(COMBINATION)[0])
        self._recent.add(closed.start_ms, keys, places, counts, self._size)
        if frozen:
            return
        # Growing weights instead of shrinking sums: most combinations are not in most buckets.
        self._weight /= _KEPT
        # One index is many times faster than two.
        flat, room = self._roomy_usual.reshape(-1), self._roomy_usual.shape[1]
        np.add.at(flat, places * room + keys, counts * self._weight)
        if self._weight > 1e6:
            self._roomy_usual /= self._weight
            self._weight = 1.0

    def _cells(self, cells: Cells) -> tuple[I64, I64, F64]:
        places = self._place[cells.columns]
        mine = places >= 0
        return cells.keys[mine], places[mine], cells.counts[mine].astype(np.float64)

    def _admit(self, names: Sequence[str]) -> None:
        if len(names) <= self._size:
            return
        self._size, self._all_names = len(names), names
        if self._size > len(self._roomy_codes):
            more = self._size + self._size // 2 - len(self._roomy_codes)
            self._roomy_codes = np.pad(self._roomy_codes, ((0, more), (0, 0)))
            self._roomy_usual = np.pad(self._roomy_usual, ((0, 0), (0, more)))

    def _coded(self, names: Sequence[str]) -> I64:
        """Numbers of the keys in combinations, shape (names, dimensions)."""
        several = len(DIMENSIONS)
        other = _JOIN.join([OTHER] * several)
        # One list of all keys: many short ones would call for the garbage collector.
        whole = [name if name.count(_JOIN) == several - 1 else other for name in names]
        keys = _JOIN.join(whole).split(_JOIN)
        codes = np.empty((len(names), several), dtype=np.int64)
        for dimension, numbers in enumerate(self._numbers):
            codes[:, dimension] = [numbers.setdefault(key, len(numbers)) for key in keys[dimension::several]]
            known = self._names[dimension]
            known.extend(islice(numbers, len(known), None))
        return codes

    def leaves(self, entry: int, arrival: int, since_ms: int, ratios: Ratios) -> Leaves | None:
        """Counts since a moment, at most of the last hour; None if nothing entered.

        Args:
            entry: column of entries.
            arrival: column of arrivals.
            since_ms: the moment.
            ratios: reached over expected since then: leaves of a slot together get that of slots, others the
                total's.
        """
        entered = self._sum(int(self._place[entry]), since_ms - _LEAD_MS)
        reached = self._sum(int(self._place[arrival]), since_ms)
        there = np.flatnonzero((entered > 0) | (reached > 0))
        due = entered[there] * self._rates(int(self._place[entry]), int(self._place[arrival]))[there]
        if not due.sum():
            return None
        codes, arrived = self._codes[there], reached[there]
        nobodys = [self._numbers[0].get(key, -1) for key in RESERVED_KEYS]
        of_a_slot = np.isin(codes[:, 0], nobodys, invert=True)
        for mine, ratio in ((of_a_slot, ratios.slots), (~of_a_slot, ratios.total)):
            if ratio > 0 and due[mine].any() and arrived[mine].any():
                due[mine] *= arrived[mine].sum() / ratio / due[mine].sum()
        return Leaves(
            DIMENSIONS, tuple([*names] for names in self.names), codes, arrived, due, entered[there]
        )

    def mixed(self, entry: int, arrival: int, since_ms: int) -> dict[tuple[str, str], Mix]:
        """By dimension and key: what its entries since a moment usually bring, over what as many of it usually do.

        Combinations convert as they usually do on both sides, so only what a key was shown together with
        makes a difference: 1 where that is as usual. At most the last hour is known.

        Args:
            entry: column of entries.
            arrival: column of arrivals.
            since_ms: the moment.
        """
        at, to = int(self._place[entry]), int(self._place[arrival])
        rates, now, usual = self._rates(at, to), self._sum(at, since_ms), self._usual[at]
        found: dict[tuple[str, str], Mix] = {}
        for number, (dimension, names) in enumerate(zip(DIMENSIONS, self._names, strict=True)):
            keys = self._codes[:, number]
            brings = [_mean_by(keys, weights, rates, len(names)) for weights in (now, usual)]
            seen = np.bincount(keys, self._usual[to] / self._weight, minlength=len(names))
            known = np.flatnonzero((brings[0] > 0) & (brings[1] > 0))
            factors, errors = brings[0][known] / brings[1][known], 1.0 / np.sqrt(1.0 + seen[known])
            each = zip(known.tolist(), factors.tolist(), errors.tolist(), strict=True)
            found |= {(dimension, names[key]): Mix(factor, error) for key, factor, error in each}
        return found

    def shown(self, click: int, since_ms: int) -> dict[tuple[str, str], Mix]:
        """By banner and SKU: clicks since a moment if each slot's were shared as usual, over those that there were.

        Exposures are not counted by combination. But a key that is clicked as often as its slots are is clicked
        as it always was there, however few of its exposures led to clicks before those slots were shown so much.
        Empty where slots have the shares of clicks that they always had.

        Args:
            click: column of clicks.
            since_ms: the moment.
        """
        at = int(self._place[click])
        now, usual, slots = self._sum(at, since_ms), self._usual[at] / self._weight, self._codes[:, 0]
        by_slot = [np.bincount(slots, clicks, minlength=len(self._names[0])) for clicks in (now, usual)]
        shares = [clicks / max(float(clicks.sum()), 1.0) for clicks in by_slot]
        if 0.5 * float(np.abs(shares[0] - shares[1]).sum()) < _MOVED:
            return {}
        grown = np.where(by_slot[1] > 0, by_slot[0] / np.maximum(by_slot[1], _TINY), 0.0)
        found: dict[tuple[str, str], Mix] = {}
        for number, (dimension, names) in [*enumerate(zip(DIMENSIONS, self._names, strict=True))][1:]:
            keys = self._codes[:, number]
            due, were, known = (
                np.bincount(keys, clicks, minlength=len(names))
                for clicks in (usual * grown[slots], now, usual)
            )
            for key in np.flatnonzero((due > 0) & (were > 0)).tolist():
                error = 1.0 / float(np.sqrt(1.0 + known[key]))
                found[dimension, names[key]] = Mix(float(due[key] / were[key]), error)
        return found

    def carried(self, column: int, since_ms: int, by_slot: Mapping[str, float]) -> Carried:
        """Means over each key's counts since a moment of what is given by slot; of others it is 0."""
        values = np.array([by_slot.get(name, 0.0) for name in self.names[0]])
        counts, codes = self._sum(int(self._place[column]), since_ms), self._codes
        means = tuple(
            _mean_by(codes[:, at], counts, values[codes[:, 0]], len(names))
            for at, names in enumerate(self._names)
        )
        return Carried(self._numbers, means)

    def _sum(self, place: int, since_ms: int) -> F64:
        return self._recent.since(since_ms, place, self._size)

    def _rates(self, entry: int, arrival: int) -> F64:
        """What of each combination's entries usually arrives, shape (combinations,)."""
        entered, reached = self._usual[entry] / self._weight, self._usual[arrival] / self._weight
        total = (reached.sum() + 1.0) / (entered.sum() + 1.0)
        said = np.full(entered.size, total)
        for dimension in range(len(DIMENSIONS)):
            code = self._codes[:, dimension]
            in_key = np.bincount(code, entered) + _PRIOR
            of_key = np.bincount(code, reached) + _PRIOR * total
            said *= (of_key / in_key / total)[code]
        rates: F64 = (reached + _PRIOR * said) / (entered + _PRIOR)
        return rates

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "recent": self._recent.snapshot(),
            "usual": pack(self._usual),
            "weight": self._weight,
            "codes": pack(self._codes),
            "names": [list(names) for names in self.names],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self._recent.restore(state["recent"])
        self._roomy_usual, self._weight = unpack(state["usual"]), state["weight"]
        self._roomy_codes = unpack(state["codes"])
        self._size = self._coded_size = len(self._roomy_codes)
        self._names = tuple(list(names) for names in state["names"])
        self._numbers = tuple({key: n for n, key in enumerate(names)} for names in self._names)


def _mean_by(keys: I64, weights: F64, values: F64, size: int) -> F64:
    """Weighted mean of values by key, shape (size,); 0 where nothing weighs."""
    weight = np.bincount(keys, weights, minlength=size)
    return np.asarray(np.bincount(keys, weights * values, minlength=size) / np.where(weight > 0, weight, 1.0))
