"""Who takes over goes by what was told, whatever he makes of the same time himself.

A predecessor lives some days of the shop of ``test_lifecycle``, writes a snapshot, lives on and dies in
the midst of telling. A successor has the snapshot (or has lost it) and the log.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.drafting import identity_of_incident
from alerts.lifecycle import Lifecycle
from alerts.model import Reason, State
from tests.property.test_lifecycle import ALLOWED, DAYS, live, numbered
from tests.property.test_lifecycle import SETTINGS as FORGETFUL
from tests.support.findings import at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alerts.incident import Incident
    from tests.property.test_lifecycle import Close

FUTURE = at(1_000)
# All findings here have one beginning, and with it one id: what is forgotten would be opened by it once more.
SETTINGS = replace(FORGETFUL, max_closed=1_000, keep_closed_ms=1 << 40)


def lived(lifecycle: Lifecycle, days: Iterable[tuple[int, Close]]) -> list[Incident]:
    """All that is told of some days."""
    return [change.incident for number, close in days for change in live(lifecycle, close, number)]


def heir(state: object) -> Lifecycle:
    """Of a snapshot that has been bytes; None for a lost one."""
    if state is None:
        return Lifecycle(SETTINGS)
    return Lifecycle.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(state)), SETTINGS)


def last_words(log: Iterable[Incident]) -> dict[str, Incident]:
    """The newest record of each."""
    return {incident.id: incident for incident in log}


def assert_in_order(log: Sequence[Incident]) -> None:
    """Revisions of an id rise, and its states follow on each other."""
    last: dict[str, Incident] = {}
    for incident in log:
        before = last.get(incident.id)
        edge = before and before.state, incident.state
        # Only the last of the words that were cut short is said.
        assert edge in ALLOWED | {(None, State.RESOLVED), (None, State.ACKNOWLEDGED)}
        assert incident.revision > (before.revision if before else 0)
        last[incident.id] = incident


@pytest.mark.timeout(300)
@settings(max_examples=50)
@given(DAYS, st.integers(0, 18), st.integers(0, 18), st.integers(0, 60))
def test_the_same_days_again_are_told_to_their_end(
    days: list[Close], cut: int, dead: int, heard: int
) -> None:
    """Wherever the telling broke off: each incident ends as it would have without a restart."""
    straight, first, days_ = Lifecycle(SETTINGS), Lifecycle(SETTINGS), numbered(days)
    expected = lived(straight, days_)
    before = lived(first, days_[:cut])
    state = first.snapshot()
    log = lived(first, days_[cut : cut + dead])[:heard]
    second = heir(state)
    second.recall(log, FUTURE)
    told = lived(second, days_[cut:])
    assert_in_order([*before, *log, *told])
    if not log or not second.snapshot()["inheritance"]["known"]:
        assert last_words([*before, *log, *told]) == last_words(expected)
        assert second.snapshot() == straight.snapshot()


@pytest.mark.timeout(300)
@settings(max_examples=50)
@given(DAYS, DAYS, st.integers(0, 18), st.integers(0, 60), st.booleans(), st.integers(0, 18))
def test_what_the_log_says_is_open_is_open(
    days: list[Close],
    others: list[Close],
    cut: int,
    heard: int,
    lost: bool,  # noqa: FBT001 - hypothesis names it
    again: int,
) -> None:
    """Though the successor found other things: no second id for what is open, none forgotten.

    And the same if he is succeeded in the midst of it.
    """
    first, days_ = Lifecycle(SETTINGS), numbered(days)
    before = lived(first, days_[:cut])
    state = None if lost else first.snapshot()
    log = lived(first, days_[cut:])[:heard]
    second = heir(state)
    second.recall([*before, *log] if lost else log, FUTURE)
    begin = 0 if lost else next((number for number, _ in days_[:cut][::-1]), 0)
    later = [(begin + number, close) for number, close in numbered(others)]
    told = lived(second, later[:again])
    second = heir(second.snapshot())
    told += lived(second, later[again:])
    whole = [*before, *log, *told]
    assert_in_order(whole)
    if not second.snapshot()["inheritance"]["known"]:
        open_ones = [incident for incident in last_words(whole).values() if incident.open]
        assert {incident.id for incident in open_ones} == {incident.id for incident in second.incidents}
        assert max(Counter(map(identity_of_incident, open_ones)).values(), default=1) == 1


@given(DAYS)
def test_what_nobody_finds_again_is_told_to_be_over(days: list[Close]) -> None:
    """With the snapshot lost and nothing found: after the time in which it might have come back."""
    first = Lifecycle(SETTINGS)
    log = lived(first, numbered(days))
    second = Lifecycle(SETTINGS)
    second.recall(log, FUTURE)
    told = [change for number in range(1, 150) for change in second.fold((), (), at(number)) if number]
    resolved = {change.incident.id for change in told if change.reason is Reason.RESOLVED}
    assert resolved == {incident.id for incident in last_words(log).values() if incident.open}
    assert second.incidents == ()
