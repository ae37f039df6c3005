"""Numbers for everything that is counted: stages, and the keys of every dimension.

Bounded: a dimension knows at most ``max_keys`` keys; what comes beyond is counted as ``(other)``.
SKUs beyond it still tell a click's SKU from another's: their codes carry a fingerprint.

Beside the funnel's dimensions there are three of our own (:mod:`streams.closed`): bins of lags,
payment methods, and combinations of slot, banner and SKU. They are counted like the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.closed import COMBINATION, LAG, PAYMENT_METHOD
from streams.core.hashing import combine, fingerprint
from streams.core.lags import LAG_EDGES_S
from streams.funnel import ALL, NONE, ORDER_OUTCOMES, OTHER, Funnel

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from streams.events import Reason

    I32 = NDArray[np.int32]
    U64 = NDArray[np.uint64]

NONE_CODE = 0
OTHER_CODE = 1
FIRST_CODE = 2
SEVERAL = -1  # not a key: the event has a list of them
UNMAPPED_STAGE = -1
REJECTED = -2
_FIRST_UNTRACKED = -(1 << 30)
_IDENTITY_MASK = (1 << 30) - 1
# Dimensions of our own, which nobody exports.
INNER_DIMENSIONS = (LAG, PAYMENT_METHOD, COMBINATION)
# Between the parts of a combination; no key may hold it.
_JOINT = "\x1f"
_MAX_METHODS = 200


class Column:
    """A growing array: appends are cheap, and so is looking at it as a whole."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self._data = np.zeros(64, dtype=dtype)
        self._size = 0

    def append(self, value: int) -> None:
        """Put one value at the end."""
        if self._size == self._data.size:
            self._grow()
        self._data[self._size] = value
        self._size += 1

    def extend(self, values: NDArray[Any]) -> None:
        """Put many at the end."""
        end = self._size + values.size
        while end > self._data.size:
            self._grow()
        self._data[self._size : end] = values
        self._size = end

    def _grow(self) -> None:
        self._data = np.concatenate((self._data, np.zeros_like(self._data)))

    def values(self) -> NDArray[Any]:
        """All values so far, as a view."""
        return self._data[: self._size]


class Names:
    """Names of the keys of one dimension by code, beginning with ``(none)`` and ``(other)``."""

    def __init__(self, dimension: str, shards: int) -> None:
        self.dimension = dimension
        self.names = [NONE, OTHER]
        self._prints = Column(np.uint64)
        self._shards = Column(np.uint16)
        self._shard_count = shards
        for name in self.names:
            self._describe(name)

    def _describe(self, name: str) -> None:
        self._prints.append(fingerprint(f"{self.dimension}\0{name}"))
        self._shards.append(shard_of(self.dimension, name, self._shard_count))

    @property
    def prints(self) -> NDArray[np.uint64]:
        """Fingerprint of each key by its code: the same in every process."""
        return self._prints.values()

    @property
    def shards(self) -> NDArray[np.uint16]:
        """Owning shard of each key by its code."""
        return self._shards.values()


class LagBins(Names):
    """Bins of lags by number, from ``FIRST_CODE`` on: where each begins, in whole seconds."""

    def __init__(self, shards: int) -> None:
        super().__init__(LAG, shards)
        for edge in LAG_EDGES_S:
            self.names.append(str(edge))
            self._describe(str(edge))


class Combinations(Names):
    """Combinations of slot, banner and SKU; beyond so many all further ones are ``(other)``.

    There may be as many as clicks, so fingerprint and shard are made of the parts' fingerprints, not
    of the name.
    """

    def __init__(self, tables: tuple[Names, Names, Names], max_keys: int, shards: int) -> None:
        super().__init__(COMBINATION, shards)
        self._tables = tables
        self._max_keys = max_keys
        self._known: dict[int, int] = {}

    def codes(self, keys: I32) -> I32:
        """Code of each combination; one that is new gets the next.

        Args:
            keys: codes of slot, banner and SKU as they are counted, shape (3, n).
        """
        slot, banner, sku = (table.prints[codes] for table, codes in zip(self._tables, keys, strict=True))
        prints = combine(combine(slot, banner), sku)
        known, listed = self._known, prints.tolist()
        if len(known) < self._max_keys:
            self._number([at for at, one in enumerate(listed) if one not in known], keys, prints)
        return np.array([known.get(one, OTHER_CODE) for one in listed], dtype=np.int32)

    def _number(self, places: list[int], keys: I32, prints: U64) -> None:
        """Give those at these places numbers in their order, each once, while there are any left."""
        if not places:
            return
        first = dict(zip(reversed(prints[places].tolist()), reversed(places), strict=True))
        new = sorted(first.values())[: self._max_keys - len(self._known)]
        chosen, begin = prints[new], len(self.names)
        self._known.update(zip(chosen.tolist(), range(begin, begin + len(new)), strict=True))
        parts = (
            map(table.names.__getitem__, codes)
            for table, codes in zip(self._tables, keys[:, new].tolist(), strict=True)
        )
        self.names += map(_JOINT.join, zip(*parts, strict=True))
        self._prints.extend(chosen)
        self._shards.extend(chosen % np.uint64(self._shard_count))


