"""The table that is committed: what was measured, row by row, and which marks were reached."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Final

from streams.demo.scenarios import SCENARIOS as DEMO_SCENARIOS
from tests.benchmarks.detection.marks import MARKS, Known, Verdict
from tests.benchmarks.detection.plans import OURS, WATCHERS, Row
from tests.benchmarks.detection.running import lost_orders
from tests.benchmarks.detection.scenarios import SCENARIOS, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.benchmarks.detection.marks import Mark
    from tests.benchmarks.detection.outcome import Outcome
    from tests.benchmarks.detection.scoring import Delays
    from tests.benchmarks.detection.validation import Repeated
    from tests.benchmarks.detection.whole_path import Passage
    from tests.benchmarks.detection.yardsticks import Optimum

_DROPS: Final = {"S2": 0.3, "S2c": 0.5, "S2d": 1.0, "S5b+": 0.5, "S15": 0.5}
# In fewer runs a mark that holds is not shown to be reached.
_MANY: Final = 100
# Of what never may be.
_NEVER: Final = 1_000
_NOT_RUN: Final = Verdict("not run", "0", reached=False)


@dataclass(frozen=True, slots=True)
class Measured:
    """All that the table is made of; what was not run is empty."""

    repeated: Sequence[Repeated] = ()
    optima: Mapping[str, Sequence[Optimum]] = field(default_factory=dict)
    outcomes: Mapping[Row, Outcome] = field(default_factory=dict)
    commands: Mapping[Row, str] = field(default_factory=dict)
    passages: Sequence[Passage] = ()


def markdown(measured: Measured) -> str:
    """The whole file."""
    parts = [
        "# How well it detects\n",
        "Written by `make bench-detection`. Worlds, scenarios and rules are in this folder.",
        _commands(measured.commands) if measured.commands else "",
        _marks(measured) if any(row.watcher == OURS for row in measured.outcomes) else "",
        _scenarios(measured.outcomes) if measured.outcomes else "",
        _beside(measured.outcomes) if any(row.watcher != OURS for row in measured.outcomes) else "",
        _passages(measured.passages) if measured.passages else "",
        _optima(measured.optima) if measured.optima else "",
        _repeated(measured.repeated) if measured.repeated else "",
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _commands(commands: Mapping[Row, str]) -> str:
    """Which rows were run how; marks want a thousand replicates, and a row says how many it has."""
    rows: dict[str, list[str]] = {}
    for row, command in commands.items():
        rows.setdefault(command, []).append(row.scenario)
    lines = (f"- {', '.join(dict.fromkeys(names))}: `{command}`" for command, names in rows.items())
    return "Rows are of these runs:\n\n" + "\n".join(lines)


def known(measured: Measured) -> Known:
    """What marks need besides their own rows."""
    found = {best.drop: best.delays for best in measured.optima.get("10 s", ())}
    others = {row.scenario: outcome for row, outcome in measured.outcomes.items() if row.watcher == OURS}
    return Known(found, others.get)


def judge(mark: Mark, measured: Measured) -> Verdict:
    """Whether a mark was reached."""
    outcome = measured.outcomes.get(mark.row)
    if outcome is None or not (outcome.runs or outcome.delays):
        return _NOT_RUN
    try:
        return mark.judged(outcome, known(measured))
    except KeyError:  # without its optimum
        return _NOT_RUN


def _marks(measured: Measured) -> str:
    rows = []
    for mark in MARKS:
        verdict = judge(mark, measured)
        word = _word(verdict, measured.outcomes.get(mark.row))
        rows.append((mark.scenario, mark.wants, verdict.value, verdict.runs, word))
    head = (
        "## Pass marks\n\nModes are realistic unless a row says otherwise; S2 is ideal, as its yardstick.\n\n"
    )
    return head + grid(("", "wanted", "seen", "runs", ""), rows)


def _word(verdict: Verdict, outcome: Outcome | None) -> str:
    if outcome is None or verdict is _NOT_RUN:
        return "not run"
    if not verdict.reached:
        return "**not reached**"
    if verdict.count is not None:
        return "reached" if verdict.count >= _NEVER else "held, in few runs"
    return "reached" if (len(outcome.delays) or outcome.runs) >= _MANY else "held, in few runs"


def _scenarios(outcomes: Mapping[Row, Outcome]) -> str:
    head = (
        "## Every scenario\n\n"
        "Delays in minutes from the onset to the word; *found* within 240 min. *False* are episodes of words about\n"
        "conversion where nothing was wrong, per slot-day in the light world and per day of the shop, and how many\n"
        "words of which kind they were. *Named* is the\n"
        "share of detections with the right place, step and kind. *Lost* are a slot's orders before the word;\n"
        "*ms* is the CPU time of a bucket of ten seconds.\n\n"
    )
    columns = (
        "",
        "what",
        "mode",
        "n",
        "found",
        "median",
        "p95",
        "false",
        "named",
        "msgs",
        "lost",
        "ms",
    )
    ours = [(row, outcome) for row, outcome in outcomes.items() if row.watcher == OURS]
    return head + grid(columns, [_line(row, outcome) for row, outcome in ours])


def _line(row: Row, outcome: Outcome) -> tuple[str, ...]:
    scenario, delay, mode = SCENARIOS[row.scenario], outcome.delay, _mode(row)
    seen = (f"{delay.found:.2f}", number(delay.median), number(delay.p95)) if delay.runs else ("", "", "")
    found = sum(map(isfinite, outcome.delays))
    return (
        row.scenario,
        scenario.what,
        mode,
        str(delay.runs or outcome.runs),
        *seen,
        _false(outcome),
        f"{outcome.right / found:.2f}" if found else "",
        f"{outcome.messages / outcome.incidents:.1f}" if outcome.incidents else "",
        _lost(row, delay),
        f"{outcome.ms_per_bucket:.1f}",
    )


def _mode(row: Row) -> str:
    mode = "realistic" if row.realistic else "ideal"
    return f"{mode}, {row.rate:g}/min" if SCENARIOS[row.scenario].stage is Stage.LIGHT else mode


def _beside(outcomes: Mapping[Row, Outcome]) -> str:
    """Ours, the best there can be and the rules in use today, a line for each scenario."""
    head = (
        "## Beside the rules in use today\n\n"
        "On the same streams. Where something is wrong: the median delay in minutes, in brackets the share that is found\n"
        "where that is not all, and false words a slot-day (a day in the shop). Where nothing is wrong: how many slots (or\n"
        "shops) had a false word. Rules are told the usual ratio and say nothing of fewer than 50 visitors in the shop;\n"
        "one that is in alarm already says nothing new. The CUSUM is told true conversion and delays beforehand: in the\n"
        "light world it is made for -30 % and calibrated, in the shop it knows how payments end.\n\n"
    )
    by_place: dict[Row, dict[str, Outcome]] = {}
    for row, outcome in outcomes.items():
        by_place.setdefault(replace(row, watcher=""), {})[row.watcher] = outcome
    compared = {row: found for row, found in by_place.items() if len(found) > 1}
    watchers = [name for name in WATCHERS if any(name in found for found in compared.values())]
    rows = [
        (row.scenario, SCENARIOS[row.scenario].what, _mode(row),
         *(_short(SCENARIOS[row.scenario].silent, found.get(name)) for name in watchers))
        for row, found in compared.items()
    ]  # fmt: skip
    return head + grid(("", "what", "mode", *watchers), rows)


def _short(silent: bool, outcome: Outcome | None) -> str:  # noqa: FBT001  # as the scenario has it
    if outcome is None:
        return ""
    if silent or not outcome.delay.runs:
        return f"{outcome.crying} of {outcome.runs}"
    found = outcome.delay.found
    seen = number(outcome.delay.median) + (f" ({found:.2f})" if 0 < found < 1 else "")
    rate = outcome.false_episodes / outcome.slot_days if outcome.slot_days else 0.0
    return f"{seen}; {rate:.3g} false" if rate else seen


def _false(outcome: Outcome) -> str:
    if not outcome.slot_days:
        return ""
    kinds = ", ".join(f"{kind} {many}" for kind, many in sorted(outcome.kinds.items()))
    rate = f"{outcome.false_episodes / outcome.slot_days:.3g}"
    return f"{rate} ({kinds})" if kinds else rate


def _lost(row: Row, delay: Delays) -> str:
    if row.scenario not in _DROPS or not isfinite(delay.median):
        return ""
    return f"{lost_orders(SCENARIOS[row.scenario], row.rate, delay.median):.0f}"


def _passages(passages: Sequence[Passage]) -> str:
    right = sum(one.right for one in passages)
    commands = " and ".join(f"`{command}`" for command in dict.fromkeys(one.command for one in passages))
    head = (
        "## Through the whole path\n\n"
        "What `funnelwatch simulate` makes of each scenario, as bytes, through the counting of the workers, rollups, closing\n"
        "and the engine, with two hours before the onset (`whole_path.py`). The shop is small, its visitors decide within\n"
        "minutes, and its slots differ in how much they sell, so delays are its own.\n\n"
        f"{commands}: {right} of {len(passages)} as they should be.\n\n"
    )
    rows = [
        (one.scenario, DEMO_SCENARIOS[one.scenario].what, str(one.seed), f"{one.events:,}", str(one.minutes),
         "" if one.delay_s is None else number(one.delay_s / 60), "; ".join(one.told), "; ".join(one.others),
         "" if one.right else "**no**")
        for one in passages
    ]  # fmt: skip
    columns = (
        "",
        "what",
        "seed",
        "events",
        "minutes after",
        "word after min",
        "told",
        "told beside",
        "right",
    )
    return head + grid(columns, rows)


def _optima(optima: Mapping[str, Sequence[Optimum]]) -> str:
    head = (
        "## The best there can be\n\n"
        "A CUSUM made for the drop, which knows the true conversion and delays, with the threshold calibrated to one\n"
        "false alarm in 60 days of a slot; 6 orders a minute (daily mean), change at 11:00, ideal mode. Minutes' clock\n"
        "with all orders followed for five hours, and ten seconds' clock with orders within the attribution window.\n\n"
    )
    rows = [
        (clock, f"-{100 * best.drop:.0f} %", f"{best.threshold:.1f}", number(best.delays.median),
         number(best.delays.p95), str(best.delays.runs))
        for clock, found in optima.items()
        for best in found
    ]  # fmt: skip
    return head + grid(("clock", "drop", "threshold", "median", "p95", "n"), rows)


def _repeated(repeated: Sequence[Repeated]) -> str:
    head = (
        "## The yardsticks are right\n\n"
        "Rules in use today on a slot with 6 orders a minute, realistic mode, a minute's clock. In brackets what\n"
        "an earlier program found by itself (it does not tell when in the day its conversion is high). False alarms per slot-day; median delay in minutes (share found\n"
        "within 240 min); share of slots with a false alarm within two hours of a traffic jump x2 and x10.\n\n"
    )
    columns = ("rule", "false/day", "-30 %", "-50 %", "dead", "x2", "x10")
    return head + grid(columns, [one.cells() for one in repeated])


def number(minutes: float) -> str:
    """A delay in words."""
    return f"{minutes:.1f}" if isfinite(minutes) else "never"


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
