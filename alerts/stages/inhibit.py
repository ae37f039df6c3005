"""What another open incident explains: a site-wide one hides its children, bad data hides conversions.

The one that hides is at least as severe, and wider or about the data, so none hides itself and no two hide
each other. What is still open a while after that one is over is told then. What is over is let through:
whether there is anything to close is known further on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from alerts.drafting import rises
from alerts.identity import topics_behind, wider
from alerts.stages.knowledge import subject_of
from alerts.stages.stage import Why, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alerts.incident import Incident
    from alerts.stages.knowledge import Knowledge
    from alerts.stages.stage import Candidate, Decision

_TOPIC: Final = "topic"


@dataclass(frozen=True, slots=True)
class InhibitSettings:
    """When an incident hides another.

    Attributes:
        linger_ms: after its end it hides for so long, for its children end a little later.
        order_nodes: nodes that the orders topic tells of.
    """

    linger_ms: int = 60_000
    order_nodes: frozenset[str] = frozenset({"order", "paid"})


class Inhibit:
    """See the module."""

    def __init__(self, settings: InhibitSettings | None = None) -> None:
        self._settings = settings or InhibitSettings()

    def decide(self, batch: tuple[Candidate, ...], state: Knowledge, now_ms: int) -> Decision[Candidate]:
        """Those that nothing hides survive."""

        def against(candidate: Candidate) -> Why | None:
            incident = candidate.incident
            if not incident.open:
                return None
            wide = (name for above in wider(subject_of(incident)) for name in state.about.get(above, ()))
            hidden = self._any_hides(self._those(wide, state, now_ms), incident) or self._data_hides(
                self._those(state.about_data, state, now_ms), incident
            )
            return Why.INHIBITED if hidden else None

        return split(batch, against)

    def _those(self, names: Iterable[str], state: Knowledge, now_ms: int) -> Iterator[Incident]:
        known = (state.incidents[name] for name in names)
        return (incident for incident in known if self._hides(incident, now_ms))

    def _hides(self, incident: Incident, now_ms: int) -> bool:
        ended_ms = incident.resolved_at_ms
        return incident.open or (ended_ms is not None and ended_ms + self._settings.linger_ms > now_ms)

    @staticmethod
    def _any_hides(above: Iterable[Incident], incident: Incident) -> bool:
        return any(not rises(incident.severity, one.severity) for one in above)

    def _data_hides(self, data: Iterable[Incident], incident: Incident) -> bool:
        step = incident.step
        nodes = (step.from_node, step.to_node) if step else ()
        topics = topics_behind(incident.kind, nodes, self._settings.order_nodes)
        about = (one for one in data if topics and _topics(one) & topics == _topics(one))
        return self._any_hides(about, incident)


def _topics(incident: Incident) -> frozenset[str]:
    """Topics that a data incident names; none for all of them."""
    return frozenset(part.key for part in incident.scope if part.dimension == _TOPIC)