class KeyTable(Names, dict["str | tuple[str, ...] | None", int]):
    """Key -> code for one dimension; unseen keys are checked and numbered on first use.

    A tuple of keys answers ``SEVERAL``; a key that fails the check answers ``REJECTED`` and is not
    remembered.
    """

    def __init__(
        self, dimension: str, check: Callable[[str], Reason | None], max_keys: int, shards: int
    ) -> None:
        super().__init__(dimension, shards)
        self[None] = NONE_CODE
        self._check = check
        self._max_keys = max_keys

    def __missing__(self, key: str | tuple[str, ...] | None) -> int:
        if not isinstance(key, str):
            return SEVERAL
        if self._check(key) is not None:
            return REJECTED
        if len(self.names) >= self._max_keys + 2:
            return self._untracked(key)
        code = len(self.names)
        self.names.append(key)
        self._describe(key)
        self[key] = code
        return code

    def objection(self, key: str | None) -> Reason:
        """Why a key may not stand as one; only for keys that answered ``REJECTED``."""
        reason = self._check(key or "")
        if reason is None:
            raise ValueError(key)
        return reason

    def _untracked(self, key: str) -> int:  # noqa: ARG002  # all the same, but not to SKUs
        """The code of a key beyond the bound."""
        return OTHER_CODE


class SkuTable(KeyTable):
    """SKUs: those beyond the bound are told apart, though they are counted as one.

    Such a SKU answers a code far below ``REJECTED`` made of 30 bits of its fingerprint, its
    *identity*, and takes no memory. A numbered SKU has an identity too, the code it would have
    beyond the bound, so that a process that numbers a SKU and one that does not mean the same by
    it. Two SKUs share an identity with probability 2**-30. It matters if one visitor clicks on
    both within the window or one order holds both: then they are one SKU to attribution, or to
    what is refunded; counts per SKU do not depend on identities.
    """

    def __init__(self, check: Callable[[str], Reason | None], max_keys: int, shards: int) -> None:
        self._identities = Column(np.int32)
        super().__init__("sku", check, max_keys, shards)

    def _untracked(self, key: str) -> int:
        return _FIRST_UNTRACKED - (fingerprint(f"{self.dimension}\0{key}") & _IDENTITY_MASK)

    def _describe(self, name: str) -> None:
        super()._describe(name)
        self._identities.append(self._untracked(name))

    def identities(self, codes: I32) -> I32:
        """What tells SKUs apart, by their codes: below zero; ``(none)`` and ``(other)`` stay as they are."""
        known: I32 = self._identities.values().take(codes, mode="clip")
        return np.where(codes > OTHER_CODE, known, codes)

    def identity(self, code: int) -> int:
        """The same of one SKU."""
        return int(self._identities.values()[code]) if code > OTHER_CODE else code


def counted_code(code: int) -> int:
    """The code under which a SKU is counted: ``OTHER_CODE`` for one beyond the bound."""
    return OTHER_CODE if code < 0 else code


def counted_codes(codes: I32) -> I32:
    """The same of many."""
    return np.where(codes < 0, np.int32(OTHER_CODE), codes)


@dataclass(frozen=True, slots=True)
class Stages:
    """Stage numbers: the funnel's nodes first, then payment outcomes, then reversals."""

    names: tuple[str, ...]
    codes: dict[str, int]
    nodes: int
    click: int
    paid: int
    first_outcome: int
    first_reversal: int

    @classmethod
    def of(cls, funnel: Funnel) -> Stages:
        """Stages of a funnel; ``paid`` is -1 in a funnel without it."""
        names = funnel.nodes + ORDER_OUTCOMES
        codes = {name: code for code, name in enumerate(names)}
        nodes = len(funnel.nodes)
        return cls(names, codes, nodes, 1, codes.get("paid", -1), nodes, codes["cancelled"])


class Vocabulary:
    """Stages and keys of one funnel, shared by all source partitions of a process.

    ``tables`` has the keys of the funnel's dimensions but ``all``; ``sku`` those of that dimension.
    ``lags``, ``methods`` and ``combinations`` are those of our own. A dimension's number is its
    place in ``dimensions``, and less one that in ``keyed``.
    """

    def __init__(
        self,
        funnel: Funnel,
        check: Callable[[str], Reason | None],
        *,
        max_keys: int = 100_000,
        shards: int = 4,
    ) -> None:
        self.funnel = funnel
        self.stages = Stages.of(funnel)
        self.shards = shards
        self.all_shard = shard_of(ALL, ALL, shards)
        self.sku = SkuTable(check, max_keys, shards)
        slot, banner, *extra = (
            KeyTable(dimension, check, max_keys, shards)
            for dimension in ("slot", "banner", *funnel.extra_dimensions)
        )
        self.tables = (slot, banner, self.sku, *extra)
        self.lags = LagBins(shards)
        self.methods = KeyTable(PAYMENT_METHOD, check, _MAX_METHODS, shards)
        self.combinations = Combinations((slot, banner, self.sku), max_keys, shards)
        self.keyed: tuple[Names, ...] = (*self.tables, self.lags, self.methods, self.combinations)
        self.dimensions = funnel.dimensions + INNER_DIMENSIONS

    @property
    def slot(self) -> KeyTable:
        """Keys of the dimension ``slot``."""
        return self.tables[0]

    @property
    def banner(self) -> KeyTable:
        """Keys of the dimension ``banner``."""
        return self.tables[1]

    def number(self, table: Names) -> int:
        """Number of a table's dimension."""
        return self.dimensions.index(table.dimension)

    def method(self, name: str | None) -> int:
        """Code of a payment method; of one whose name may not stand as a key, that of ``(other)``."""
        code = self.methods[name]
        return OTHER_CODE if code == REJECTED else code


def shard_of(dimension: str, key: str, shards: int) -> int:
    """The shard that owns a key: the same in every process and version."""
    return fingerprint(f"{dimension}\0{key}") % shards
