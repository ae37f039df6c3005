"""Whose series stand behind which cause: so that an end is noticed where the beginning was.

A cause ends when every series that said it by itself is back (several judges may have: a payment is one of
attempts and one of orders), or, if none did, the one that showed it best. Everything it explained begins anew
with it, for otherwise the thousand keys of a total that broke would each have to prove that they are well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from alerts.diagnosis.fold import Child, Reason
from alerts.identity import Identity, family_of, identity_of
from alerts.judges.spoken import Series
from alerts.model import EVERYWHERE, Finding, Kind, Place, Recovered, Step

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from alerts.diagnosis.fold import Root
    from alerts.incident import Incident

_SURGE: Final = family_of(Kind.CONVERSION_SURGE)
_BREAKS: Final = frozenset({Kind.NODE_BREAK, Kind.OUT_OF_STOCK})


class Roots:
    """See the module.

    Args:
        nodes: of the funnel, in its order.
    """

    def __init__(self, nodes: Sequence[str]) -> None:
        self._order = {node: at for at, node in enumerate(nodes)}
        self._last: dict[Identity, Finding] = {}
        # Those that have to be back before it is over.
        self._leads: dict[Identity, set[Series]] = {}
        self._members: dict[Identity, set[Series]] = {}
        # Of the present closing: whose finding each is, and who said one.
        self._spoken: dict[Finding, Series] = {}
        self._sayers: dict[Identity, set[Series]] = {}

    @property
    def series(self) -> frozenset[Series]:
        """Whose findings stand behind causes that are none yet over."""
        return frozenset().union(*self._members.values())

    @property
    def leads(self) -> frozenset[Series]:
        """Those that have to be back before causes are over that stand."""
        return frozenset().union(*self._leads.values())

    def strongest(self, findings: Sequence[Finding], series: Sequence[Series]) -> list[Finding]:
        """Of findings of one identity, which several judges may say, the one with most evidence."""
        best: dict[Identity, tuple[Finding, Series]] = {}
        self._sayers = {}
        for finding, whose in zip(findings, series, strict=True):
            identity = identity_of(finding)
            self._sayers.setdefault(identity, set()).add(whose)
            known = best.get(identity)
            if known is None or _excess(finding) > _excess(known[0]):
                best[identity] = (finding, whose)
        self._spoken = dict(best.values())
        return [finding for finding, _ in best.values()]

    def together(self, roots: Iterable[Root], held: Collection[Identity]) -> list[Root]:
        """Surges of one place at several steps are one cause: that which is held, else the first of the roots.

        A loss at a step says what follows from it at the next; a surge does not, so folding leaves them apart.
        Nor is a surge that is not held a cause beside a break before it: who is past a broken step is not who
        usually is, but mostly somebody who was there already and is about to order.
        """
        roots = tuple(roots)
        breaks = [root.finding for root in roots if root.finding.kind in _BREAKS]
        said = {identity.scope: identity for identity in held if identity.family == _SURGE}
        found: list[tuple[Identity, Root]] = []
        beside: dict[Identity, list[Child]] = {}
        for root in roots:
            known = identity = identity_of(root.finding)
            if identity.family == _SURGE and identity not in held:
                before = next((each for each in breaks if self._comes_before(each, root.finding)), None)
                known = said.setdefault(identity.scope, identity) if before is None else identity_of(before)
            if known == identity:
                found.append((identity, root))
            else:
                reason = Reason.SAME if known.family == _SURGE else Reason.LATER_STEP
                beside.setdefault(known, []).extend((Child(root.finding, reason), *root.children))
        return [replace(root, children=(*root.children, *beside.get(i, ()))) for i, root in found]

    def _comes_before(self, broken: Finding, other: Finding) -> bool:
        """Whether a break is where another finding is, and its step over when the other's begins."""
        if broken.step is None or other.step is None:
            return False
        # A node of another funnel comes before none.
        ends = self._order.get(broken.step.to_node, len(self._order))
        begins = self._order.get(other.step.from_node, -1)
        around = broken.scope == EVERYWHERE or set(broken.scope) <= set(other.scope)
        return ends <= begins and around

    def note(self, roots: Iterable[Root]) -> None:
        """Remember what stands behind each cause of a closing."""
        for root in roots:
            identity = identity_of(root.finding)
            own = self._sayers.get(identity, set())
            children = [
                (_excess(child.finding), self._spoken[child.finding])
                for child in root.children
                if child.finding in self._spoken
            ]
            members = self._members.setdefault(identity, set())
            members |= {whose for _, whose in children} | own
            leads = self._leads.setdefault(identity, set())
            if own:
                leads |= own
            elif children and not leads:
                leads.add(max(children)[1])
            self._last[identity] = root.finding

    def last(self, incident: Incident) -> Finding | None:
        """The last finding that an incident was about."""
        scope = tuple(sorted(Place(part.dimension, part.key) for part in incident.scope))
        step = Step(incident.step.from_node, incident.step.to_node) if incident.step else None
        return next(
            (
                finding
                for identity, finding in self._last.items()
                if (identity.scope, identity.step) == (scope, step) and finding.kind == incident.kind
            ),
            None,
        )

    def over(
        self, back: Collection[Series], identities: Iterable[Identity]
    ) -> tuple[list[Recovered], frozenset[Series]]:
        """Which open causes are over, and whose series begin anew.

        Args:
            back: series whose mirror test says that they are.
            identities: of open incidents; causes that are none any more are let go.
        """
        held = set(identities)
        for identity in [known for known in self._members if known not in held]:
            self._forget(identity)
        ended = [
            identity for identity, leads in self._leads.items() if leads & set(back) and leads <= set(back)
        ]
        for leads in self._leads.values():
            leads -= set(back)
        recovered, series = [], set(back)
        for identity in sorted(ended, key=str):
            finding = self._last[identity]
            recovered.append(Recovered(finding.kind, identity.scope, identity.step, identity.detail))
            series |= self._members[identity]
            self._forget(identity)
        return recovered, frozenset(series)

    def _forget(self, identity: Identity) -> None:
        self._members.pop(identity, None)
        self._leads.pop(identity, None)
        self._last.pop(identity, None)

    def snapshot(self) -> list[Any]:
        """All of it as plain data."""
        return [
            [identity, self._last[identity], sorted(self._leads[identity]), sorted(members)]
            for identity, members in self._members.items()
        ]

    def restore(self, state: Iterable[Sequence[Any]]) -> None:
        """Go on from a snapshot."""
        self._last, self._leads, self._members = {}, {}, {}
        self._spoken, self._sayers = {}, {}
        for identity, last, leads, members in state:
            known = identity_from(identity)
            self._last[known] = finding_of(last)
            self._members[known] = {Series(*member) for member in members}
            self._leads[known] = {Series(*lead) for lead in leads}


def _excess(finding: Finding) -> float:
    """Evidence beyond what it takes."""
    return finding.evidence - finding.threshold


def identity_from(state: Sequence[Any]) -> Identity:
    """An identity from plain data."""
    family, scope, step, detail = state
    return Identity(family, tuple(Place(*place) for place in scope), Step(*step) if step else None, detail)


def finding_of(state: Finding | Mapping[str, Any]) -> Finding:
    """A finding from plain data."""
    if isinstance(state, Finding):
        return state
    scope = tuple(Place(*place) for place in state["scope"])
    step = Step(*state["step"]) if state["step"] else None
    return Finding(**{**state, "kind": Kind(state["kind"]), "scope": scope, "step": step})
