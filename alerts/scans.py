"""What the leaves of each broken step look like, looked at when it may have changed and not at each closing.

A look sums up an hour of combinations and scans them several times, which takes longer than all other
judging together; what stands for an hour is looked at once in five minutes. A look is taken anew when

- it is five minutes old,
- the strongest finding of its step is another one, or of another time, or has a quarter more evidence,
- folding makes a cause of something that was none lately (:meth:`Scans.unknown`): a place is named by
  the newest counts or not at all.

All of that follows from findings and their times, so a replay looks when live did; looks go with the
snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from alerts.diagnosis.contributors import contributors
from alerts.diagnosis.diagnosing import proposed
from alerts.diagnosis.leaves import Leaves
from alerts.identity import identity_of
from alerts.model import Kind, Step
from alerts.packing import pack, unpack
from alerts.roots import finding_of, identity_from

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from alerts.identity import Identity
    from alerts.model import Contributor, Finding, Place

    # Leaves of a step since a moment, None if nothing entered.
    Look = Callable[[Step, int], Leaves | None]

_OLD_MS: Final = 300_000
_GROWN: Final = 1.25
# Change points are estimates: they wander by a few buckets.
_MOVED_MS: Final = 60_000


class Scan(NamedTuple):
    """A look: when, because of which finding, the leaves, and the scopes they would rather name."""

    at_ms: int
    of: Finding
    leaves: Leaves | None
    proposals: tuple[Finding, ...]


class Scans:
    """See the module.

    Args:
        first: step of which there are no combinations.
        look: how leaves are summed up.
    """

    def __init__(self, first: Step, look: Look) -> None:
        self._first = first
        self._look = look
        self._scans: dict[Step, Scan] = {}
        # Causes of late, and when each was one last.
        self._causes: dict[Identity, int] = {}
        # Only spares work: the leaves and the scope say it all.
        self._contributors: dict[tuple[Step, tuple[Place, ...]], tuple[int, tuple[Contributor, ...]]] = {}

    def take(
        self,
        findings: Iterable[Finding],
        at_ms: int,
        anew: Collection[Step] = (),
        held: Collection[Finding] = (),
    ) -> tuple[dict[Step | None, Leaves], tuple[Finding, ...]]:
        """Leaves by step of what was found, and scopes that they would rather name.

        Args:
            findings: of one closing.
            at_ms: its time.
            anew: steps to be looked at whether or not a look is old.
            held: what open incidents are about.
        """
        self._forget_before(at_ms - _OLD_MS)
        strongest = self._strongest(findings)
        for step, finding in strongest.items():
            if step in anew or self._is_old(step, finding, at_ms):
                looked = self._look(step, finding.since_ms)
                there = [frozenset(known.scope) for known in held if known.step == step]
                named = () if looked is None else proposed(finding, looked, held=there)
                self._scans[step] = Scan(at_ms, finding, looked, named)
        scans = {step: self._scans[step] for step in strongest}
        leaves: dict[Step | None, Leaves] = {
            step: scan.leaves for step, scan in scans.items() if scan.leaves is not None
        }
        return leaves, tuple(finding for scan in scans.values() for finding in scan.proposals)

    def unknown(self, causes: Iterable[Finding], at_ms: int) -> frozenset[Step]:
        """Steps to be looked at anew: of causes that were none lately, unless just looked at."""
        steps = {cause.step for cause in causes if identity_of(cause) not in self._causes}
        return frozenset(step for step, scan in self._scans.items() if step in steps and scan.at_ms < at_ms)

    def note(self, causes: Iterable[Finding], at_ms: int) -> None:
        """Remember the causes of a closing."""
        self._causes |= {identity_of(cause): at_ms for cause in causes}

    def contributors(self, finding: Finding, leaves: Leaves) -> tuple[Contributor, ...]:
        """Who lost most under a finding's scope."""
        if finding.step is None:
            return contributors(leaves, finding.scope)
        scan, place = self._scans.get(finding.step), (finding.step, finding.scope)
        looked_ms = scan.at_ms if scan is not None and scan.leaves is leaves else -1
        known = self._contributors.get(place)
        if known is None or known[0] != looked_ms or looked_ms < 0:
            known = self._contributors[place] = looked_ms, contributors(leaves, finding.scope)
        return known[1]

    def _strongest(self, findings: Iterable[Finding]) -> dict[Step, Finding]:
        strongest: dict[Step, Finding] = {}
        for finding in findings:
            if finding.step is None or finding.step == self._first or finding.kind is Kind.SLOWER:
                continue
            known = strongest.get(finding.step)
            if known is None or (finding.evidence, finding.scope) > (known.evidence, known.scope):
                strongest[finding.step] = finding
        return strongest

    def _is_old(self, step: Step, now: Finding, at_ms: int) -> bool:
        scan = self._scans.get(step)
        if scan is None or at_ms - scan.at_ms >= _OLD_MS:
            return True
        then = scan.of
        same = identity_of(now) == identity_of(then) and (now.ratio <= 1.0) is (then.ratio <= 1.0)
        moved = abs(now.since_ms - then.since_ms) > _MOVED_MS
        return not same or moved or now.evidence > then.evidence * _GROWN

    def _forget_before(self, time_ms: int) -> None:
        self._scans = {step: scan for step, scan in self._scans.items() if scan.at_ms >= time_ms}
        self._causes = {cause: at_ms for cause, at_ms in self._causes.items() if at_ms >= time_ms}
        self._contributors = {
            place: known for place, known in self._contributors.items() if known[0] >= time_ms
        }

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data; names of keys are those of the combinations."""
        return {
            "scans": [
                [step, scan.at_ms, scan.of, _packed(scan.leaves), list(scan.proposals)]
                for step, scan in self._scans.items()
            ],
            "causes": [[cause, at_ms] for cause, at_ms in self._causes.items()],
        }

    def restore(self, state: Mapping[str, Any], names: Sequence[Sequence[str]]) -> None:
        """Go on from a snapshot; ``names`` are those of the combinations."""
        self._contributors = {}
        self._causes = {identity_from(cause): at_ms for cause, at_ms in state["causes"]}
        self._scans = {
            Step(*step): Scan(
                at_ms, finding_of(of), _unpacked(leaves, names), tuple(map(finding_of, proposals))
            )
            for step, at_ms, of, leaves, proposals in state["scans"]
        }


def _packed(leaves: Leaves | None) -> list[Any] | None:
    if leaves is None:
        return None
    columns = (leaves.codes, leaves.observed, leaves.expected, leaves.entries)
    return [list(leaves.dimensions), leaves.key_counts.tolist(), [pack(column) for column in columns]]


def _unpacked(state: Sequence[Any] | None, names: Sequence[Sequence[str]]) -> Leaves | None:
    if state is None:
        return None
    dimensions, sizes, columns = state
    known = tuple([*keys[:size]] for keys, size in zip(names, sizes, strict=True))
    codes, observed, expected, entries = map(unpack, columns)
    return Leaves(tuple(dimensions), known, codes, observed, expected, entries)
