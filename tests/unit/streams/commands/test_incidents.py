"""What is written about incidents is checked first, and what is listed can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from alerts.control import ScopeMatch, Silence
from alerts.model import Kind, Severity, State
from streams.cli import build_parser
from streams.commands.incidents import find, silence_of
from streams.commands.listing import incident_table, silence_table, what_of
from streams.errors import ConfigError
from tests.support.deliveries import incident
from tests.support.settings import loaded

if TYPE_CHECKING:
    from pathlib import Path

NOW_MS = 1_762_689_600_000
SALE = "promotions: [{name: D11, start: 2025-11-10T20:00:00Z, end: 2025-11-11T20:00:00Z}]"


def silence(folder: Path, *words: str) -> Silence:
    """What these words of the command line say."""
    arguments = build_parser().parse_args(["silence", "--by", "Li", *words])
    return silence_of(arguments, loaded(folder, SALE), NOW_MS)


def test_a_silence_says_all_that_was_asked(tmp_path: Path) -> None:
    """Kinds, severities, places, steps, promotions and incidents; from now, for as long as was said."""
    found = silence(
        tmp_path,
        *("--for", "2h", "--comment", "a\nwork", "--id", "mine"),
        *("--kind", "slower", "--kind", "rule", "--severity", "info", "--step", "order>paid"),
        *("--scope", "slot=home=1", "--scope", "sku", "--promotion", "D11", "--incident", "abc"),
    )
    assert found == Silence(
        id="mine",
        by="Li",
        ends_ms=NOW_MS + 7_200_000,
        comment="a work",
        kinds=(Kind.SLOWER, Kind.RULE),
        scope=(ScopeMatch("slot", "home=1"), ScopeMatch("sku")),
        steps=("order>paid",),
        severities=(Severity.INFO,),
        incident_ids=("abc",),
        promotions=("D11",),
    )


def test_ids_are_made(tmp_path: Path) -> None:
    """Two silences are two."""
    first, second = (silence(tmp_path, "--for", "1h", "--everything") for _ in range(2))
    assert first.id != second.id
    assert what_of(first) == "everything"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say what is silenced"),
        (("--everything", "--kind", "slower"), "say what is silenced"),
        (("--kind", "slow"), "--kind.*one of node_break"),
        (("--severity", "bad"), "--severity.*info, warning, critical"),
        (("--scope", "place=1"), "--scope.*one of all, slot"),
        (("--step", "paid>order"), "--step.*one of .*order>paid"),
        (("--promotion", "D12"), "--promotion.*one of D11"),
        (("--incident", "x") * 101, "at most 100"),
    ],
)
def test_a_word_that_matches_nothing_is_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """Whoever silences in vain would believe himself safe."""
    with pytest.raises(ConfigError, match=said):
        silence(tmp_path, "--for", "1h", *words)


@pytest.mark.parametrize("span", ["0s", "9000d", "soon", "-5m"])
def test_spans_that_are_none(span: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused while they are read."""
    with pytest.raises(SystemExit):
        build_parser().parse_args(["silence", "--by", "Li", "--everything", f"--for={span}"])
    assert "such as 30m" in capsys.readouterr().err


def test_as_much_of_an_id_as_is_needed() -> None:
    """The whole, or a beginning that no other has."""
    known = [incident("abcd1"), incident("abcd2"), incident("abcd"), incident("xyz9")]
    assert [find(text, known).id for text in ("abcd1", "abcd", "xyz9")] == ["abcd1", "abcd", "xyz9"]
    assert find("xyz9"[:4], known).id == "xyz9"
    with pytest.raises(ConfigError, match="several begin so"):
        find("abcd", [incident("abcd1"), incident("abcd2")])
    with pytest.raises(ConfigError, match="no incident has this id; open: abcd1"):
        find("abc", known)
    with pytest.raises(ConfigError, match="none is open"):
        find("abcdef", [])


def table_of(**fields: Any) -> list[str]:
    """Header and line of one incident."""
    one = msgspec.structs.replace(incident("i1"), **fields)
    return incident_table([one], one.since_ms + 3_600_000).splitlines()


def test_an_incident_is_one_line() -> None:
    """With its place in words and what it costs; what is not known is a dash."""
    header, line = table_of(state=State.ACKNOWLEDGED, acknowledged_by="Li", ratio=0.5, lost_minor=None)
    assert header.split()[:5] == ["ID", "STATE", "SEVERITY", "KIND", "WHERE"]
    assert line.startswith("i1  acknowledged")
    assert "slot home.top.1" in line
    assert "1 h" in line
    assert "50 %" in line
    assert line.endswith("Li")
    assert table_of(acknowledged_by=None)[1].endswith("-")
    assert "(silenced)" in table_of(silenced_by=("s",))[1]


def test_names_from_outside_do_no_harm() -> None:
    """No line break, no escape of a terminal, no direction of writing."""
    header, line = table_of(state=State.ACKNOWLEDGED, acknowledged_by="a\x1b[31m\n\u202eb")
    assert header
    assert line.endswith("a[31m b") or "\x1b" not in line
    assert "\u202e" not in line
    listed = silence_table([Silence(id="s\x1b", by="x\ny", ends_ms=120_000, comment="\u202e")], 0)
    assert len(listed.splitlines()) == 2
    assert "\x1b" not in listed
