"""The live table: figures as defined, on any screen, whatever a key is called."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console

from streams.demo.live_table import (
    Frame,
    KeyRow,
    LiveTable,
    Step,
    count,
    duration,
    printable,
    ratio,
    render,
    summary,
)

ROW = KeyRow("slot", "home.top.1", 2_000, 300, 200, 9, 10, 123_450, "CNY")


def many(keys: int = 30) -> Frame:
    """A frame with more keys than fit on any screen."""
    rows = [
        replace(ROW, dimension=dimension, key=f"{dimension}{number}", clicks=1_000 - number)
        for dimension in ("slot", "banner", "sku")
        for number in range(keys)
    ]
    rows += [replace(ROW, dimension=dimension, key="(none)") for dimension in ("slot", "banner", "sku")]
    total = replace(ROW, dimension="all", key="all")
    outcomes = {"accepted": 1_234_567, "late": 23_456, "duplicate": 12_345, "invalid": 0}
    notes = ("metrics  http://127.0.0.1:8080/metrics", "Ctrl-C stops everything")
    steps = [Step("counts", "the last minutes first", 0.5)]
    return Frame([*rows, total], outcomes, 4_321.0, 0.8, 3_725.0, notes, steps, ["It counts."])


def screen(frame: Frame, width: int = 100, top: int = 10) -> list[str]:
    """The lines that a screen of this width shows."""
    out = StringIO()
    Console(file=out, width=width, color_system=None).print(render(frame, width=width, top=top))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def line_of(key: str, lines: list[str]) -> list[str]:
    """The cells of a key's line."""
    return next(line.split() for line in lines if key in line)


def test_figures_stand_as_defined() -> None:
    """CTR is clicks / exposures, CVR paying / clicking visitors, revenue in whole units."""
    lines = screen(Frame([ROW]))
    assert line_of("home.top.1", lines) == ["home.top.1", "2,000", "300", "15.00%", "10", "4.50%", "1,234"]
    assert "Revenue CNY" in lines[1]


def test_nothing_to_divide_by_is_a_dash() -> None:
    """A key without exposures or clicks has no rate rather than a rate of zero."""
    empty = replace(ROW, exposures=0, clicks=0, visitors_click=0)
    assert line_of("home.top.1", screen(Frame([empty])))[3::2] == ["-", "-"]


def test_money_follows_the_currency() -> None:
    """Yen have no minor units; several currencies share no heading."""
    yen = replace(ROW, key="tokyo", currency="JPY", minor_digits=0)
    assert line_of("tokyo", screen(Frame([yen])))[-1] == "123.5k"
    mixed = screen(Frame([ROW, yen]))
    assert "Revenue" in mixed[1]
    assert "CNY" not in mixed[1]


def test_the_busiest_keys_come_first_and_the_rest_not_at_all() -> None:
    """By clicks, then exposures, then name; ``top`` of each dimension."""
    lines = screen(many(), top=3)
    shown = [line.split()[0] for line in lines if line.strip().startswith(("slot", "banner", "sku"))]
    assert shown == [f"{dimension}{number}" for dimension in ("slot", "banner", "sku") for number in range(3)]


def test_what_has_no_name_stands_below_the_keys() -> None:
    """However busy, ``(none)`` and ``(other)`` are one row after the top, and not among it."""
    busy = [replace(ROW, key=key, clicks=9_000, orders=3) for key in ("(other)", "(none)")]
    lines = screen(Frame([*busy, ROW, replace(ROW, key="home.top.2")]), top=2)
    first = next(at for at, line in enumerate(lines) if "Slots" in line)
    assert [line.split()[0] for line in lines[first + 1 : first + 3]] == ["home.top.1", "home.top.2"]
    assert lines[first + 3].split() == [
        *("(none),", "(other)", "4,000", "18,000", "450.00%", "6", "4.50%", "2,469"),
    ]
    alone = screen(Frame([busy[1], ROW]))
    assert line_of("(none)", alone)[0] == "(none)"


def test_a_dimension_with_no_name_at_all_is_left_out() -> None:
    """A newcomer's first table does not begin with what is not known."""
    lines = screen(Frame([ROW, replace(ROW, dimension="sku", key="(none)")]))
    assert not any("SKUs" in line or "(none)" in line for line in lines)


