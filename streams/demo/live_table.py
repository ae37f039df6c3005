"""The demo's live table: top slots, banners and SKUs with their conversion.

Promises: it takes plain data and keeps none; a key can say nothing to the terminal (no markup, no
control codes) and never breaks the layout, whatever its script; on a terminal it is redrawn in place
and fits its width and height, elsewhere it is printed anew every so often; before there is anything to
count it says what is under way. Refuses to count: CTR is clicks / exposures (events), CVR is paying /
clicking visitors, both straight from the rows. What has no key, or none that is shown by name, stands
below the keys and never among them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streams.funnel import RESERVED_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TITLES = {"all": "All", "slot": "Slots", "banner": "Banners", "sku": "SKUs"}
REDRAW_S = 1.0
PRINT_S = 10.0
PRINT_TOP = 5
# Columns of figures: title, width, and the screen below which the column gives way. What is left
# at 36 columns still says how a key converts.
FIGURES = {
    "exposures": ("Exposures", 9, 66),
    "clicks": ("Clicks", 7, 0),
    "ctr": ("CTR", 7, 0),
    "orders": ("Orders", 7, 44),
    "cvr": ("CVR", 7, 0),
    "revenue": ("Revenue", 11, 56),
}
KEY_WIDTHS = (10, 40)
# Lines of the table that are no keys: blank, header, rule, the total, blank; and two per dimension.
TABLE_LINES, DIMENSION_LINES, CURSOR_LINES = 5, 2, 1
NOTHING = "-"
# Plain ASCII: the first thing on the screen must come out on any terminal.
BAR = 20
DONE = 1.0
# With fewer keys per dimension what explains gives way to what is explained.
FEW_KEYS = 3


@dataclass(frozen=True, slots=True)
class KeyRow:
    """Counts of one key: events of exposure and click, visitors of click and paid, paid orders.

    ``revenue_minor`` is in minor units of ``currency``, of which ``minor_digits`` make one unit.
    """

    dimension: str
    key: str
    exposures: int
    clicks: int
    visitors_click: int
    visitors_paid: int
    orders: int
    revenue_minor: int
    currency: str
    minor_digits: int = 2


@dataclass(frozen=True, slots=True)
class Step:
    """Something under way: who does what, and how far it is, from 0 to 1; None if nobody can say."""

    title: str
    text: str
    share: float | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left of it."""
        return self.share is not None and self.share >= DONE


@dataclass(frozen=True, slots=True)
class Frame:
    """What the table shows at one moment.

    ``rows`` may hold every key; the busiest are picked, and the reserved ones are summed. ``steps``
    stand in for the table while there are no rows, and below it afterwards. ``outcomes`` maps an outcome's name to
    records, ``freshness_s`` is event time to count, None before the first, ``notes`` are lines such
    as where ``/metrics`` is, and ``hints`` explain the table where there is room.
    """

    rows: Sequence[KeyRow] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    records_per_s: float = 0.0
    freshness_s: float | None = None
    running_s: float = 0.0
    notes: Sequence[str] = ()
    steps: Sequence[Step] = ()
    hints: Sequence[str] = ()


