"""Programs that tests start: brokers, Prometheus, workers.

Promises: each program runs in a process group of its own and writes to a log file; whatever happens
to the interpreter that started it, even a ``SIGKILL``, none of them outlives it; signals go to those
groups and nowhere else. Refuses to wait silently: who waits for a program that has died gets an
error with the end of its log.

All calls block. In an async test call them through ``asyncio.to_thread``.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_POLL_S: Final = 0.05
_LOG_TAIL_BYTES: Final = 64 * 1024
# Below the ports that Linux gives to outgoing connections: else one of those could sit on the port
# of a stopped broker, or a client that knocks there could connect to itself.
_PORTS: Final = range(20_000, 32_000)


class Unavailable(Exception):  # noqa: N818 - what is asked for cannot be had; the text says why
    """A program that a test needs cannot be had on this machine."""


class StartFailed(Exception):  # noqa: N818 - says what happened
    """A program died, or was not ready in time; the text ends with its log."""


def free_ports(count: int) -> list[int]:
    """Distinct TCP ports on loopback on which nobody listens."""
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
            if len(ports) == count:
                return ports
            candidate = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                candidate.bind(("127.0.0.1", port))
                ports.append(port)
    raise OSError("no free ports on loopback")


class Process:
    """One started program.

    Attributes:
        name: how errors call it.
        log: file to which its output is appended.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else {**os.environ, **env},
                cwd=cwd,
                start_new_session=True,
            )
        _GUARD.watch(self._popen.pid)
        self._watched = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process id, which is its group's too."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        if self._popen.poll() is None:
            return True
        self._forget()
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the group, unless the program has ended."""
        if self.running:
            os.killpg(self.pid, number)

    def wait(self, timeout: float) -> int:
        """Wait for its end; returns the exit status, negative for a signal.

        Raises:
            TimeoutError: it is still running after ``timeout`` seconds.
        """
        try:
            status = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(self.explain(f"still running after {timeout} s")) from None
        self._forget()
        return status

    def terminate(self, timeout: float = 20) -> int:
        """Ask it to end (``SIGTERM``) and wait; returns the exit status.

        Raises:
            TimeoutError: it did not end in time, and was killed.
        """
        self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except TimeoutError:
            self.kill()
            raise

    def kill(self) -> int:
        """End it at once (``SIGKILL``), as a crash would; returns the exit status."""
        self.signal(signal.SIGKILL)
        return self.wait(10)

    def wait_until(self, ready: Callable[[], bool], *, timeout: float, what: str) -> None:
        """Wait until ``ready()`` holds.

        Raises:
            StartFailed: the program ended, or ``timeout`` seconds passed.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running:
                raise StartFailed(self.explain(f"ended with status {self._popen.returncode} before {what}"))
            if time.monotonic() > deadline:
                raise StartFailed(self.explain(f"no {what} within {timeout:g} s"))
            time.sleep(_POLL_S)

    def explain(self, what: str, lines: int = 40) -> str:
        """``what`` about this program, and the end of its log."""
        return f"{self.name}: {what}; the end of its log:\n{self.log_tail(lines)}"

    def log_tail(self, lines: int = 40) -> str:
        """The last lines it wrote."""
        with self.log.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
            text = stream.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _forget(self) -> None:
        """It has ended: from now on its number may belong to anybody."""
        if self._watched:
            _GUARD.forget(self.pid)
            self._watched = False


# Reads "+pid" and "-pid"; when its input ends, because the starter has ended in whatever way, it
# kills the groups that are left.
_GUARD_PROGRAM: Final = """
import os, signal, sys
left = set()
for line in sys.stdin:
    (left.add if line[0] == "+" else left.discard)(int(line[1:]))
for group in left:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


class _Guard:
    """Kills what is left when this interpreter ends, in whatever way.

    Not PR_SET_PDEATHSIG: that fires when the *thread* that started the program ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._popen: subprocess.Popen[str] | None = None

    def watch(self, pid: int) -> None:
        self._say(f"+{pid}")

    def forget(self, pid: int) -> None:
        self._say(f"-{pid}")

    def _say(self, line: str) -> None:
        with self._lock:
            if self._popen is None:
                self._popen = self._start()
            assert self._popen.stdin is not None
            self._popen.stdin.write(line + "\n")
            self._popen.stdin.flush()

    def _start(self) -> subprocess.Popen[str]:
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD_PROGRAM],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        atexit.register(guard.communicate)
        return guard


_GUARD: Final = _Guard()
