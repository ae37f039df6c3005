"""The workers of a run, each in a numbered place, and a supervisor that starts again who ended by itself.

All calls block; none waits for a worker to be ready.
"""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.support.workers import Deployment, WorkerProcess, problem_lines

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.journal import Journal

# A worker that cannot start is no chaos.
_MOST_ENDS: Final = 30
_SHOWN_PLACES: Final = 3


@dataclass(slots=True)
class _Place:
    """Where a worker runs, or will again; ``wanted`` is whether it should now."""

    worker: WorkerProcess | None = None
    wanted: bool = False
    starts: int = 0


class Fleet:
    """See the module.

    Args:
        deployment: as the workers see it.
        journal: where ends and starts are noted.
    """

    def __init__(self, deployment: Deployment, journal: Journal) -> None:
        self._deployment = deployment
        self._journal = journal
        self._places: dict[int, _Place] = {}
        # Whoever is to end is not wanted any more before the supervisor looks at it.
        self._lock = threading.Lock()
        self.ends: list[str] = []

    @staticmethod
    def client_id(number: int) -> str:
        """How the group calls the worker in a place."""
        return f"worker-{number}"

    def start(self, number: int) -> None:
        """Start a worker, unless it runs."""
        with self._lock:
            self._start(number)

    def _start(self, number: int) -> None:
        place = self._places.setdefault(number, _Place())
        place.wanted = True
        if place.worker is None or not place.worker.process.running:
            place.starts += 1
            name = f"{self.client_id(number)}-{place.starts}"
            own = {"KAFKA__CLIENT_ID": self.client_id(number)}
            place.worker = WorkerProcess(self._deployment, name, own)

    def kill(self, number: int) -> bool:
        """End it as a crash would; whether it ran."""
        worker = self._let_go(number)
        if worker is None:
            return False
        worker.process.kill()
        return True

    def stop(self, number: int) -> bool:
        """Ask it to end and wait; whether it ran. One that does not end in time is noted, and killed."""
        worker = self._let_go(number)
        if worker is None:
            return False
        try:
            status = worker.process.terminate(timeout=30)
        except TimeoutError:
            self._ended(worker, "did not stop within 30 s")
        else:
            # One that has not begun yet ends by the signal itself.
            if status not in {0, -signal.SIGTERM}:
                self._ended(worker, f"stopped with status {status}")
        return True

    def pause(self, number: int) -> bool:
        """Let it stand still, whatever it is about to do; whether it ran."""
        return self._signal(number, signal.SIGSTOP)

    def wake(self, number: int) -> None:
        """Let it go on."""
        self._signal(number, signal.SIGCONT)

    def ready(self, number: int) -> bool:
        """Whether a worker says that it is ready."""
        worker = self._places[number].worker
        return worker is not None and worker.process.running and worker.ready()

    def supervise(self) -> None:
        """Start again who has ended by itself. Raises RuntimeError if that happens all the time."""
        with self._lock:
            for number, place in self._places.items():
                if place.wanted and place.worker is not None and not place.worker.process.running:
                    self._ended(place.worker, f"ended by itself with status {place.worker.process.wait(0)}")
                    self._start(number)
        if len(self.ends) > _MOST_ENDS:
            raise RuntimeError(f"workers end by themselves; the last one: {self.ends[-1]}")

    def close(self) -> None:
        """End all of them, in order if they can."""
        running = [
            worker
            for number in self._places
            if (worker := self._let_go(number)) is not None and worker.process.running
        ]
        for worker in running:
            worker.process.signal(signal.SIGCONT)
            worker.process.signal(signal.SIGTERM)
        for worker in running:
            try:
                worker.process.wait(20)
            except TimeoutError:
                worker.process.kill()

    def _let_go(self, number: int) -> WorkerProcess | None:
        """The worker, which is not wanted any more, if it runs."""
        with self._lock:
            place = self._places.setdefault(number, _Place())
            place.wanted = False
        return place.worker if place.worker is not None and place.worker.process.running else None

    def _signal(self, number: int, sent: signal.Signals) -> bool:
        worker = self._places[number].worker
        if worker is None or not worker.process.running:
            return False
        worker.process.signal(sent)
        return True

    def _ended(self, worker: WorkerProcess, how: str) -> None:
        self.ends.append(f"{worker.name} {how}: {_reason(worker.process.log)}")
        self._journal.note(self.ends[-1])


def _reason(log: Path) -> str:
    """The last error in a worker's log, and where in the code it came from."""
    problems = problem_lines(log)
    if not problems:
        return "its log has no error"
    try:
        said = json.loads(problems[-1])
    except ValueError:
        return problems[-1]
    places = [line.strip() for line in said.get("traceback", "").splitlines() if line.startswith("  File")]
    return " ".join([str(said.get("reason") or said.get("event")), *places[-_SHOWN_PLACES:]])
