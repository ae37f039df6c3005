"""Messages in words: what a person in the chat reads."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerts.content.writing import WritingSettings, write
from alerts.incident import ContributorPart, ScopePart
from alerts.message import Colour, Language, LinkKind, Message, MessageState
from alerts.model import Severity
from alerts.stages.group import digest_of
from alerts.stages.knowledge import MetaAlert
from alerts.stages.stage import Parcel
from tests.support.deliveries import candidate, incident, later, over, taken
from tests.support.findings import T0

# ruff: noqa: RUF001 - full-width punctuation is what Chinese is written with
SETTINGS = WritingSettings(ZoneInfo("Asia/Shanghai"))
LINKS = {
    LinkKind.DASHBOARD: "https://g.example/d",
    LinkKind.ACKNOWLEDGE: "https://f.example/ack?s=1",
    LinkKind.MUTE: "https://f.example/mute?s=1",
    LinkKind.RUNBOOK: "javascript:alert(1)",
}
FULL = incident(
    severity=Severity.CRITICAL,
    lost_minor=123_456,
    lost_minor_per_minute=123_456.0,
    currency="CNY",
    promotion="D11",
    phase="open",
    folded=12,
    rate_share=0.9,
    decomposition={"traffic": 100, "conversion": -5_000},
    ruled_out=("mix", "data"),
    contributors=tuple(
        ContributorPart((ScopePart("sku", name),), 1.0, 10.0, share)
        for name, share in (("A\nB", 0.5), ("C", 0.2), ("D", 0.1), ("E", 0.05))
    ),
)


def told(about: Any, state: str = "opened", language: str = "en") -> Message:
    """The message of one incident."""
    parcel = Parcel("k", "ops", MessageState(state), (candidate(about, state=MessageState(state)),))
    return write(parcel, Language(language), SETTINGS, LINKS)


def fields(message: Message) -> dict[str, str]:
    """Values by label."""
    return {field.label: field.value for field in message.fields}


def test_what_an_operator_needs() -> None:
    """What, where, since when, how much of what, how sure, what it costs, and why."""
    message = told(FULL)
    assert message.title == ("[critical] Opened · Conversion has dropped: slot home.top.1, order > paid")
    assert message.summary == ("50 of 100 expected (50 %), CNY 1,234.56 lost, since 11-09 19:59:00 CST")
    assert message.colour is Colour.RED
    assert fields(message) == {
        "Where": "slot home.top.1",
        "Step": "order > paid",
        "Since": "11-09 19:59:00 CST",
        "Noticed": "11-09 20:00:00 CST",
        "Observed": "50",
        "Expected": "100",
        "Of expected": "50 % (95 %: 37 % to 66 %)",
        "How sure": "by chance only once in 32 y",
        "Lost conversions": "50, 50 per minute",
        "Lost money": "CNY 1,234.56, CNY 1,234.56 per minute",
        "Most of it": "SKU A B 50 %; SKU C 20 %; SKU D 10 %; and 1 more",
        "Cause": "90 % from conversion rates, 10 % from the traffic mix",
        "Change of GMV": "traffic CNY 1.00, conversion CNY -50.00",
        "Ruled out": "traffic mix, bad data",
        "Explains": "12 more findings below it",
        "Promotion": "D11, opening",
    }


def test_the_same_in_chinese() -> None:
    """Every word of it."""
    message = told(FULL, language="zh")
    assert message.title == "[严重] 新告警 · 转化率下降：资源位 home.top.1，order > paid"
    assert message.summary == "50 / 预期 100 (50 %)，损失 CNY 1,234.56，自 11-09 19:59:00 CST 起"
    assert fields(message)["可信度"] == "偶然出现的概率为每 32 年一次"
    assert fields(message)["主要来源"] == "SKU A B 50 %; SKU C 20 %; SKU D 10 %; 另有 1 项"


def test_how_it_ended() -> None:
    """How long it lasted, how bad it was, what it cost; nothing left to acknowledge."""
    message = told(over(FULL, T0 + 11 * 60_000), "resolved")
    assert message.summary == "lasted 12 min, at worst 50 % of expected, CNY 1,234.56 lost"
    assert (message.colour, message.resolved_at_ms) == (Colour.GREEN, T0 + 660_000)
    assert [link.kind for link in message.links] == [LinkKind.DASHBOARD]


def test_who_acknowledged() -> None:
    """By name and time; it can be muted, but not acknowledged again."""
    message = told(taken(FULL), "acknowledged")
    assert fields(message)["Acknowledged"] == "by li at 11-09 20:00:00 CST"
    assert [link.kind for link in message.links] == [LinkKind.DASHBOARD, LinkKind.MUTE]


@pytest.mark.parametrize(
    ("language", "mute_ms", "button"),
    [("en", 1_800_000, "Mute 30 min"), ("en", 7_200_000, "Mute 2 h"), ("zh", 300_000, "静音 5 分钟")],
)
def test_a_mute_button_says_for_how_long(language: str, mute_ms: int, button: str) -> None:
    """As long as the settings have it."""
    settings = WritingSettings(SETTINGS.zone, mute_ms=mute_ms)
    parcel = Parcel("k", "ops", MessageState.OPENED, (candidate(FULL, state=MessageState.OPENED),))
    link = write(parcel, Language(language), settings, LINKS).link(LinkKind.MUTE)
    assert link is not None
    assert link.label == button


def test_only_links_that_are_links() -> None:
    """No other scheme; an incident's own fill the gaps."""
    message = told(later(FULL, links={"live": "http://f.example/", "dashboard": "http://other"}))
    assert [(link.kind.value, link.url) for link in message.links[:2]] == [
        ("dashboard", "https://g.example/d"),
        ("live", "http://f.example/"),
    ]
    assert message.link(LinkKind.RUNBOOK) is None


@pytest.mark.parametrize("language", list(Language))
def test_a_digest_names_the_worst(language: Language) -> None:
    """The most urgent first, and how many more."""
    usual = [candidate(incident(str(number)), state=MessageState.OPENED) for number in range(12)]
    page = candidate(incident("p", severity=Severity.CRITICAL), state=MessageState.WORSE)
    message = write(digest_of("ops", [*usual, page]), language, SETTINGS)
    assert len(message.lines) == 11
    assert message.incidents[0].id == "p"
    assert (message.severity, message.colour) == (Severity.CRITICAL, Colour.RED)
    if language is Language.EN:
        assert message.title == "[Digest] 13 incidents, 1 of them critical"
        assert message.summary == "Opened 12, Worse 1"
        assert message.lines[-1] == "and 3 more"


def test_a_channel_that_fails() -> None:
    """Is named on another, with its last answer."""
    meta = MetaAlert("wecom", T0, "timeout", 3, T0)
    message = write(Parcel("k", "ops", MessageState.META, meta=meta), Language.EN, SETTINGS)
    assert message.title == "[critical] Channel wecom does not take messages"
    assert fields(message)["Given up"] == "3"
    assert message.incident_id is None


def test_an_empty_parcel_is_refused() -> None:
    """There is nothing to word."""
    with pytest.raises(ValueError, match="tells of something"):
        write(Parcel("k", "ops", MessageState.DIGEST), Language.EN, SETTINGS)