STEPS = (Step("broker", "Kafka here", 1.0), Step("shop", "writes", 0.45), Step("worker", "joining"))


def test_before_there_are_counts_the_steps_are_shown_instead() -> None:
    """Nobody looks at an empty table: what is done, how far, and what is waited for."""
    lines = screen(Frame(steps=STEPS, notes=("metrics here",)))
    assert lines == [
        "",
        "broker   Kafka here  done",
        "shop     writes  [#########...........] 45 %",
        "worker   joining  ...",
        "0:00:00  0 records  0/s  freshness -",
        "metrics here",
    ]
    assert screen(Frame([ROW], steps=STEPS))[-4:-1] == lines[1:4]


def test_dimensions_without_rows_are_left_out() -> None:
    """A title never stands above nothing."""
    lines = screen(Frame([ROW]))
    assert any(line.strip() == "Slots" for line in lines)
    assert not any("Banners" in line or "SKUs" in line for line in lines)


def test_an_empty_frame_still_says_how_it_stands() -> None:
    """Before the first event there is a heading and a summary."""
    assert screen(Frame())[-1] == "0:00:00  0 records  0/s  freshness -"


def test_the_summary_names_what_became_of_records() -> None:
    """Totals are the sum of the outcomes; outcomes that did not occur are left out."""
    text = summary(many()).plain
    assert (
        text
        == "1:02:05  1.27M records  4,321/s  freshness 0.8 s  accepted 1.23M  late 23,456  duplicate 12,345"
    )


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (120, "Key Exposures Clicks CTR Orders CVR Revenue CNY"),
        (80, "Key Exposures Clicks CTR Orders CVR Revenue CNY"),
        (66, "Key Exposures Clicks CTR Orders CVR Revenue CNY"),
        (65, "Key Clicks CTR Orders CVR Revenue CNY"),
        (56, "Key Clicks CTR Orders CVR Revenue CNY"),
        (55, "Key Clicks CTR Orders CVR"),
        (43, "Key Clicks CTR CVR"),
        (36, "Key Clicks CTR CVR"),
    ],
)
def test_columns_give_way_and_figures_never(width: int, columns: str) -> None:
    """On a narrow screen whole columns go; no figure is cut and no line is too long."""
    wide = replace(ROW, key="homepage-recommendations-1", exposures=99_999, clicks=99_999, orders=99_999)
    wide = replace(wide, visitors_paid=200, revenue_minor=99_999_99)
    lines = screen(Frame([wide]), width)
    assert lines[1].split() == columns.split()
    assert max(map(cell_len, lines)) <= width
    assert "100.00%" in " ".join(lines)
    assert sum(line.count("…") for line in lines) <= 1


def test_wide_characters_keep_the_columns_in_line() -> None:
    """A Chinese character is two cells wide; figures still end in the same cell."""
    rows = [replace(ROW, key=key) for key in ("ascii", "主会场", "主会场推荐位" * 8, "満減クーポン", "할인")]
    lines = [line for line in screen(Frame(rows), 80) if line.endswith("1,234")]
    assert len(lines) == 5
    assert len({cell_len(line) for line in lines}) == 1
    assert any("…" in line for line in lines)


@pytest.mark.parametrize(
    "key", ["a\x1b[31mb", "a\x07b", "a\nb", "a\u202eb", "a\u200bb", "[red]b[/red]", "[/]"]
)
def test_a_key_cannot_speak_to_the_terminal(key: str) -> None:
    """Control codes and bidi marks are replaced, markup is shown as it stands."""
    lines = screen(Frame([replace(ROW, key=key)]))
    expected = key if key.startswith("[") else "a\N{REPLACEMENT CHARACTER}"
    assert sum(line.strip().startswith(expected) for line in lines) == 1
    assert not any(ord(letter) < 32 for line in lines for letter in line)


@pytest.mark.parametrize("width", [36, 44, 80, 120, 200])
@pytest.mark.parametrize("height", [23, 24, 40, 60])
def test_a_frame_on_a_terminal_fits_its_height(width: int, height: int) -> None:
    """The number of keys adapts, so that notes and summary stay on the screen."""
    out = StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    run(LiveTable(many, console=console, top=50))
    last = out.getvalue().split("\x1b[?25h")[0].split("\x1b[2K")[-1]
    assert last.count("\n") < height
    assert "Ctrl-C stops everything" in last
    assert "slot0" in last
    if height == 60:
        assert "sku9" in last


