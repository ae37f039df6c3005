"""Short findings, and the ends of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alerts.lifecycle import Lifecycle
from alerts.model import DataState, Finding, Kind, Place, Recovered, Rooted, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

T0 = 1_762_689_600_000
BUCKET = 10_000
PAY = Step("order", "paid")
SLOT = (Place("slot", "home.top.1"),)
PAIR = (Place("banner", "hero"), Place("slot", "home.top.1"))
DROP = Kind.CONVERSION_DROP


def at(number: int) -> int:
    """The end of a bucket."""
    return T0 + number * BUCKET


def finding(kind: Kind = DROP, scope: tuple[Place, ...] = SLOT, **fields: Any) -> Finding:
    """Fifty paid of a hundred expected in a minute, unless told otherwise."""
    known: dict[str, Any] = {
        "step": PAY,
        "since_ms": T0 - 60_000,
        "at_ms": T0,
        "observed": 50.0,
        "expected": 100.0,
        "entries": 120.0,
        "evidence": 20.0,
        "threshold": 12.0,
        "one_in_ms": 1e12,
    }
    return Finding(kind=kind, scope=scope, **known | fields)


def rooted(kind: Kind = DROP, scope: tuple[Place, ...] = SLOT, **fields: Any) -> Rooted:
    """The same at the root of what it explains; ``diagnosis``, ``severity`` ... are of that."""
    beside = {
        name: fields.pop(name) for name in ("diagnosis", "severity", "promotion", "phase") if name in fields
    }
    return Rooted(finding(kind, scope, **fields), **beside)


def recovered(kind: Kind = DROP, scope: tuple[Place, ...] = SLOT, step: Step | None = PAY) -> Recovered:
    """It is over."""
    return Recovered(kind, scope, step)


def reasons(
    lifecycle: Lifecycle,
    number: int,
    *findings: Rooted,
    over: Sequence[Recovered] = (),
    data: DataState = DataState(),  # noqa: B008 - it is frozen
) -> list[str]:
    """Reasons of the changes at a bucket."""
    changes = lifecycle.fold(findings, over, at(number), data)
    return [change.reason.value for change in changes]


def opened(*scopes: tuple[Place, ...]) -> Lifecycle:
    """With an open drop on each scope, since buckets 1, 2, ..."""
    lifecycle = Lifecycle()
    for number, scope in enumerate(scopes, 1):
        assert reasons(lifecycle, number, rooted(scope=scope)) == ["opened"]
    return lifecycle
