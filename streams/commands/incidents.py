"""``incidents``, ``ack``, ``silence``, ``unsilence``, ``silences``: what people say, written to Kafka.

What is written is checked against what is known first: a word that matches nothing would be taken for
granted by whoever wrote it. The watcher takes it up; these commands do not wait for that, and say so.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import TYPE_CHECKING, Final

import msgspec

from alerts.content.clean import harmless
from alerts.control import Ack, ScopeMatch, Silence, Unsilence, control_key, decode_control, encode_control
from alerts.incident import decode_incident, record_of, rfc3339
from alerts.model import Kind, Severity, State
from alerts.silences import Silences, matches
from streams.clock import Clock, SystemClock
from streams.commands.listing import incident_table, silence_table
from streams.errors import CodecError, ConfigError, TopicError
from streams.worker.reception import Reception

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from alerts.control import Control
    from alerts.incident import Incident
    from streams.config import Settings

    Do = Callable[[Reception, argparse.Namespace, Settings, Clock], Awaitable[None]]

_MAX_NAME: Final = 80
_MAX_COMMENT: Final = 400
_MAX_WORDS: Final = 100
_PATIENCE_SECONDS: Final = 30.0
# Short beginnings of an id would match by accident.
_LEAST_LETTERS: Final = 4


def run(verb: str, arguments: argparse.Namespace, settings: Settings) -> int:
    """Do one of them; 0, or an error is raised.

    Raises:
        ConfigError: an argument names what is not there.
        TopicError: Kafka does not answer, or does not take it.
    """
    asyncio.run(_at_the_desk(_VERBS[verb], arguments, settings))
    return 0


async def _at_the_desk(do: Do, arguments: argparse.Namespace, settings: Settings) -> None:
    reception = Reception(settings, _PATIENCE_SECONDS)
    try:
        await do(reception, arguments, settings, SystemClock())
    finally:
        await reception.stop()


async def _incidents(reception: Reception, arguments: argparse.Namespace, _: Settings, clock: Clock) -> None:
    found = [one for one in await _known(reception) if arguments.all or one.open]
    found.sort(key=lambda one: (not one.open, -one.opened_at_ms, one.id))
    if arguments.format == "json":
        print(json.dumps([record_of(one) for one in found], ensure_ascii=False, indent=2))
        return
    print(incident_table(found, clock.now_ms()) if found else "no incident is open")


async def _ack(reception: Reception, arguments: argparse.Namespace, _: Settings, clock: Clock) -> None:
    incident = find(arguments.incident, await _known(reception))
    if not incident.open:
        raise ConfigError("INCIDENT", f"an open one; {incident.id} is {incident.state.value}")
    if incident.state is State.ACKNOWLEDGED:
        print(f"{incident.id} is acknowledged already, by {harmless(incident.acknowledged_by or '?')}")
        return
    await _say(reception, Ack(incident.id, harmless(arguments.by, _MAX_NAME), clock.now_ms()))
    print(f"written: {incident.id} acknowledged; the watcher takes it up within seconds")


async def _silence(
    reception: Reception, arguments: argparse.Namespace, settings: Settings, clock: Clock
) -> None:
    record = silence_of(arguments, settings, clock.now_ms())
    await _say(reception, record)
    print(f"written: silence {record.id} until {rfc3339(record.ends_ms)}")
    matched = [one for one in await _known(reception) if one.open and matches(record, one)]
    print(f"open incidents that it matches: {len(matched)}")


async def _unsilence(reception: Reception, arguments: argparse.Namespace, _: Settings, clock: Clock) -> None:
    known = await _active(reception, clock.now_ms())
    if arguments.silence not in {silence.id for silence in known}:
        names = ", ".join(silence.id for silence in known[:10]) or "there is none"
        raise ConfigError("SILENCE", f"one that has not ended: {names}")
    await _say(reception, Unsilence(arguments.silence, harmless(arguments.by, _MAX_NAME), clock.now_ms()))
    print(f"written: silence {arguments.silence} has ended")


async def _silences(reception: Reception, arguments: argparse.Namespace, _: Settings, clock: Clock) -> None:
    found = await _active(reception, clock.now_ms())
    if arguments.format == "json":
        plain = [msgspec.to_builtins(one) | {"ends": rfc3339(one.ends_ms)} for one in found]
        print(json.dumps(plain, ensure_ascii=False, indent=2))
        return
    print(silence_table(found, clock.now_ms()) if found else "there is no silence")


_VERBS: Final[dict[str, Do]] = {
    "incidents": _incidents,
    "ack": _ack,
    "silence": _silence,
    "unsilence": _unsilence,
    "silences": _silences,
}


async def _known(reception: Reception) -> list[Incident]:
    """The newest record of each incident; those of other versions are left out."""
    found = []
    for record in (await reception.newest()).values():
        try:
            found.append(decode_incident(record))
        except CodecError:
            continue
    return found


async def _active(reception: Reception, now_ms: int) -> tuple[Silence, ...]:
    silences = Silences()
    for record in await reception.said():
        try:
            said = decode_control(record)
        except CodecError:
            continue
        if isinstance(said, Silence | Unsilence):
            silences.hear(said)
    silences.forget_before(now_ms)
    return silences.all()


async def _say(reception: Reception, record: Control) -> None:
    try:
        await reception.write(control_key(record), encode_control(record))
    except TopicError as error:
        raise TopicError(f"{error}; it may not have been written: look before you try again") from error


def find(text: str, known: Sequence[Incident]) -> Incident:
    """The incident of an id, or of the beginning of one that no other has.

    Raises:
        ConfigError: none, or several; names those that are open.
    """
    found = [one for one in known if one.id == text]
    if not found and len(text) >= _LEAST_LETTERS:
        found = [one for one in known if one.id.startswith(text)]
    if len(found) == 1:
        return found[0]
    opened = ", ".join(one.id for one in known if one.open) or "none is open"
    what = "several begin so" if found else "no incident has this id"
    raise ConfigError("INCIDENT", f"{what}; open: {opened[:400]}")


def silence_of(arguments: argparse.Namespace, settings: Settings, now_ms: int) -> Silence:
    """The silence that the arguments describe.

    Raises:
        ConfigError: they say nothing, or name what there is not.
    """
    lists = (
        *(arguments.kind, arguments.severity, arguments.scope, arguments.step),
        *(arguments.promotion, arguments.incident),
    )
    if any(lists) is arguments.everything:
        raise ConfigError("silence", "say what is silenced: --kind, --scope ..., or --everything alone")
    if any(len(words) > _MAX_WORDS for words in lists):
        raise ConfigError("silence", f"at most {_MAX_WORDS} words of a kind")
    funnel = settings.funnel_model()
    nodes = funnel.nodes
    steps = {f"{a}>{b}" for index, a in enumerate(nodes) for b in nodes[index + 1 :]}
    promotions = {one.name for one in settings.calendar().promotions}
    return Silence(
        id=arguments.id or f"cli.{secrets.token_hex(4)}",
        by=harmless(arguments.by, _MAX_NAME),
        ends_ms=now_ms + arguments.lasts,
        comment=harmless(arguments.comment, _MAX_COMMENT) if arguments.comment else "",
        kinds=tuple(Kind(word) for word in _among("--kind", arguments.kind, list(Kind))),
        severities=tuple(Severity(word) for word in _among("--severity", arguments.severity, list(Severity))),
        scope=tuple(_place(word, funnel.dimensions) for word in arguments.scope),
        steps=_among("--step", arguments.step, sorted(steps)),
        promotions=_among("--promotion", arguments.promotion, sorted(promotions)),
        incident_ids=tuple(arguments.incident),
    )


def _place(word: str, dimensions: Iterable[str]) -> ScopeMatch:
    dimension, _, key = word.partition("=")
    # What is about data names these two.
    _among("--scope", [dimension], [*dimensions, "topic", "partition"])
    return ScopeMatch(dimension, key)


def _among(argument: str, words: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    if not set(words) <= set(known):
        raise ConfigError(argument, f"one of {', '.join(known) or 'none, there is none'}")
    return tuple(words)
