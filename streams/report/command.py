"""The verb ``report``: a promotion's recorded traffic gives one page about it."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from alerts.message import Language
from streams.backtest.reading import Recording
from streams.clock import SystemClock
from streams.errors import ConfigError
from streams.report.gathering import Gathering
from streams.report.html import as_html
from streams.report.making import report_of
from streams.report.markdown import as_markdown
from streams.report.outline import outline_of
from streams.report.source import gather, gather_last
from streams.report.writing import write

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from streams.clock import Clock
    from streams.config import Settings
    from streams.promotions import Promotion

_FORMS = {"html": as_html, "md": as_markdown}


def report(arguments: argparse.Namespace, settings: Settings, clock: Clock | None = None) -> int:
    """Read what the arguments name, write the page."""
    recording, last = _recordings(arguments)
    promotion = _promotion(arguments.promotion, settings)
    outline = outline_of(promotion, settings.calendar(), settings.watch.time_zone)
    gathering = Gathering(outline, settings.counting.allowed_lateness_ms, last_apart=last is not None)
    if last is not None:
        if outline.last is None:
            raise ConfigError("report", f"a promotion with the same scope before {promotion.name}")
        gather_last(last, settings, gathering)
    told = gather(recording, settings, gathering, (clock or SystemClock()).now_ms())
    document = write(report_of(gathering, told), Language(arguments.language), settings.watch.time_zone)
    page = _FORMS[_form(arguments)](document).encode("utf-8", "replace")
    if arguments.out is None:
        sys.stdout.buffer.write(page)
    else:
        arguments.out.write_bytes(page)
    return 0


def _recordings(arguments: argparse.Namespace) -> tuple[Recording, Recording | None]:
    recording = Recording.named(arguments, "report")
    files = arguments.last_clickstream, arguments.last_orders, arguments.last_rollups
    if not any(files):
        return recording, None
    if arguments.last_rollups is not None and any(files[:2]):
        raise ConfigError("report", "--last-rollups or --last-clickstream and --last-orders, not both")
    missing = next((path for path in files if path is not None and not path.is_file()), None)
    if missing is not None:
        raise ConfigError("report", f"a file that exists, not {missing}")
    clickstream, orders, rollups = files
    return recording, replace(
        Recording(), clickstream=clickstream, orders=orders, rollups=rollups, format=recording.format
    )


def _promotion(name: str, settings: Settings) -> Promotion:
    promotion = settings.calendar().named(name)
    if promotion is None:
        known = ", ".join(each.name for each in settings.calendar().promotions) or "none"
        raise ConfigError("--promotion", f"one of the configured promotions ({known})")
    return promotion


def _form(arguments: argparse.Namespace) -> str:
    if arguments.form is not None:
        return str(arguments.form)
    out: Path | None = arguments.out
    return "md" if out is not None and out.suffix.lower() in (".md", ".markdown") else "html"
