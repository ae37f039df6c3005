"""The command ``funnelwatch``: what it says to wrong words, wrong files and a wrong world."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from streams.cli import main
from tests.support.processes import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERBS = (
    *("worker", "topics", "heartbeat", "simulate", "replay", "backtest", "demo", "check", "healthcheck"),
    *("incidents", "ack", "silence", "unsilence", "silences", "notify-test", "dashboards", "report"),
)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of whoever runs the suite."""
    monkeypatch.chdir(tmp_path)


def exit_code(*words: str) -> int:
    """The exit code of a command, also where argparse ends it."""
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` says what it does and what it takes."""
    assert exit_code(verb, "--help") == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: funnelwatch {verb} ")
    assert "show this help message" in said


def test_the_command_lists_its_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` alone names every verb, and there are no others than those tested here."""
    assert exit_code("--help") == 0
    listed = re.findall(r"^    ([\w-]+)(?: |$)", capsys.readouterr().out, re.MULTILINE)
    assert sorted(listed) == sorted(VERBS)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("dance",),
        ("worker", "--fast"),
        ("worker", "--only", "dance"),
        ("topics",),
        ("topics", "delete"),
        ("simulate",),
        ("simulate", "--out", "a", "--kafka", "b"),
        ("simulate", "--out", "a", "--rate", "many"),
    ],
    ids=" ".join,
)
def test_wrong_words_are_refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and how it is meant."""
    assert exit_code(*words) == 2
    assert "usage: funnelwatch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "words", "said"),
    [
        ("", ("--only", "watch", "--standby"), "--standby: is for workers that count: "),
        ("worker: {only: notify}", ("--standby",), "--standby: is for workers that count: "),
        ("watch: {enabled: false}", ("--only", "watch"), "watch.enabled: must be true for a worker "),
    ],
)
def test_a_worker_with_nothing_to_do_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, words: tuple[str, ...], said: str
) -> None:
    """What contradicts itself is said before anything begins."""
    (tmp_path / "funnelwatch.yaml").write_text(file)
    assert main(["worker", *words]) == 2
    assert capsys.readouterr().err.startswith(said)


def test_a_good_file_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``check`` of a right file says so."""
    file = tmp_path / "mine.yaml"
    file.write_text("counting:\n  allowed_lateness: 20m\n")
    assert main(["check", "--config", str(file)]) == 0
    assert capsys.readouterr().out == "configuration is fine\n"


def test_the_file_to_check_may_stand_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``check FILE`` is ``check --config FILE``; two files at once are refused."""
    file = tmp_path / "mine.yaml"
    file.write_text("rules:\n  - {name: r, step: order>payd, below: 0.5}\n")
    assert main(["check", str(file)]) == 2
    assert capsys.readouterr().err.startswith(
        f"{file}:2: rules[0].step: must be a node, node>node or revenue"
    )
    file.write_text("rules:\n  - {name: r, step: order>paid, below: 0.5}\n")
    assert main(["check", str(file)]) == 0
    assert main(["check", str(file), "--config", str(file)]) == 2


def test_a_wrong_file_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every finding on a line of its own: file, line, field and what is allowed; exit code 2."""
    file = tmp_path / "mine.yaml"
    file.write_text(
        "topics:\n  partitions: none\nmetrics:\n  time_zone: Mars\n  maxkeys: 5\nformats:\n  orders: avro\n"
    )
    assert main(["check", "--config", str(file)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[:2] for line in said] == [
        [f"{file}:2", "topics.partitions"],
        [f"{file}:4", "metrics.time_zone"],
        [f"{file}:5", "metrics.maxkeys"],
        [f"{file}:7", "formats.orders"],
    ]
    for line, allowed in zip(
        said, ("whole number", "IANA time zone", "metrics.max_keys?", "segment"), strict=True
    ):
        assert allowed in line


@pytest.mark.parametrize("verb", [("check",), ("worker",), ("topics", "verify"), ("replay",)], ids=" ".join)
def test_every_verb_refuses_a_wrong_file(
    verb: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is begun with settings that are wrong, also where the file is the one of this folder."""
    (tmp_path / "funnelwatch.yaml").write_text("http:\n  port: 99999\n")
    assert main(verb) == 2
    assert capsys.readouterr().err.startswith("funnelwatch.yaml:2: http.port: ")


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A settings file that was asked for must be there."""
    assert main(["check", "--config", "nowhere.yaml"]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err


def test_wrong_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong variable is called by its name."""
    monkeypatch.setenv("FUNNELWATCH__HTTP__PORT", "high")
    assert main(["check"]) == 2
    assert "FUNNELWATCH__HTTP__PORT" in capsys.readouterr().err


