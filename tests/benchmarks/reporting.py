"""What every benchmark says about itself: on what it ran, of what commit, and what came out.

Promises: one JSON file per benchmark under ``tests/benchmarks/results`` (or
``$FUNNELWATCH_BENCH_RESULTS``), and the same figures as a table on the terminal. Refuses to judge:
whether a figure is good enough is for the reader, a benchmark asserts nothing about time.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from rich.console import Console
from rich.table import Table

from streams.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
_LIBRARIES: Final = (
    *("aiokafka", "cramjam", "faust-streaming", "mode-streaming", "msgspec", "numpy", "orjson"),
    *("prometheus-client", "uvloop", "xxhash"),
)


def option(name: str, default: int) -> int:
    """A whole number from ``FUNNELWATCH_BENCH_<name>``, or the default."""
    return int(os.environ.get(f"FUNNELWATCH_BENCH_{name}", default))


def options(name: str, default: Sequence[int]) -> tuple[int, ...]:
    """The same for several, comma separated."""
    text = os.environ.get(f"FUNNELWATCH_BENCH_{name}")
    return tuple(map(int, text.split(","))) if text else tuple(default)


def write(name: str, figures: Mapping[str, Any]) -> Path:
    """Write a benchmark's result with its circumstances; where it now stands."""
    folder = Path(os.environ.get("FUNNELWATCH_BENCH_RESULTS") or ROOT / "tests/benchmarks/results")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    document = {"benchmark": name, **circumstances(), **figures}
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return path


def circumstances() -> dict[str, Any]:
    """Commit, machine and versions. A load well above what runs here means others were at work."""
    return {
        "at": datetime.fromtimestamp(SystemClock().now_ms() // 1000, UTC).isoformat(),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": {
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
            "system": f"{platform.system()} {platform.release()}",
            "load_1m": round(os.getloadavg()[0], 2),
        },
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in _LIBRARIES},
    }


def cpu_model() -> str:
    """As the kernel calls it."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _git(*words: str) -> str | None:
    """What git says, None outside a work tree."""
    said = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return said.stdout.strip() if said.returncode == 0 else None


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], note: str = "") -> None:
    """Print a table; numbers stand right."""
    table = Table()
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    console = Console(width=110)
    console.print(f"\n{title}", highlight=False)
    console.print(table)
    if note:
        console.print(note, highlight=False)


def say(what: str) -> None:
    """Tell whoever waits how far it is."""
    print(f"  {what}", flush=True)


def mib(size: float) -> str:
    """Bytes as mebibytes."""
    return f"{size / (1 << 20):,.1f} MiB"
