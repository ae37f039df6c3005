"""What makes two findings one thing: its family of kinds, its scope, its step.

A conversion that falls and then breaks is one incident whose kind is known better by and by, so the
kinds of a family share an identity. What a wider scope explains belongs to the wider one.
"""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

from alerts.model import EVERYWHERE, Kind, Place, Recovered, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerts.model import Finding

CLICKSTREAM: Final = "clickstream"
ORDERS: Final = "orders"
BOTH: Final = frozenset({CLICKSTREAM, ORDERS})
# Within a family the later kind says more.
FAMILIES: Final = {
    Kind.SLOWER: ("fewer", 0),
    Kind.CONVERSION_DROP: ("fewer", 1),
    Kind.NODE_BREAK: ("fewer", 2),
    Kind.OUT_OF_STOCK: ("fewer", 3),
}
ABOUT_DATA: Final = frozenset({Kind.DATA_OUTAGE, Kind.BAD_INPUT})


class Identity(NamedTuple):
    """Of which there is never more than one open incident.

    Attributes:
        family: kinds that are one thing, by a word.
        scope: sorted.
        detail: empty for data, where it names the symptom.
    """

    family: str
    scope: tuple[Place, ...]
    step: Step | None
    detail: str


def family_of(kind: Kind) -> str:
    """The family of a kind."""
    return FAMILIES.get(kind, (kind.value, 0))[0]


def says_more(kind: Kind, than: Kind) -> bool:
    """Whether a kind names the same thing better."""
    return (
        family_of(kind) == family_of(than) and FAMILIES.get(kind, ("", 0))[1] > FAMILIES.get(than, ("", 0))[1]
    )


def identity_of(found: Finding | Recovered) -> Identity:
    """What a finding, or its end, is about."""
    detail = "" if found.kind in ABOUT_DATA else found.detail
    return Identity(family_of(found.kind), tuple(sorted(found.scope)), found.step, detail)


def wider(identity: Identity) -> Iterator[Identity]:
    """The same thing on every wider scope: with fewer conditions, and with none."""
    if identity.scope == EVERYWHERE:
        return
    yield identity._replace(scope=EVERYWHERE)
    for size in range(1, len(identity.scope)):
        for scope in itertools.combinations(identity.scope, size):
            yield identity._replace(scope=scope)


def incident_id(finding: Finding, since_ms: int, again_ms: int | None = None) -> str:
    """20 hex digits; the same for the same finding whoever finds it, and whenever.

    Args:
        finding: as it opens.
        since_ms: its change point.
        again_ms: when it was found, if the id without is taken.
    """
    identity = identity_of(finding)
    words = [finding.kind.value, str(since_ms), identity.detail, *(identity.step or ("", ""))]
    words += [word for place in identity.scope for word in place]
    words += [] if again_ms is None else [str(again_ms)]
    # With the lengths no two lists of words read alike.
    text = "".join(f"{len(word)}:{word}" for word in words)
    return hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def topics_behind(kind: Kind, nodes: tuple[str, ...], order_nodes: frozenset[str]) -> frozenset[str]:
    """Source topics without which a finding means nothing; none for what is about the data itself.

    Args:
        kind: of the finding.
        nodes: of its step, if it has one.
        order_nodes: those that the orders topic tells of.
    """
    if kind in ABOUT_DATA:
        return frozenset()
    if kind in (Kind.REVENUE_DROP, Kind.PROMOTION_BEHIND_TARGET):
        return BOTH
    return BOTH if order_nodes & set(nodes) else frozenset({CLICKSTREAM})
