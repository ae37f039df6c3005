"""What the page is handed by the composition root: judgement as functions of plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

__all__ = ["Card", "Judgement", "PlacedKeys", "Said", "SilenceWanted"]

# Clicks, paid orders, revenue in minor units.
Trade: TypeAlias = tuple[int, int, int]
# Key and value of a record.
Record: TypeAlias = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Card:
    """An incident in words: a title, a line of numbers, and labelled facts."""

    title: str
    summary: str
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PlacedKeys:
    """Places of one dimension's keys: word by key, lines between, interval of each rate."""

    quadrants: Sequence[str]
    exposure_line: float
    conversion_line: float
    lower: F64
    upper: F64


@dataclass(frozen=True, slots=True)
class SilenceWanted:
    """A silence that somebody asks for; see ``alerts.control`` for what matches."""

    id: str
    by: str
    starts_ms: int
    ends_ms: int
    comment: str = ""
    kinds: tuple[str, ...] = ()
    scope: tuple[tuple[str, str], ...] = ()
    steps: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    incident_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """Records for the topic of controls, as bytes: somebody takes an incident on, begins or ends a silence."""

    ack: Callable[[str, str, int], Record]
    silence: Callable[[SilenceWanted], Record]
    unsilence: Callable[[str, str, int], Record]


@dataclass(frozen=True, slots=True)
class Judgement:
    """See the module.

    Attributes:
        card: an incident's record in words, in ``en`` or ``zh``.
        split: change of revenue from one trade to another by factor: traffic, conversion, order_value.
        place: exposures, clicks and conversions by key into places.
        said: what people say, for the topic of controls.
        kinds: words of incidents' kinds; those in ``data_kinds`` are about the data itself.
        severities: in rising order.
        incident_schema: JSON schema of an incident's record.
    """

    card: Callable[[bytes, str], Card]
    split: Callable[[Trade, Trade], Mapping[str, int]]
    place: Callable[[F64, F64, F64], PlacedKeys]
    said: Said
    kinds: tuple[str, ...] = ()
    data_kinds: frozenset[str] = frozenset()
    severities: tuple[str, ...] = ()
    incident_schema: Mapping[str, Any] = field(default_factory=dict)
