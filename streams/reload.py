"""Hot reload: a changed configuration file is taken up while the worker runs, or refused whole.

Promises: the file is read as at the start, with the same checks; a wrong one changes nothing and is
told once, line by line. What a running worker cannot take up (topics, counting, HTTP ...) stays as it
is and is named: it needs a restart. A file that is still being written is waited for. Nothing here
reads the time of day; the file system is the only input.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from pydantic import BaseModel, ValidationError

from streams.config import Settings, explain, load_settings
from streams.config_errors import refusal
from streams.config_source import MAX_FILE_BYTES
from streams.config_watch import LIVE as LIVE_WATCH
from streams.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_LOG: Final = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 1.0
# As many looks in a row find no file before that is told: some editors take it away for a moment.
_GONE_LOOKS: Final = 3
Apply: TypeAlias = Callable[[Settings], None]


class ReloadOutcome(StrEnum):
    """What became of a change; also a label."""

    APPLIED = "applied"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Reload:
    """One change of the file, and what became of it.

    Attributes:
        outcome: applied; rejected as wrong; or failed, where taking it up raised.
        settings: those in force now.
        changed: dotted settings that were taken up.
        needs_restart: dotted settings that differ in the file and stay as they were.
        error: why it was rejected.
    """

    outcome: ReloadOutcome
    settings: Settings
    changed: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()
    error: ConfigError | None = None


class _Stamp(NamedTuple):
    """What tells one state of a file from another without reading it."""

    modified_ns: int
    size: int
    inode: int


class ConfigFile:
    """Watches one configuration file and hands on what can be changed in a running worker.

    Args:
        path: the file; None has nothing to watch, and :meth:`look` finds nothing.
        environ: the variables, as at the start.
        running: the settings that were loaded at the start.
        apply: takes the new settings up; called on the event loop, quick, with a tree in which only
            what can change live differs from the one before. If it raises ConfigError, it has changed
            nothing and the file is rejected; if anything else, the change has failed and the settings
            before are handed to it again.
        count: told each outcome, for metrics.
    """

    def __init__(
        self,
        path: Path | None,
        environ: Mapping[str, str],
        running: Settings,
        apply: Apply,
        count: Callable[[ReloadOutcome], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._environ = environ
        self._apply = apply
        self._count = count
        self._asked = False
        self._gone = 0
        self._stamp: _Stamp | None = None
        self._unsettled: _Stamp | None = None
        self._digest: bytes | None = None
        self.running = running
        if path is not None:
            self._stamp, self._digest = _stamp(path), _digest(path)

    def ask(self) -> None:
        """Let the next look read the file whatever it looks like; what SIGHUP is for."""
        self._asked = True

    async def watch(self, interval_s: float = _LOOK_SECONDS) -> None:
        """Look every second until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(interval_s)

    async def look(self) -> Reload | None:
        """Look once; what became of a change, or None if there is none or it is not whole yet."""
        if self._path is None:
            return None
        asked, self._asked = self._asked, False
        seen = await asyncio.to_thread(self._changed, self._path, asked=asked)
        if not seen:
            return None
        return self._told(await self._take(self._path))

    def _changed(self, path: Path, *, asked: bool) -> bool:
        """Whether the file should be read as a whole now."""
        stamp = _stamp(path)
        if stamp is None:
            self._gone += 1
            self._stamp = None
            told = self._gone == _GONE_LOOKS or asked
            self._digest = None if told else self._digest
            return told
        self._gone = 0
        if stamp == self._stamp and not asked:
            return False
        if stamp != self._unsettled and not asked:
            # It may still be being written: it is read once it has stood still from one look to the next.
            self._unsettled = stamp
            return False
        digest = _digest(path)
        known, self._stamp, self._digest = self._digest, stamp, digest
        return digest != known or asked

    async def _take(self, path: Path) -> Reload:
        try:
            written = await asyncio.to_thread(load_settings, path, self._environ)
            wanted = merged(self.running, written)
        except ConfigError as error:
            return Reload(ReloadOutcome.REJECTED, self.running, error=error)
        changed = tuple(differences(self.running, wanted))
        needs_restart = tuple(differences(wanted, written))
        try:
            taken = self._applied(wanted)
        except ConfigError as error:
            return Reload(ReloadOutcome.REJECTED, self.running, error=error)
        if not taken:
            self._applied(self.running)
            return Reload(ReloadOutcome.FAILED, self.running, (), needs_restart)
        self.running = wanted
        return Reload(ReloadOutcome.APPLIED, wanted, changed, needs_restart)

    def _applied(self, settings: Settings) -> bool:
        try:
            self._apply(settings)
        except ConfigError:
            raise
        except Exception:  # noqa: BLE001  # the edge: counting must not end because a reload failed
            _LOG.exception("configuration not taken up")
            return False
        return True

    def _told(self, reload: Reload) -> Reload:
        self._count(reload.outcome)
        if reload.error is not None:
            reasons = explain(reload.error).splitlines()
            _LOG.error("configuration rejected, the old one stays", extra={"findings": reasons})
        elif reload.outcome is ReloadOutcome.APPLIED:
            _LOG.info("configuration reloaded", extra={"changed": reload.changed})
        if reload.needs_restart:
            _LOG.warning("configuration needs a restart", extra={"settings": reload.needs_restart})
        return reload


def merged(running: Settings, written: Settings) -> Settings:
    """The running settings with what a running worker can take up of those that are written.

    Raises:
        ConfigError: that together they make no sense, since what they need waits for a restart.
    """
    live_watch = {name: getattr(written.watch, name) for name in LIVE_WATCH}
    live = {
        "promotions": written.promotions,
        "rules": written.rules,
        "notify": written.notify,
        "watch": running.watch.model_copy(update=live_watch),
        "logging": running.logging.model_copy(update={"level": written.logging.level}),
    }
    tree = running.model_copy(update=live)
    try:
        return Settings.model_validate(tree.model_dump(by_alias=True), by_alias=True, by_name=False)
    except ValidationError as error:
        raise refusal(error, Settings, "; that needs a restart first") from None


def differences(one: BaseModel, other: BaseModel, above: str = "") -> Iterator[str]:
    """Dotted names of the settings that differ, lists as a whole."""
    for name, info in type(one).model_fields.items():
        mine, theirs = getattr(one, name), getattr(other, name)
        here = f"{above}{info.alias or name}"
        if isinstance(mine, BaseModel) and isinstance(theirs, BaseModel):
            yield from differences(mine, theirs, f"{here}.")
        elif mine != theirs:
            yield here


def _stamp(path: Path) -> _Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return _Stamp(stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _digest(path: Path) -> bytes | None:
    try:
        with path.open("rb") as stream:
            return hashlib.sha256(stream.read(MAX_FILE_BYTES + 1)).digest()
    except OSError:
        return None
