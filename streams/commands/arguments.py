"""Verbs for people on call and their arguments; light, for every verb's start asks for them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from streams.durations import parse_duration_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    Add = Callable[[argparse.ArgumentParser], None]

_FORMATS: Final = ("table", "json")
_MAX_SILENCE_MS: Final = 366 * 86_400_000


def _ack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("incident", metavar="INCIDENT", help="its id, or as much of it as is needed")
    _by(parser)


def _silence(parser: argparse.ArgumentParser) -> None:
    _by(parser)
    parser.add_argument(
        "--for", dest="lasts", type=_span_ms, required=True, metavar="SPAN", help="such as 30m or 2h"
    )
    parser.add_argument("--comment", default="", help="why")
    parser.add_argument("--id", default="", help="of the silence that this one replaces (default: a new one)")
    what = parser.add_argument_group(
        "what is silenced", "each may be given more than once: one of them has to match, of --scope all"
    )
    what.add_argument("--kind", action="append", default=[], help="such as conversion_drop")
    what.add_argument("--severity", action="append", default=[], help="info, warning or critical")
    what.add_argument(
        "--scope", action="append", default=[], metavar="DIMENSION[=KEY]", help="such as slot=home.top.1"
    )
    what.add_argument("--step", action="append", default=[], metavar="FROM>TO", help="such as 'order>paid'")
    what.add_argument("--promotion", action="append", default=[], metavar="NAME")
    what.add_argument("--incident", action="append", default=[], metavar="ID")
    what.add_argument("--everything", action="store_true", help="whatever there is")


def _unsilence(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("silence", metavar="SILENCE", help="its id: see the command silences")
    _by(parser)


def _list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=_FORMATS, default="table", help="default: %(default)s")


def _incidents(parser: argparse.ArgumentParser) -> None:
    _list(parser)
    parser.add_argument("--all", action="store_true", help="those that are over as well")


def _notify_test(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--channel", action="append", default=[], metavar="NAME", help="default: each")
    parser.add_argument(
        "--kind",
        action="append",
        default=[],
        choices=("opened", "worse", "resolved", "digest", "meta"),
        help="of message (default: each)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="send nothing: show what would be, without its secrets"
    )


def _by(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", required=True, metavar="NAME", help="who you are, for the others")


def _span_ms(text: str) -> int:
    try:
        found = parse_duration_ms(text)
    except ValueError:
        found = 0
    if not 0 < found <= _MAX_SILENCE_MS:
        raise argparse.ArgumentTypeError("a span of time such as 30m or 1h30m, at most a year")
    return found


# By name: what it does, and what it takes beside --config.
VERBS: Final[dict[str, tuple[str, Add]]] = {
    "incidents": ("list the open incidents", _incidents),
    "ack": ("acknowledge an incident: you take care of it", _ack),
    "silence": ("tell nobody of what matches, for a while", _silence),
    "unsilence": ("end a silence", _unsilence),
    "silences": ("list the silences", _list),
    "notify-test": ("send samples to the channels and show what they answer", _notify_test),
}
