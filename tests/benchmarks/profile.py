"""Where the worker's time goes under load: ``python -m tests.benchmarks.profile``.

A backlog from Apache Kafka as in ``test_count_throughput``, or with ``--live`` events as they happen;
py-spy samples the running worker from outside, and the functions that cost most are printed as text,
for each thread, alone and with all that they call. Where one process may not look into another (ptrace),
cProfile runs in the worker instead: only its main thread, and slower than life.

``--native`` looks into C extensions as well, ``--gil`` samples only who holds the interpreter's lock,
``--keep FILE`` keeps py-spy's stacks, one a line, as ``flamegraph.pl`` and speedscope read them.
"""

from __future__ import annotations

import argparse
import contextlib
import pstats
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.clock import SystemClock
from tests.benchmarks.producer import Job, fill, producing
from tests.benchmarks.records import RATE, Load
from tests.benchmarks.reporting import show
from tests.benchmarks.worker_process import Moment, RunningWorker, Tally, cpu_time, make_topics
from tests.support.apache_kafka import KafkaCluster

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TIMEOUT_S: Final = 1800.0
_SAMPLES_PER_S: Final = 100
_HEAP_MB: Final = 768
# Live, the worker is looked at when it has counted so many seconds' events.
_LIVE_WARM_UP_S: Final = 20
_LEAD_MS: Final = 3_000


def main() -> None:
    """Load Kafka, let the worker count, look at it."""
    arguments = _parser().parse_args()
    with tempfile.TemporaryDirectory() as scratch, KafkaCluster(heap_mb=_HEAP_MB) as cluster:
        folder, servers = Path(scratch), cluster.bootstrap_servers
        make_topics(servers)
        look = _spy if _allowed_to_look() else _trace
        with _loaded(arguments, servers, folder) as warm_up:
            look(arguments, servers, warm_up, folder)


@contextlib.contextmanager
def _loaded(arguments: argparse.Namespace, servers: str, folder: Path) -> Iterator[int]:
    """Traffic for the worker; yields how many records it counts before it is looked at."""
    now_ms = SystemClock().now_ms()
    load = Load("shop", arguments.events, now_ms, rate=arguments.rate)
    if arguments.live:
        with producing(Job(replace(load, start_ms=now_ms + _LEAD_MS), servers, live=True), folder):
            yield arguments.rate * _LIVE_WARM_UP_S
    else:
        yield fill(Job(replace(load, start_ms=now_ms - load.span_ms), servers), folder) // 5


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.profile", description="Profile the worker."
    )
    parser.add_argument("--events", type=int, default=3_000_000, help="how many (default: %(default)s)")
    parser.add_argument("--live", action="store_true", help="no backlog: events as they happen")
    parser.add_argument(
        "--rate", type=int, default=RATE, help="events per second of event time (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=int, default=10, help="how long to look (default: %(default)s)")
    parser.add_argument("--top", type=int, default=40, help="functions to print (default: %(default)s)")
    parser.add_argument("--native", action="store_true", help="look into C extensions as well")
    parser.add_argument("--gil", action="store_true", help="only threads that hold the interpreter's lock")
    parser.add_argument("--keep", type=Path, help="file for the sampled stacks")
    return parser


def _allowed_to_look() -> bool:
    """Whether py-spy is there and may look into a process that we have started."""
    if shutil.which(_py_spy()[0]) is None:
        return False
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"]) as asleep:
        look = [*_py_spy(), "dump", "--pid", str(asleep.pid)]
        seen = subprocess.run(look, capture_output=True, check=False).returncode == 0
        asleep.kill()
    return seen


def _py_spy() -> list[str]:
    beside = Path(sys.executable).with_name("py-spy")
    return [str(beside) if beside.exists() else "py-spy"]


def _spy(arguments: argparse.Namespace, servers: str, warm_up: int, folder: Path) -> None:
    stacks = arguments.keep or folder / "stacks"
    options = ["--native"] if arguments.native else []
    options += ["--gil"] if arguments.gil else []
    with RunningWorker(servers, folder) as worker, Tally(servers) as tally:
        begun = tally.until(warm_up, worker, _TIMEOUT_S)
        command = [*_py_spy(), "record", "--pid", str(worker.pid), "--format", "raw", "--output", str(stacks)]
        command += ["--rate", str(_SAMPLES_PER_S), "--duration", str(arguments.seconds)]
        subprocess.run([*command, "--threads", "--function", *options], check=True, stdout=subprocess.DEVNULL)
        tally.poll()
        ended = Moment(tally.records, time.monotonic(), cpu_time(worker.pid))
    cost = ended.cpu.since(begun.cpu)
    print(
        f"{ended.records - begun.records:,} of {arguments.events:,} events counted while py-spy looked, in "
        f"{ended.at - begun.at:.1f} s, {cost.total:.1f} CPU-s ({cost.main_thread:.1f} main thread)"
    )
    for thread in by_thread(stacks.read_text().splitlines()):
        thread.show(arguments.top)


@dataclass(slots=True)
class Samples:
    """Samples of one thread: by the function that ran, and by every function on the stack."""

    thread: str
    alone: Counter[str] = field(default_factory=Counter)
    inclusive: Counter[str] = field(default_factory=Counter)

    @property
    def number(self) -> int:
        """How many there are."""
        return self.alone.total()

    def show(self, top: int) -> None:
        """Print both rankings."""
        whole = self.number
        for title, counts in (("by itself", self.alone), ("with all it calls", self.inclusive)):
            rows = [(name, count, f"{count / whole:.1%}") for name, count in counts.most_common(top)]
            show(f"{self.thread}: {whole:,} samples, {title}", ("function", "samples", "share"), rows)


def by_thread(stacks: Iterable[str]) -> list[Samples]:
    """Samples per thread, the busiest first, from lines such as ``thread (0x1);f (a.py);g (b.py) 3``."""
    threads: dict[str, Samples] = {}
    for line in stacks:
        stack, _, times = line.rpartition(" ")
        thread, *functions = stack.split(";")
        name = re.sub(r"\(0x[0-9A-F]+\)", "", thread).strip()
        samples = threads.setdefault(name, Samples(name))
        samples.alone[functions[-1] if functions else "?"] += int(times)
        for function in set(functions):
            samples.inclusive[function] += int(times)
    return sorted(threads.values(), key=lambda samples: -samples.number)


def _trace(arguments: argparse.Namespace, servers: str, warm_up: int, folder: Path) -> None:
    print("py-spy may not look into other processes here: cProfile, main thread only", file=sys.stderr)
    result = folder / "worker.prof"
    program = ("-m", "cProfile", "-o", str(result), "-m", "streams.cli")
    with RunningWorker(servers, folder, program=program) as worker, Tally(servers) as tally:
        tally.until(2 * warm_up, worker, _TIMEOUT_S)
        worker.stop()
    pstats.Stats(str(result)).sort_stats("tottime").print_stats(arguments.top)


if __name__ == "__main__":
    main()