class LiveTable:
    """Shows frames until it is told to stop.

    Args:
        source: gives the newest frame; called on the event loop, so it must be quick.
        console: where to draw; its size and kind decide the layout.
        redraw_s: seconds between frames on a terminal.
        print_s: seconds between tables where there is no terminal.
        top: most keys shown per dimension.
    """

    def __init__(
        self,
        source: Callable[[], Frame],
        *,
        console: Console | None = None,
        redraw_s: float = REDRAW_S,
        print_s: float = PRINT_S,
        top: int = 10,
    ) -> None:
        self._source = source
        self._console = console or Console()
        self._redraw_s = redraw_s
        self._print_s = print_s
        self._top = top

    async def run(self, stop: asyncio.Event) -> None:
        """Draw until ``stop`` is set; the last frame stays on the screen."""
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            await self._redraw(stop)
        else:
            await self._print(stop)

    async def _redraw(self, stop: asyncio.Event) -> None:
        with Live(self._draw(), console=self._console, auto_refresh=False, transient=False) as live:
            while not await _stopped(stop, self._redraw_s):
                live.update(self._draw(), refresh=True)
            live.update(self._draw(), refresh=True)

    async def _print(self, stop: asyncio.Event) -> None:
        """Steps as they begin and end, the first table as soon as there is one, then every so often."""
        now, said = asyncio.get_running_loop().time, set[tuple[str, bool]]()
        printed_at: float | None = None
        while not await _stopped(stop, min(self._redraw_s, self._print_s)):
            frame = self._source()
            if not frame.rows:
                self._say(frame.steps, said)
            elif printed_at is None or now() - printed_at >= self._print_s:
                printed_at = now()
                self._console.print(self._compact(frame))
        self._console.print(self._compact(self._source()))

    def _say(self, steps: Sequence[Step], said: set[tuple[str, bool]]) -> None:
        for step in steps:
            if (step.title, step.done) not in said:
                said.add((step.title, step.done))
                self._console.print(line_of(step))

    def _draw(self) -> RenderableType:
        frame, size = self._source(), self._console.size
        frame, fit = fitted(frame, size.width, size.height)
        return render(frame, width=size.width, top=min(self._top, fit))

    def _compact(self, frame: Frame) -> RenderableType:
        return render(frame, width=self._console.width, top=min(self._top, PRINT_TOP))


async def _stopped(stop: asyncio.Event, within_s: float) -> bool:
    # wait_for without time to wait would never notice that it is set.
    if stop.is_set():
        return True
    try:
        await asyncio.wait_for(stop.wait(), within_s)
    except TimeoutError:
        return False
    return True


def fitted(frame: Frame, width: int, height: int) -> tuple[Frame, int]:
    """As much of the frame as fits a screen, and the keys per dimension that do.

    On a low screen the hints go, then the rows without a name, so that there are keys to be seen.
    """
    plain = replace(frame, hints=())
    named = replace(plain, rows=[row for row in frame.rows if row.key not in RESERVED_KEYS])
    for shown in (frame, plain):
        fit = keys_that_fit(shown, width, height)
        if fit >= FEW_KEYS:
            return shown, fit
    return named, keys_that_fit(named, width, height)