def simulated(folder: Path, *words: str) -> tuple[bytes, bytes]:
    """Both files of a simulation."""
    base = [
        "simulate",
        "--out",
        str(folder),
        "--rate",
        "300",
        "--duration",
        "20",
        "--start-ms",
        "1762689600000",
    ]
    assert main([*base, *words]) == 0
    return (folder / "clickstream.jsonl").read_bytes(), (folder / "orders.jsonl").read_bytes()


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    """A simulation can be repeated; another seed is another shop."""
    first = simulated(tmp_path / "a", "--seed", "4")
    assert first == simulated(tmp_path / "b", "--seed", "4")
    assert first != simulated(tmp_path / "c", "--seed", "5")
    assert all(first)


@pytest.mark.parametrize(
    ("words", "named"),
    [(("--rate", "0"), "simulate.rate"), (("--rate", "nan"), "simulate.rate"), (("--skus", "-1"), "skus")],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_what_cannot_be_simulated_is_refused(
    words: tuple[str, ...], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any file is written."""
    assert main(["simulate", "--out", str(tmp_path / "out"), "--duration", "1", *words]) == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A problem of the disk is a message, not a traceback."""
    (tmp_path / "file").write_text("")
    assert main(["simulate", "--out", str(tmp_path / "file" / "below"), "--duration", "1"]) == 1
    assert capsys.readouterr().err.startswith(f"funnelwatch: {tmp_path / 'file' / 'below'}: ")


@pytest.mark.parametrize(
    "words",
    [("simulate", "--kafka", "@", "--duration", "1"), ("replay", "--kafka", "@")],
    ids=lambda words: str(words[0]),
)
def test_kafka_out_of_reach_is_named(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and the address, not a traceback."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    assert main([address if word == "@" else word for word in words]) == 1
    assert f"kafka unreachable: {address}" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["create", "verify"])
def test_topics_of_no_kafka(
    action: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and where nobody answers."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    monkeypatch.setenv("FUNNELWATCH__KAFKA__BOOTSTRAP_SERVERS", address)
    assert main(["topics", action]) == 1
    assert address in capsys.readouterr().err


@contextmanager
def answering(status: int) -> Iterator[str]:
    """The address of a server that answers everything with one status."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"so so")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/livez"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
def test_healthcheck_says_what_the_page_says(status: int, code: int) -> None:
    """0 only for a page that says yes: container engines go by it."""
    with answering(status) as url:
        assert main(["healthcheck", "--url", url]) == code


def test_healthcheck_of_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody listens, nobody lives."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}/livez"
    assert main(["healthcheck", "--url", url]) == 1
    assert url in capsys.readouterr().err


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x", "localhost:8080"])
def test_healthcheck_asks_by_http_only(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An address of another kind is a wrong argument."""
    assert main(["healthcheck", "--url", url]) == 2
    assert "http" in capsys.readouterr().err


def test_check_warns_of_secrets_that_are_not_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be where the worker runs, so that is no error."""
    file = tmp_path / "funnelwatch.yaml"
    file.write_text("notify: {channels: [{name: ops, kind: slack, url_env: FW_TEST_URL}]}")
    assert main(["check", str(file)]) == 0
    said = capsys.readouterr()
    assert "notify.channels.ops.url_env: needs the environment variable FW_TEST_URL" in said.err
    monkeypatch.setenv("FW_TEST_URL", "https://hooks.example/s3cret")
    assert main(["check", str(file)]) == 0
    assert capsys.readouterr().err == ""
