"""Incidents that are pending or open, by what they are about; finds those under a scope at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.identity import wider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerts.identity import Identity
    from alerts.kept import Kept


class Population:
    """One at most of each identity, in the order in which they came."""

    def __init__(self) -> None:
        self._kept: dict[Identity, Kept] = {}
        # By identity, those on narrower scopes.
        self._under: dict[Identity, dict[Identity, None]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Kept]:
        return iter(self._kept.values())

    def __getitem__(self, identity: Identity) -> Kept:
        return self._kept[identity]

    def get(self, identity: Identity) -> Kept | None:
        """The one that is about this."""
        return self._kept.get(identity)

    def items(self) -> list[tuple[Identity, Kept]]:
        """All of them, as a copy."""
        return list(self._kept.items())

    def put(self, identity: Identity, kept: Kept) -> None:
        """Take one in, in the place of the one that was about this."""
        self._kept[identity] = kept
        for above in wider(identity):
            self._under.setdefault(above, {})[identity] = None

    def take_out(self, identity: Identity) -> Kept:
        """It is elsewhere, or over."""
        for above in wider(identity):
            under = self._under[above]
            del under[identity]
            if not under:
                del self._under[above]
        return self._kept.pop(identity)

    def narrower(self, identity: Identity) -> list[Identity]:
        """Open ones under a scope."""
        return [other for other in self._under.get(identity, ()) if self._kept[other].incident.open]

    def covered(self, identity: Identity) -> bool:
        """Whether an open one is on a wider scope."""
        return bool(self.above(identity))

    def above(self, identity: Identity) -> list[Identity]:
        """Open ones on wider scopes, the widest first."""
        return [above for above in wider(identity) if above in self._kept and self._kept[above].incident.open]