def keys_that_fit(frame: Frame, width: int, height: int) -> int:
    """Keys per dimension with which the whole frame fits a screen; at least one."""
    dimensions = len({row.dimension for row in frame.rows} - {"all"})
    unnamed = len({row.dimension for row in frame.rows if row.key in RESERVED_KEYS})
    below = sum(-(-text.cell_len // width) for text in _below(frame))
    room = height - TABLE_LINES - CURSOR_LINES - below - DIMENSION_LINES * dimensions - unnamed
    return max(1, room // max(1, dimensions))


def render(frame: Frame, *, width: int, top: int = 10) -> RenderableType:
    """The frame for a screen of ``width`` columns, ``top`` keys per dimension."""
    if not frame.rows and frame.steps:
        return Group(Text(""), *_below(frame))
    table = _table(frame, width)
    for dimension, title in TITLES.items():
        mine = [row for row in frame.rows if row.dimension == dimension]
        rows = sorted((row for row in mine if row.key not in RESERVED_KEYS), key=_busiest_first)[:top]
        if rows and dimension != "all":
            table.add_section()
            table.add_row(Text(title, style="bold"))
        for row in rows:
            table.add_row(*_cells(row, width, style="bold" if dimension == "all" else ""))
        unnamed = sorted((row for row in mine if row.key in RESERVED_KEYS), key=lambda row: row.key)
        if rows and unnamed:
            table.add_row(*_cells(_together(unnamed), width, style="dim"))
    return Group(table, *_below(frame))


def _together(rows: Sequence[KeyRow]) -> KeyRow:
    """One row for what has no name. Who is counted in several of them is counted so often."""
    return replace(
        rows[0],
        key=", ".join(row.key for row in rows),
        exposures=sum(row.exposures for row in rows),
        clicks=sum(row.clicks for row in rows),
        visitors_click=sum(row.visitors_click for row in rows),
        visitors_paid=sum(row.visitors_paid for row in rows),
        orders=sum(row.orders for row in rows),
        revenue_minor=sum(row.revenue_minor for row in rows),
    )


def _below(frame: Frame) -> list[Text]:
    """The lines below the table, or instead of it."""
    return [*map(line_of, frame.steps), summary(frame), *_notes(frame)]


def line_of(step: Step) -> Text:
    """One line: title, what is done, and a bar if it is known how far that is."""
    state = "..." if step.share is None else "done" if step.done else _bar(step.share)
    return Text(f"{printable(step.title):<8} {printable(step.text)}  {state}", overflow="fold")


def _bar(share: float) -> str:
    full = int(BAR * share)
    return f"[{'#' * full}{'.' * (BAR - full)}] {int(100 * share)} %"


def _notes(frame: Frame) -> list[Text]:
    return [Text(printable(note), style="dim", overflow="fold") for note in (*frame.notes, *frame.hints)]


def _busiest_first(row: KeyRow) -> tuple[int, int, str]:
    return (-row.clicks, -row.exposures, row.key)


def _columns(width: int) -> list[str]:
    return [name for name, (_, _, least) in FIGURES.items() if width >= least]


def _table(frame: Frame, width: int) -> Table:
    columns = _columns(width)
    # Every column costs one more for what divides it from the last, and the edges two.
    room = width - sum(FIGURES[name][1] + 1 for name in columns) - 2
    narrowest, widest = KEY_WIDTHS
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    key_width = max(narrowest, min(widest, room))
    table.add_column("Key", no_wrap=True, overflow="ellipsis", min_width=narrowest, max_width=key_width)
    for name in columns:
        title, least, _ = FIGURES[name]
        unit = f" {_currency(frame)}" if name == "revenue" else ""
        table.add_column((title + unit).rstrip(), justify="right", no_wrap=True, min_width=least)
    return table


def _currency(frame: Frame) -> str:
    """The currency if there is only one; amounts in several stand beside each other unnamed."""
    currencies = {row.currency for row in frame.rows if row.revenue_minor}
    return printable(currencies.pop()) if len(currencies) == 1 else ""


def _cells(row: KeyRow, width: int, *, style: str) -> list[Text]:
    figures = {
        "exposures": count(row.exposures),
        "clicks": count(row.clicks),
        "ctr": ratio(row.clicks, row.exposures),
        "orders": count(row.orders),
        "cvr": ratio(row.visitors_paid, row.visitors_click),
        "revenue": count(row.revenue_minor // 10**row.minor_digits),
    }
    texts = [printable(row.key), *(figures[name] for name in _columns(width))]
    return [Text(text, style=style) for text in texts]


def summary(frame: Frame) -> Text:
    """One line: records, rate, freshness, and what became of the records."""
    total = sum(frame.outcomes.values())
    fresh = NOTHING if frame.freshness_s is None else f"{frame.freshness_s:.1f} s"
    parts = [
        duration(frame.running_s),
        f"{count(total)} records",
        f"{frame.records_per_s:,.0f}/s",
        f"freshness {fresh}",
        *(f"{printable(name)} {count(number)}" for name, number in frame.outcomes.items() if number),
    ]
    return Text("  ".join(parts), overflow="fold")


def count(number: int) -> str:
    """At most seven characters below a trillion: 12,345 but 123.5k, 1.23M."""
    for least, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        # A step early, so that 999,999 is 1.00M and never 1000.0k.
        if abs(number) >= max(99_999.5, least * 0.99995):
            return f"{number / least:.{1 if letter == 'k' else 2}f}{letter}"
    return f"{number:,}"


def ratio(part: int, whole: int) -> str:
    """A percentage, or a dash where there is nothing to divide by."""
    return f"{100 * part / whole:.2f}%" if whole else NOTHING


def duration(seconds: float) -> str:
    """Hours, minutes and seconds as h:mm:ss."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def printable(text: str) -> str:
    """The text with everything that could move the cursor, change colour or turn direction replaced."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
