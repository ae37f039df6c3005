"""The command ``funnelwatch``: parses, builds, runs. A composition root: no room imports it.

Exit codes: 0 done, 1 it failed while running, 2 the settings or the arguments are wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from streams.commands.arguments import VERBS
from streams.config import Settings, explain, load_settings
from streams.config_types import PartName
from streams.durations import parse_duration_ms
from streams.errors import ConfigError, FunnelwatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Run = Callable[[argparse.Namespace], int]

DEFAULT_CONFIG = Path("funnelwatch.yaml")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    # Before numpy is loaded. Our matrices are small: threads of OpenBLAS would wait for each other, busily.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = build_parser().parse_args(argv)
    run: Run = arguments.run
    try:
        return run(arguments)
    except ConfigError as error:
        print(explain(error), file=sys.stderr)
        return 2
    except FunnelwatchError as error:
        print(f"funnelwatch: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Who read the output has seen enough. Python flushes once more at its end: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        print(f"funnelwatch: {place}{error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def build_parser() -> argparse.ArgumentParser:
    """Every verb with its arguments."""
    parser = argparse.ArgumentParser(
        prog="funnelwatch", description="Watches a shop's funnel live while a promotion runs."
    )
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_worker(verbs)
    _add_topics(verbs)
    _add_simulate(verbs)
    _add_replay(verbs)
    _add_backtest(verbs)
    _add_report(verbs)
    _add_demo(verbs)
    _add_heartbeat(verbs)
    for name, (what, add) in VERBS.items():
        parser_of_one = _verb(verbs, name, what, partial(_on_call, name))
        add(parser_of_one)
        _config_argument(parser_of_one)
    check = _verb(verbs, "check", "say what is wrong with a configuration file", _check)
    check.add_argument("file", type=Path, nargs="?", help="the file; also as --config")
    _config_argument(check)
    _add_dashboards(verbs)
    health = _verb(verbs, "healthcheck", "ask a running worker whether it lives", _healthcheck)
    health.add_argument("--url", default="http://127.0.0.1:8080/livez", help="default: %(default)s")
    return parser


def _verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, what: str, run: Run) -> argparse.ArgumentParser:  # fmt: skip
    parser = verbs.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
    parser.set_defaults(run=run)
    return parser


def _config_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        default=None,
        help=f"settings file (default: {DEFAULT_CONFIG} if it exists, else defaults)",
    )


def _add_worker(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    what = "count events from Kafka, watch what is counted, tell people, and serve metrics and the live page"
    worker = _verb(verbs, "worker", what, _worker)
    worker.add_argument(
        "--only",
        choices=get_args(PartName),
        help="do nothing but this; of those that may watch one does, and of those that may notify, "
        "the others stand by (default: worker.only, else everything)",
    )
    worker.add_argument(
        "--standby",
        action="store_true",
        help="keep copies of other workers' state, to take their partitions over within seconds",
    )
    _config_argument(worker)


def _add_topics(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    topics = _verb(verbs, "topics", "create or verify the topics in Kafka", _topics)
    topics.add_argument("action", choices=("create", "verify"))
    _config_argument(topics)


def _add_heartbeat(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    what = "show that both source topics are alive: a record into every partition each ten seconds"
    heartbeat = _verb(verbs, "heartbeat", what, _heartbeat)
    heartbeat.add_argument("--once", action="store_true", help="one record into every partition, and stop")
    _config_argument(heartbeat)


def _add_simulate(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "simulate", "write a seeded shop's traffic to Kafka or to files", _simulate)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--kafka", metavar="HOST:PORT", help="bootstrap servers")
    target.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for clickstream.jsonl and orders.jsonl"
    )
    target.add_argument("--list-scenarios", action="store_true", help="say what can go wrong, and stop")
    parser.add_argument("--rate", type=float, default=500.0, help="events per second (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same bytes (default: %(default)s)")
    parser.add_argument(
        "--duration", type=float, metavar="SECONDS", help="of simulated time; default: endless"
    )
    parser.add_argument("--start-ms", type=int, help="first event time, ms since the epoch (default: now)")
    parser.add_argument(
        "--fast", action="store_true", help="to Kafka as fast as it takes it, not in real time"
    )
    for name, default in (("slots", 40), ("banners", 200), ("skus", 5000), ("visitors", 200_000)):
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    parser.add_argument("--scenario", metavar="NAME", help="what goes wrong (default: nothing)")
    parser.add_argument(
        "--onset", type=_span_ms, default="30m", metavar="SPAN", help="after the start (default: %(default)s)"
    )
    parser.add_argument("--lasts", type=_span_ms, metavar="SPAN", help="default: as long as the scenario's")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="write what is true there, as JSON")
    parser.add_argument(
        "--partitions", type=int, help="source partitions (default: the scenario's; the topics' with --kafka)"
    )
    _config_argument(parser)


def _add_replay(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "replay", "count recorded events through the same core", _replay)
    parser.add_argument("--clickstream", type=Path, metavar="FILE", help="JSON lines")
    parser.add_argument("--orders", type=Path, metavar="FILE", help="JSON lines")
    parser.add_argument("--kafka", metavar="HOST:PORT", help="read the topics from here instead of files")
    parser.add_argument("--from-ms", type=int, default=0, help="with --kafka: first record timestamp")
    parser.add_argument("--to-ms", type=int, help="with --kafka: first record timestamp not to read")
    parser.add_argument("--format", help="input format of both files (default: as configured)")
    parser.add_argument("--counts", type=Path, metavar="OUT", help="file for the counts (default: stdout)")
    _config_argument(parser)


def _add_backtest(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from streams.backtest.arguments import add_arguments  # noqa: PLC0415  # light, but not everyone's

    parser = _verb(verbs, "backtest", "tell which incidents recorded traffic would have brought", _backtest)
    add_arguments(parser)
    _config_argument(parser)


def _add_report(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from streams.report.arguments import add_arguments  # noqa: PLC0415  # see _add_backtest

    parser = _verb(verbs, "report", "write one page about a promotion: HTML or Markdown", _report)
    add_arguments(parser)
    _config_argument(parser)


def _add_demo(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "demo", "broker, shop, worker and live table in one process", _demo)
    parser.add_argument("--rate", type=float, default=200.0, help="events per second (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the shop (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="of /metrics (default: %(default)s)")
    parser.add_argument("--seconds", type=float, help="stop by itself after so long")


def _add_dashboards(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _verb(verbs, "dashboards", "write Grafana's dashboards and Prometheus' rules", _dashboards)
    parser.add_argument("--check", action="store_true", help="write nothing; say what has drifted, and fail")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder (default: where the package is)")
    parser.add_argument("--grafana-url", metavar="URL", help="where people open Grafana; alerts link there")


def _span_ms(text: str) -> int:
    try:
        return parse_duration_ms(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a span of time such as 30m or 1h30m") from None


def _config_file(arguments: argparse.Namespace) -> Path | None:
    path: Path | None = arguments.config
    return DEFAULT_CONFIG if path is None and DEFAULT_CONFIG.exists() else path


def _settings(arguments: argparse.Namespace) -> Settings:
    return load_settings(_config_file(arguments), os.environ)


def _check(arguments: argparse.Namespace) -> int:
    if arguments.file is not None and arguments.config is not None:
        raise ConfigError("--config", "must not stand beside another file")
    arguments.config = arguments.config or arguments.file
    settings = _settings(arguments)
    if settings.notify.channels:
        _check_secrets(settings, arguments.config)
    print("configuration is fine")
    return 0


def _check_secrets(settings: Settings, file: Path | None) -> None:
    """Warn of secrets that are not here: they may be where the worker runs."""
    from streams.assembly import notify_plan_of  # noqa: PLC0415  # heavy, and not everyone's

    try:
        notify_plan_of(settings, os.environ, file.parent if file is not None else Path())
    except ConfigError as error:
        print(f"warning: {explain(error)}", file=sys.stderr)


def _worker(arguments: argparse.Namespace) -> int:
    from streams.assembly import make_notifier, make_watcher  # noqa: PLC0415  # likewise
    from streams.logs import configure  # noqa: PLC0415  # the other verbs start faster without Faust
    from streams.pages import pages_of  # noqa: PLC0415  # likewise
    from streams.worker.entry import run_worker  # noqa: PLC0415  # likewise

    config, environ = _config_file(arguments), dict(os.environ)
    # As variables, which go over the file also when that is read again.
    if arguments.only is not None:
        environ["FUNNELWATCH__WORKER__ONLY"] = arguments.only
    if arguments.standby:
        environ["FUNNELWATCH__COUNTING__STANDBY"] = "true"
    settings = load_settings(config, environ)
    if arguments.standby and settings.worker.only in {"watch", "notify"}:
        raise ConfigError("--standby", "is for workers that count: it keeps copies of counting state")
    configure(settings)
    base = config.parent if config else Path()
    return run_worker(
        settings,
        make_watcher,
        config,
        environ,
        make_pages=pages_of(settings, environ, base),
        make_notifier=make_notifier(environ, base),
    )


def _topics(arguments: argparse.Namespace) -> int:
    from streams.worker.entry import create_topics, verify_topics  # noqa: PLC0415  # see _worker

    settings = _settings(arguments)
    if arguments.action == "create":
        found = asyncio.run(create_topics(settings))
        for name in found.created:
            print(f"created {name}")
        for name in found.existing:
            print(f"exists  {name}")
    problems = asyncio.run(verify_topics(settings))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if any(not problem.warning for problem in problems) else 0


def _heartbeat(arguments: argparse.Namespace) -> int:
    from streams.logs import configure  # noqa: PLC0415  # see _worker
    from streams.worker.heartbeat import run_heartbeat  # noqa: PLC0415  # likewise

    settings = _settings(arguments)
    configure(settings)
    return asyncio.run(run_heartbeat(settings, once=arguments.once))


def _simulate(arguments: argparse.Namespace) -> int:
    if arguments.list_scenarios:
        from streams.demo.scenarios import SCENARIOS  # noqa: PLC0415  # needs what others do not

        print(*(f"{name:5} {scenario.what}" for name, scenario in SCENARIOS.items()), sep="\n")
        return 0
    from streams.demo.run import simulate_to  # noqa: PLC0415  # needs what others do not

    asyncio.run(simulate_to(arguments, _settings(arguments)))
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    from streams.demo.recorded import replay_to  # noqa: PLC0415  # see _simulate

    return replay_to(arguments, _settings(arguments))


def _backtest(arguments: argparse.Namespace) -> int:
    from streams.backtest.command import backtest  # noqa: PLC0415  # see _simulate

    return backtest(arguments, _settings(arguments))


def _report(arguments: argparse.Namespace) -> int:
    from streams.report.command import report  # noqa: PLC0415  # see _simulate

    return report(arguments, _settings(arguments))


def _demo(arguments: argparse.Namespace) -> int:
    from streams.demo.run import run_demo  # noqa: PLC0415  # see _simulate

    return asyncio.run(run_demo(arguments.rate, arguments.seed, arguments.port, arguments.seconds))


def _dashboards(arguments: argparse.Namespace) -> int:
    from grafana.command import dashboards  # noqa: PLC0415  # only here

    return dashboards(arguments.out, arguments.grafana_url, check_only=arguments.check)


def _on_call(verb: str, arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    if verb == "notify-test":
        from streams.commands.notify_test import notify_test  # noqa: PLC0415  # see _worker

        config = _config_file(arguments)
        return notify_test(arguments, settings, os.environ, config.parent if config else Path())
    from streams.commands.incidents import run  # noqa: PLC0415  # see _worker

    return run(verb, arguments, settings)


def _healthcheck(arguments: argparse.Namespace) -> int:
    from urllib.error import URLError  # noqa: PLC0415  # only here
    from urllib.request import urlopen  # noqa: PLC0415  # only here

    if not arguments.url.startswith(("http://", "https://")):
        raise ConfigError("--url", "an http or https address")
    try:
        with urlopen(arguments.url, timeout=5) as answer:  # noqa: S310  # the scheme is checked above
            print(answer.read().decode("utf-8", "replace"))
            return 0
    except (URLError, OSError) as error:
        print(f"funnelwatch: {arguments.url}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
