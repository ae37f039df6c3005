"""The table of channels and checks, out of the contract suite's tests: what was run for whom, and how often.

A test that is parametrised with a channel is a check of it; its other parameters are cases of that check. A
module about one channel only is named after it (``test_apprise.py``). Everything else is no check of a channel.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from alerts.notify.registry import ChannelKind

if TYPE_CHECKING:
    from collections.abc import Iterable

TABLE: Final = Path(__file__).parents[1] / "contract" / "TABLE.md"
HEAD: Final = """# Channels and checks

What the contract suite takes each channel through, over real HTTP; a number is how many cases passed, and an
empty cell means that the check is not run for that channel. Written from the outcomes of a run:
`CONTRACT_TABLE=write make test ARGS=tests/contract`. A test fails when it is not what the suite has.

"""
_NODE: Final = re.compile(r"(?:.*/)?test_(?P<module>\w+)\.py::test_(?P<check>\w+)(?:\[(?P<case>.*)\])?")
_KINDS: Final = tuple(kind.value for kind in ChannelKind)


class Checked(NamedTuple):
    """One case of one check of one channel."""

    check: str
    channel: str
    case: str


def checked(node_id: str) -> Checked | None:
    """What a test checks by its id; None if that is no single channel."""
    found = _NODE.fullmatch(node_id)
    if found is None:
        return None
    module, check, case = found["module"], found["check"].replace("_", " "), found["case"] or ""
    if module in _KINDS:
        return Checked(check, module, case)
    for kind in _KINDS:
        rest = _without(kind, case)
        if rest is not None:
            return Checked(check, kind, rest)
    return None


def _without(kind: str, case: str) -> str | None:
    """The other parameters; the channel's stands first or last."""
    if case == kind:
        return ""
    if case.startswith(f"{kind}-"):
        return case.removeprefix(f"{kind}-")
    return case.removesuffix(f"-{kind}") if case.endswith(f"-{kind}") else None


def table_of(found: Iterable[Checked]) -> str:
    """The file. The order of what was found does not matter."""
    known = set(found)
    checks = sorted({one.check for one in known})
    lines = [_row(("Check", "Cases", *_KINDS)), _row(("---", "---", *("--:" for _ in _KINDS)))]
    lines += [_row(_cells(check, {one for one in known if one.check == check})) for check in checks]
    return HEAD + "\n".join(lines) + "\n"


def _cells(check: str, mine: set[Checked]) -> Iterable[str]:
    yield check
    yield ", ".join(sorted({one.case for one in mine} - {""}))
    for kind in _KINDS:
        cases = sum(one.channel == kind for one in mine)
        yield str(cases) if cases else ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
