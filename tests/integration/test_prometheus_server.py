"""The Prometheus of this suite scrapes, follows its targets and answers queries."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import StartFailed, Unavailable, free_ports
from tests.support.prometheus_server import PrometheusServer, QueryFailed, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.conftest import MakePrometheus

pytestmark = pytest.mark.prometheus


class _Counter:
    """A page with one counter, which stands at ``value``."""

    def __init__(self) -> None:
        self.value = 0
        self.scrapes = 0
        counter = self

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                counter.scrapes += 1
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(f"# TYPE sales_total counter\nsales_total {counter.value}\n".encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.address = f"127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def counters() -> Iterator[tuple[_Counter, _Counter]]:
    """Two pages with a counter each."""
    both = (_Counter(), _Counter())
    yield both
    for counter in both:
        counter.close()


def test_a_query_after_wait_scraped_sees_what_stood_before_it(
    prometheus_server: MakePrometheus, counters: tuple[_Counter, _Counter]
) -> None:
    """What a page showed before wait_scraped is what a query after it answers."""
    server = prometheus_server({"shop": [counters[0].address]})
    for value in (7, 19):
        counters[0].value = value
        server.wait_scraped()
        assert [sample.value for sample in server.query("sales_total")] == [value]


def test_labels_say_job_and_instance(
    prometheus_server: MakePrometheus, counters: tuple[_Counter, _Counter]
) -> None:
    """Each series carries its job and its address."""
    first, second = counters
    server = prometheus_server({"shop": [first.address], "other": [second.address]})
    server.wait_scraped()
    labels = {(s.labels["job"], s.labels["instance"]) for s in server.query("sales_total")}
    assert labels == {("shop", first.address), ("other", second.address)}


def test_targets_change_while_it_runs(
    prometheus_server: MakePrometheus, counters: tuple[_Counter, _Counter]
) -> None:
    """After set_targets the new page is scraped and the former one no longer."""
    first, second = counters
    server = prometheus_server({"shop": [first.address]})
    server.wait_scraped()
    server.set_targets("shop", [second.address])
    server.wait_scraped("shop")
    before = first.scrapes
    server.wait_scraped("shop")
    assert (first.scrapes - before, second.scrapes >= 2) == (0, True)


def test_a_range_has_a_point_per_scrape(
    prometheus_server: MakePrometheus, counters: tuple[_Counter, _Counter]
) -> None:
    """A range query shows the counter's steps in order."""
    server = prometheus_server({"shop": [counters[0].address]})
    for value in (1, 2, 3):
        counters[0].value = value
        server.wait_scraped()
    (now,) = server.query("time()")
    (series,) = server.query_range("sales_total", start=now.value - 30, end=now.value, step=0.5)
    values = [value for _, value in series.points]
    assert values == sorted(values)
    assert set(values) == {1.0, 2.0, 3.0}


def test_a_dead_target_is_named(prometheus_server: MakePrometheus) -> None:
    """Waiting for a page that nobody serves fails, and says which."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    server = prometheus_server({"shop": [address]})
    with pytest.raises(StartFailed, match=address):
        server.wait_scraped(timeout=1.5)


def test_a_wrong_query_says_why(prometheus_server: MakePrometheus) -> None:
    """What Prometheus says of a query that it refuses comes through; a right one is answered."""
    server = prometheus_server({})
    with pytest.raises(QueryFailed, match="parse error"):
        server.query("sum(")
    assert server.query("1 + 1") == [Sample({}, 2.0)]


def test_without_prometheus_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the program gets the reason that the summary shows."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unavailable, match="no prometheus"):
        PrometheusServer({})