@pytest.mark.parametrize(("height", "hints", "unnamed"), [(60, 1, 3), (29, 1, 3), (28, 0, 3), (26, 0, 0)])
def test_keys_come_before_what_explains_them(height: int, hints: int, unnamed: int) -> None:
    """On a low screen the hints go first, then the rows without a name, and then keys."""
    out = StringIO()
    console = Console(file=out, width=100, height=height, force_terminal=True, color_system=None)
    run(LiveTable(many, console=console))
    last = out.getvalue().split("\x1b[?25h")[0].split("\x1b[2K")[-1]
    assert (last.count("It counts."), last.count("(none)")) == (hints, unnamed)
    assert last.count("sku") >= 3


def run(table: LiveTable) -> None:
    """Draw with the stop already given: one last frame."""

    async def once() -> None:
        stop = asyncio.Event()
        stop.set()
        await asyncio.wait_for(table.run(stop), 5)

    asyncio.run(once())


async def test_without_a_terminal_compact_tables_are_printed_one_after_the_other() -> None:
    """In a pipe there are no control codes, five keys a dimension, and a table at the end."""
    out, stop, drawn = StringIO(), asyncio.Event(), []

    def source() -> Frame:
        drawn.append(1)
        if len(drawn) == 3:
            stop.set()
        return many()

    console = Console(file=out, width=80, height=10, force_terminal=False)
    await LiveTable(source, console=console, print_s=0).run(stop)
    text = out.getvalue()
    assert "\x1b" not in text
    assert text.count("Ctrl-C stops everything") == len(drawn) == 4
    assert "slot4" in text
    assert "slot5" not in text


async def test_without_a_terminal_steps_are_told_as_they_begin_and_end() -> None:
    """Each once, at once; the first table comes with the first counts and not only when its time has come."""
    out, stop = StringIO(), asyncio.Event()
    waits, counts = Step("worker", "joining"), replace(many(3), steps=())
    ends = replace(waits, text="reads", share=1.0)
    frames = [Frame(steps=[waits]), Frame(steps=[replace(waits, text="still joining")]), Frame(steps=[ends])]
    frames += [counts, counts, counts]

    def source() -> Frame:
        if len(frames) == 2:
            stop.set()
        return frames.pop(0)

    console = Console(file=out, width=80, force_terminal=False)
    await LiveTable(source, console=console, redraw_s=0, print_s=60).run(stop)
    text = out.getvalue()
    assert text.startswith("worker   joining  ...\nworker   reads  done\n")
    assert "still" not in text
    assert text.count("Ctrl-C stops everything") == 2


async def test_on_a_terminal_frames_replace_each_other() -> None:
    """The cursor is hidden while drawing and comes back, whatever happens in between."""
    out, stop, drawn = StringIO(), asyncio.Event(), []

    def source() -> Frame:
        drawn.append(1)
        if len(drawn) == 4:
            raise ValueError("the source broke")
        return many()

    console = Console(file=out, width=80, height=24, force_terminal=True)
    with pytest.raises(ValueError, match="broke"):
        await LiveTable(source, console=console, redraw_s=0).run(stop)
    text = out.getvalue()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (99_999, "99,999"),
        (100_000, "100.0k"),
        (999_949, "999.9k"),
        (999_951, "1.00M"),
        (1_234_567, "1.23M"),
        (999_960_000, "1.00G"),
        (-1_500_000, "-1.50M"),
    ],
)
def test_counts_stay_short(number: int, text: str) -> None:
    """Figures round within their unit, and step to the next before they read 1000."""
    assert count(number) == text


def test_small_words() -> None:
    """Durations, ratios and printable text as they are read."""
    assert (duration(0), duration(3_725.9), duration(360_000)) == ("0:00:00", "1:02:05", "100:00:00")
    assert (ratio(1, 3), ratio(1, 0)) == ("33.33%", "-")
    assert printable("满减 v1") == "满减 v1"
