"""Which words are right about a scenario of the simulator, and passages in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from alerts.incident import ScopePart
from alerts.model import Kind
from streams.demo.circumstances import MINUTE_MS
from streams.demo.scenarios import SCENARIOS, Times, truth_of
from streams.demo.shop import Shop, ShopSettings
from tests.benchmarks.detection.whole_path import Passage, is_right, read, write
from tests.support.messages import incident

if TYPE_CHECKING:
    from pathlib import Path

ONSET_MS = 100 * MINUTE_MS


def truth(name: str) -> dict[str, Any]:
    """The first thing that is true in a scenario."""
    found: dict[str, Any] = truth_of(SCENARIOS[name], Times(ONSET_MS), Shop(ShopSettings(seed=1)))[
        "incidents"
    ][0]
    return found


@pytest.mark.parametrize(
    ("name", "kind", "scope", "detail", "right"),
    [
        ("S1", Kind.NODE_BREAK, ("all", "all"), "", True),
        ("S1", Kind.NODE_BREAK, ("payment_method", "wechat_pay"), "", False),
        ("S1b", Kind.NODE_BREAK, ("payment_method", "wechat_pay"), "", True),
        ("S1b", Kind.NODE_BREAK, ("payment_method", "alipay"), "", False),
        ("S1b", Kind.TRAFFIC_DROP, ("payment_method", "wechat_pay"), "", False),
        ("S6a", Kind.DATA_OUTAGE, ("topic", "orders"), "silent", True),
        ("S6a", Kind.DATA_OUTAGE, ("topic", "orders"), "lag", False),
        ("S6a", Kind.DATA_OUTAGE, ("all", "all"), "silent", False),
    ],
)
def test_a_word_is_right(name: str, kind: Kind, scope: tuple[str, str], detail: str, right: bool) -> None:  # noqa: FBT001  # from the table
    """Kind, place and detail have to be those of the truth, and not before it is one."""
    what = msgspec.structs.replace(
        incident(), kind=kind, step=None, scope=(ScopePart(*scope),), detail=detail
    )
    assert is_right(what, ONSET_MS + 1, truth(name)) is right
    assert not is_right(what, ONSET_MS, truth(name))


def test_passages_are_read_as_they_were_written(tmp_path: Path) -> None:
    """What came of each; and all that was said is wrong where silence is right."""
    quiet = Passage("S0", 1, 10, 75, silent=True, delay_s=None, told=(), others=(), command="make")
    found = Passage("S1", 1, 10, 20, silent=False, delay_s=30.0, told=("break",), others=(), command="make")
    wolf = Passage("S0", 2, 10, 75, silent=True, delay_s=None, told=(), others=("drop",), command="make")
    write(tmp_path / "passages.json", [quiet, found, wolf])
    assert read(tmp_path / "passages.json") == [quiet, found, wolf]
    assert [one.right for one in (quiet, found, wolf)] == [True, True, False]
    assert read(tmp_path / "none.json") == []
