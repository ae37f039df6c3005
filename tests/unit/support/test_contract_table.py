"""The table of channels and checks says what was run for whom."""

from __future__ import annotations

import pytest

from tests.support.contract_table import HEAD, Checked, checked, table_of

SUITE = "tests/contract/test_channels.py::"


@pytest.mark.parametrize(
    ("node_id", "wanted"),
    [
        (f"{SUITE}test_nobody_there[slack]", Checked("nobody there", "slack", "")),
        (f"{SUITE}test_statuses[slack-301]", Checked("statuses", "slack", "301")),
        (f"{SUITE}test_words[zh-feishu]", Checked("words", "feishu", "zh")),
        ("tests/contract/test_apprise.py::test_what_arrives", Checked("what arrives", "apprise", "")),
        (f"{SUITE}test_outcomes_are_plain", None),
        (f"{SUITE}test_statuses[slackish-301]", None),
        ("453 tests collected", None),
    ],
)
def test_what_a_test_checks(node_id: str, wanted: Checked | None) -> None:
    """By its name and its parameters, of which the channel is the first or the last."""
    assert checked(node_id) == wanted


def test_what_is_not_run_is_not_in_it() -> None:
    """A cell is empty where nothing passed; the order of tests does not matter."""
    found = [Checked("a", "slack", "1"), Checked("a", "slack", "2"), Checked("b", "webhook", "")]
    text = table_of(found)
    assert text == table_of(found[::-1])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.removeprefix(HEAD).splitlines()]
    head, _, first, second = rows
    by_channel = [dict(zip(head, row, strict=True)) for row in (first, second)]
    assert [(row["Check"], row["Cases"], row["slack"], row["webhook"]) for row in by_channel] == [
        ("a", "1, 2", "2", ""),
        ("b", "", "", "1"),
    ]
