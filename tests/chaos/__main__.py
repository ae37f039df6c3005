"""``python -m tests.chaos``: many runs, one after the other, and what came of them.

Exits with 1 if any figure of any run differs from the oracle's, or a run could not be judged; with 2
where Kafka cannot be had.
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.chaos import report
from tests.chaos.plan import FAMILIES, kinds_of
from tests.chaos.run import Result, Spec, run
from tests.support.apache_kafka import archive_classes
from tests.support.processes import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

_HALVES: Final = "1,3"


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """What was asked for; exits with what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description="Chaos, and whether counts hold."
    )
    parser.add_argument("--seeds", type=int, default=20, help="how many runs (%(default)s)")
    parser.add_argument("--first-seed", type=int, default=1, help="seed of the first (%(default)s)")
    parser.add_argument("--seconds", type=float, default=180, help="of faults in each run (%(default)s)")
    parser.add_argument("--rate", type=int, default=3_000, help="records per second (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="when all is well (%(default)s)")
    parser.add_argument(
        "--brokers", type=_brokers, default=_HALVES, help="of Kafka, taking turns by seed (%(default)s)"
    )
    parser.add_argument(
        "--faults", type=_families, default=",".join(FAMILIES), help="which kinds (%(default)s)"
    )
    parser.add_argument(
        "--keep", type=Path, help="folder for logs; else only those of runs that went wrong stay"
    )
    parser.add_argument("--quiet", action="store_true", help="do not tell what goes wrong as it does")
    return parser.parse_args(words)


def _brokers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _families(text: str) -> tuple[str, ...]:
    asked = tuple(text.split(","))
    kinds_of(asked)
    return asked


def specs(asked: argparse.Namespace) -> list[Spec]:
    """The runs, taking turns with the numbers of brokers."""
    return [
        Spec(
            seed=seed,
            brokers=asked.brokers[number % len(asked.brokers)],
            seconds=asked.seconds,
            rate=asked.rate,
            workers=asked.workers,
            kinds=kinds_of(asked.faults),
        )
        for number, seed in enumerate(range(asked.first_seed, asked.first_seed + asked.seeds))
    ]


def run_all(asked: argparse.Namespace) -> list[Result]:
    """Run one after the other, telling each verdict at once."""
    results = []
    for spec in specs(asked):
        folder = _folder(asked.keep, spec)
        print(f"\nseed {spec.seed}, brokers {spec.brokers}: logs in {folder}", flush=True)
        result = asyncio.run(run(spec, folder, aloud=not asked.quiet))
        print(f"seed {spec.seed}: {report.verdict(result)}", flush=True)
        if result.exact and asked.keep is None:
            shutil.rmtree(folder)
        results.append(result)
    return results


def _folder(keep: Path | None, spec: Spec) -> Path:
    name = f"chaos-{spec.seed}-{spec.brokers}-"
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=name, dir=keep))


def main() -> int:
    """Run, show, write; the exit status."""
    words = [*sys.argv[1:]]
    asked = arguments(words)
    try:
        archive_classes()
        results = run_all(asked)
    except Unavailable as reason:
        print(f"cannot run: {reason}", file=sys.stderr)
        return 2
    report.show(results)
    print(f"written to {report.write(results, shlex.join(['python', '-m', 'tests.chaos', *words]))}")
    return 0 if all(result.exact for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
