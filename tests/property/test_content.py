"""Whatever an incident holds, in every kind, state and language: there are words for it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from alerts.content.writing import WritingSettings, write
from alerts.incident import ContributorPart, Incident, ScopePart, StepPart
from alerts.message import Language, MessageState
from alerts.model import Kind, Reason, Severity, State
from alerts.stages.group import digest_of
from alerts.stages.knowledge import MetaAlert
from alerts.stages.stage import Candidate, Parcel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerts.message import Message

SETTINGS = WritingSettings(ZoneInfo("Asia/Shanghai"), contributors=2, digest_lines=2)
NUMBER = st.floats()
MAYBE = st.none() | NUMBER
WHOLE = st.integers(-(10**18), 10**18)
TIME = st.integers(-(10**14), 10**15)
# Words that would be mistaken for a value that was forgotten are names of nothing here.
NAME = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="nN"), max_size=100)
SCOPE = st.lists(st.builds(ScopePart, st.sampled_from(["all", "slot", "sku", "x"]) | NAME, NAME), max_size=4)
INCIDENT = st.builds(
    Incident,
    id=NAME,
    revision=st.integers(0, 9),
    kind=st.sampled_from(Kind),
    severity=st.sampled_from(Severity),
    state=st.sampled_from(State),
    reason=st.sampled_from(Reason),
    scope=SCOPE.map(tuple),
    since_ms=TIME,
    opened_at_ms=TIME,
    updated_at_ms=TIME,
    observed=NUMBER,
    expected=NUMBER,
    entries=NUMBER,
    evidence=NUMBER,
    step=st.none() | st.builds(StepPart, NAME, NAME),
    detail=st.sampled_from(["", "silent", "(more)"]) | NAME,
    acknowledged_at_ms=st.none() | TIME,
    acknowledged_by=st.none() | NAME,
    resolved_at_ms=st.none() | TIME,
    ratio=MAYBE,
    ratio_low=MAYBE,
    ratio_high=MAYBE,
    worst_ratio=MAYBE,
    one_in_ms=MAYBE,
    lost_conversions=MAYBE,
    lost_conversions_per_minute=MAYBE,
    lost_minor=st.none() | WHOLE,
    lost_minor_per_minute=MAYBE,
    currency=st.none() | st.sampled_from(["CNY", "JPY", "KWD"]) | NAME,
    contributors=st.lists(
        st.builds(ContributorPart, SCOPE.map(tuple), NUMBER, NUMBER, NUMBER), max_size=4
    ).map(tuple),
    rate_share=MAYBE,
    decomposition=st.dictionaries(st.just("traffic") | NAME, WHOLE, max_size=3),
    ruled_out=st.lists(st.just("mix") | NAME, max_size=3).map(tuple),
    folded=st.integers(-1, 5),
    promotion=st.none() | NAME,
    phase=st.none() | st.just("open") | NAME,
    held=st.booleans(),
    merged_into=st.none() | NAME,
    reopened=st.integers(0, 3),
)
STATE = st.sampled_from([state for state in MessageState if state not in ("digest", "meta")])
LANGUAGE = st.sampled_from(Language)


def texts(message: Message) -> Iterator[str]:
    """All that a person reads."""
    yield from (message.title, message.summary, *message.lines)
    for field in message.fields:
        yield from (field.label, field.value)
    for link in message.links:
        yield link.label


def readable(message: Message) -> None:
    """Nothing empty, nothing forgotten, nothing that hides."""
    for text in texts(message):
        assert text.strip()
        assert text.isprintable()
        assert not [word for word in ("None", "nan", " inf") if word in text]


@given(INCIDENT, STATE, LANGUAGE)
def test_there_are_words_for_everything(incident: Incident, state: MessageState, language: Language) -> None:
    """Never an error, never an empty line, never a None."""
    parcel = Parcel("k", "ops", state, (Candidate(incident, "ops", state=state),))
    readable(write(parcel, language, SETTINGS))


@given(st.lists(st.tuples(INCIDENT, STATE), min_size=1, max_size=4), LANGUAGE)
def test_also_together(told: list[tuple[Incident, MessageState]], language: Language) -> None:
    """In a digest."""
    digest = digest_of("ops", [Candidate(incident, "ops", state=state) for incident, state in told])
    readable(write(digest, language, SETTINGS))


@given(NAME, TIME, NAME, st.integers(0, 10**9), LANGUAGE)
def test_also_of_ourselves(channel: str, since_ms: int, error: str, count: int, language: Language) -> None:
    """When a channel fails."""
    meta = MetaAlert(channel, since_ms, error, count, since_ms)
    readable(write(Parcel("k", "ops", MessageState.META, meta=meta), language, SETTINGS))


def test_every_kind_state_and_language() -> None:
    """All of them, not only those that chance tried."""
    base = {
        "id": "i",
        "revision": 1,
        "reason": Reason.OPENED,
        "scope": (ScopePart("all", "all"),),
        "since_ms": 0,
        "opened_at_ms": 0,
        "updated_at_ms": 0,
        "observed": 1.0,
        "expected": 2.0,
        "entries": 3.0,
        "evidence": 4.0,
    }
    for kind in Kind:
        for state in MessageState:
            for language in Language:
                one = Incident(kind=kind, severity=Severity.INFO, state=State.FIRING, **base)  # type: ignore[arg-type]  # a table
                parcel = Parcel("k", "ops", state, (Candidate(one, "ops", state=state),))
                readable(write(parcel, language, SETTINGS))
