"""Leaves of a made-up shop, and findings about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.diagnosis.leaves import Leaves
from alerts.diagnosis.likelihood import gain
from alerts.model import EVERYWHERE, Finding, Kind, Place, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PAY = Step("order", "paid")
NODES = ("click", "cart", "order", "paid")
DIMENSIONS = ("slot", "banner", "sku")
SINCE_MS = 1_762_689_600_000
AT_MS = SINCE_MS + 600_000
THRESHOLD = 8.0


def shop(
    factor: Callable[[NDArray[np.int64]], NDArray[np.float64]] | float = 1.0,
    *,
    sizes: tuple[int, ...] = (8, 12, 40),
    each: float = 4.0,
    noise: int | None = None,
) -> Leaves:
    """Every combination, Zipf by key; observed is expected times ``factor``, Poisson with a seed."""
    grid = np.indices(sizes).reshape(len(sizes), -1).T.astype(np.int64)
    expected = each * np.prod([6.0 / (1.0 + grid[:, at]) ** 0.7 for at in range(len(sizes))], axis=0)
    wanted = expected * (factor(grid) if callable(factor) else factor)
    observed = wanted if noise is None else np.random.default_rng(noise).poisson(wanted).astype(np.float64)
    names = tuple(
        tuple(f"{name}{key}" for key in range(size)) for name, size in zip(DIMENSIONS, sizes, strict=False)
    )
    return Leaves(DIMENSIONS[: len(sizes)], names, grid, observed, expected, expected * 30.0)


def at(**keys: str) -> tuple[Place, ...]:
    """A scope by dimension; everywhere without any."""
    return tuple(Place(dimension, key) for dimension, key in keys.items()) or EVERYWHERE


def finding(
    scope: tuple[Place, ...],
    observed: float,
    expected: float,
    *,
    kind: Kind = Kind.CONVERSION_DROP,
    step: Step | None = PAY,
    since_ms: int = SINCE_MS,
    detail: str = "",
) -> Finding:
    """What a detector would say, with all the evidence there is in the counts."""
    return Finding(
        kind, scope, step, since_ms, AT_MS, observed, expected, expected * 30.0,
        gain(observed, expected), THRESHOLD, 1e9, detail=detail,
    )  # fmt: skip


def findings(leaves: Leaves, step: Step = PAY) -> list[Finding]:
    """All series of one dimension, and the total, that are beyond the threshold, as losses."""
    scopes = [
        EVERYWHERE,
        *(
            (Place(name, key),)
            for name, keys in zip(leaves.dimensions, leaves.names, strict=True)
            for key in keys
        ),
    ]
    found = []
    for scope in scopes:
        inside = leaves.inside(scope)
        one = finding(
            scope, float(leaves.observed[inside].sum()), float(leaves.expected[inside].sum()), step=step
        )
        if one.observed < one.expected and one.evidence >= THRESHOLD:
            found.append(one)
    return found
