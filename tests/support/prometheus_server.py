"""A real Prometheus for tests, on a free loopback port, scraping every second.

Promises: targets can be changed while it runs; ``wait_scraped`` returns when every target has been
scraped anew since the call, so what is queried after it is no older. Prometheus looks for changed
targets every 5 s, so the first scrape, and the first after a change, take that long. Without
Debian's ``prometheus`` it raises ``Unavailable``, which the fixtures turn into a skip that says so.

All calls block. In an async test call them through ``asyncio.to_thread``.
"""

from __future__ import annotations

import http.client
import json
import shutil
import tempfile
import time
import urllib.parse
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from tests.support.processes import Process, StartFailed, Unavailable, free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_READY_TIMEOUT_S: Final = 30
_POLL_S: Final = 0.05


class QueryFailed(Exception):  # noqa: N818 - says what happened
    """Prometheus refused a query; the text is its own."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant query: its labels (``__name__`` among them) and its value."""

    labels: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a range query: its labels and its points (seconds, value)."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]


class PrometheusServer:
    """A running Prometheus; a context manager.

    Args:
        targets: for each job the addresses to scrape, ``host:port``.
        interval: time between two scrapes, as Prometheus writes it.
        rules: files of rules, which are evaluated as often.
    """

    def __init__(
        self, targets: Mapping[str, Sequence[str]], *, interval: str = "1s", rules: Sequence[Path] = ()
    ) -> None:
        found = shutil.which("prometheus")
        if found is None:
            raise Unavailable("Prometheus: no prometheus")
        self._program = found
        self._interval = interval
        self._rules = rules
        self._targets = {job: list(addresses) for job, addresses in targets.items()}
        self._scratch = tempfile.TemporaryDirectory(prefix="funnelwatch-prometheus-")
        self._directory = Path(self._scratch.name)
        (self._port,) = free_ports(1)
        self._process: Process | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    def close(self) -> None:
        """End it and remove its data."""
        if self._process is not None:
            self._process.kill()
        self._scratch.cleanup()

    def set_targets(self, job: str, addresses: Sequence[str]) -> None:
        """Scrape these addresses from now on; the job must be one of those it started with."""
        self._targets[job] = list(addresses)
        self._write_targets(job)

    def query(self, promql: str, *, at: float | None = None) -> list[Sample]:
        """An instant query, now or at a time in seconds.

        Raises:
            QueryFailed: Prometheus refused it.
        """
        data = self._get("query", {"query": promql} | ({} if at is None else {"time": str(at)}))
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [Sample(one["metric"], float(one["value"][1])) for one in data["result"]]

    def query_range(self, promql: str, *, start: float, end: float, step: float = 1) -> list[Series]:
        """The query at each ``step`` from ``start`` to ``end``, in seconds.

        Raises:
            QueryFailed: Prometheus refused it.
        """
        arguments = {"query": promql, "start": str(start), "end": str(end), "step": str(step)}
        return [
            Series(one["metric"], tuple((float(at), float(value)) for at, value in one["values"]))
            for one in self._get("query_range", arguments)["result"]
        ]

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts that are pending or firing, with their texts as people get them."""
        found: list[dict[str, Any]] = self._get("alerts", {})["alerts"]
        return found

    def wait_scraped(self, job: str | None = None, *, timeout: float = 20) -> None:
        """Wait until each target (of one job), and no former one, has been scraped since this call.

        Raises:
            StartFailed: one was not within ``timeout`` seconds; says why.
        """
        since = datetime.now(UTC)
        wanted = {
            (name, address)
            for name, addresses in self._targets.items()
            for address in addresses
            if job in {None, name}
        }
        deadline = time.monotonic() + timeout
        while (scraped := self._scraped(job, since)) != wanted:
            if time.monotonic() > deadline:
                raise StartFailed(f"Prometheus scraped {scraped}, not {wanted}: {self._scrape_errors()}")
            time.sleep(_POLL_S)

    def _start(self) -> None:
        config = self._directory / "prometheus.yml"
        config.write_text(json.dumps(self._config()))  # JSON is YAML
        for job in self._targets:
            self._write_targets(job)
        self._process = Process(
            "Prometheus",
            [
                self._program,
                f"--config.file={config}",
                f"--storage.tsdb.path={self._directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
                "--log.level=warn",
            ],
            log=self._directory / "prometheus.log",
        )
        self._process.wait_until(self._is_ready, timeout=_READY_TIMEOUT_S, what="answer on /-/ready")

    def _config(self) -> dict[str, Any]:
        return {
            "global": {
                "scrape_interval": self._interval,
                "scrape_timeout": self._interval,
                "evaluation_interval": self._interval,
            },
            "rule_files": [str(file) for file in self._rules],
            "scrape_configs": [
                {
                    "job_name": job,
                    "file_sd_configs": [{"files": [str(self._targets_file(job))], "refresh_interval": "1s"}],
                }
                for job in self._targets
            ],
        }

    def _targets_file(self, job: str) -> Path:
        return self._directory / f"targets-{job}.json"

    def _write_targets(self, job: str) -> None:
        """Write beside and rename: Prometheus must not read half a file."""
        file = self._targets_file(job)
        scratch = file.with_suffix(".new")
        scratch.write_text(json.dumps([{"targets": self._targets[job]}]))
        scratch.replace(file)

    def _active_targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get("targets", {"state": "active"})["activeTargets"]
        return found

    def _scraped(self, job: str | None, since: datetime) -> set[tuple[str, str]]:
        """The targets as (job, address): the former ones, and those scraped with success since then."""
        targets = self._active_targets()
        fresh = {
            _name(target)
            for target in targets
            if target["health"] == "up" and datetime.fromisoformat(target["lastScrape"]) > since
        }
        former = {name for name in map(_name, targets) if name[1] not in self._targets[name[0]]}
        return {name for name in fresh | former if job in {None, name[0]}}

    def _scrape_errors(self) -> dict[str, str]:
        return {target["scrapeUrl"]: target["lastError"] for target in self._active_targets()}

    def _is_ready(self) -> bool:
        try:
            return self._request("/-/ready")[0] == http.client.OK
        except OSError:
            return False

    def _get(self, endpoint: str, arguments: Mapping[str, str]) -> Any:
        _, body = self._request(f"/api/v1/{endpoint}?{urllib.parse.urlencode(arguments)}")
        answer = json.loads(body)
        if answer["status"] != "success":
            raise QueryFailed(answer["error"])
        return answer["data"]

    def _request(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _name(target: Mapping[str, Any]) -> tuple[str, str]:
    return target["labels"]["job"], target["labels"]["instance"]
