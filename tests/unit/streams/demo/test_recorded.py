"""``funnelwatch replay`` from files: the counts of the oracle, byte for byte."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from streams.cli import main
from tests.support import oracle
from tests.support.bad_records import bad_records
from tests.support.builders import click, paid

START_MS = 1_762_689_600_000
ROOT = Path(__file__).resolve().parents[4]
FIXTURES = ROOT / "tests" / "fixtures"
SECONDS = 240


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of whoever runs the suite."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the traffic of a small shop, with its duplicates, its late and its invalid records."""
    folder = tmp_path_factory.mktemp("recorded")
    shop = ["--slots", "6", "--banners", "5", "--skus", "40", "--visitors", "900"]
    traffic = ["--seed", "3", "--rate", "60", "--duration", str(SECONDS), "--start-ms", str(START_MS)]
    assert main(["simulate", "--out", str(folder), *traffic, *shop]) == 0
    return folder


def replay(*words: str | Path) -> int:
    """Exit code of a replay."""
    return main(["replay", *map(str, words)])


def expected(clickstream: Path | None, orders: Path | None) -> oracle.OracleResult:
    """What the oracle counts of files."""
    read = [
        oracle.file_records(path.read_bytes().splitlines()) if path else [] for path in (clickstream, orders)
    ]
    return oracle.count(read[0], read[1])


def as_lines(result: oracle.OracleResult) -> bytes:
    """The oracle's lines as a file has them."""
    return "".join(f"{line}\n" for line in oracle.count_lines(result)).encode()


def as_outcomes(result: oracle.OracleResult) -> str:
    """The oracle's outcomes as a replay prints them."""
    return "".join(f"{topic} {outcome} {n}\n" for (topic, outcome), n in sorted(result.outcomes.items()))


def test_a_replay_is_the_oracle_to_the_byte(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counts in the file, outcomes on stderr, nothing else anywhere."""
    clickstream, orders = recorded / "clickstream.jsonl", recorded / "orders.jsonl"
    assert replay("--clickstream", clickstream, "--orders", orders, "--counts", tmp_path / "counts") == 0
    truth = expected(clickstream, orders)
    assert {outcome for _, outcome in truth.outcomes} >= {"accepted", "late", "duplicate", "invalid"}
    assert truth.money
    assert (tmp_path / "counts").read_bytes() == as_lines(truth)
    assert capsys.readouterr() == ("", as_outcomes(truth))


@pytest.mark.parametrize("topic", ["clickstream", "orders"])
def test_one_topic_alone(recorded: Path, topic: str, tmp_path: Path) -> None:
    """A file without its partner is counted to its end."""
    file = recorded / f"{topic}.jsonl"
    assert replay(f"--{topic}", file, "--counts", tmp_path / "counts") == 0
    truth = expected(file if topic == "clickstream" else None, file if topic == "orders" else None)
    assert (tmp_path / "counts").read_bytes() == as_lines(truth)


def test_counts_go_to_standard_output(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without ``--counts`` they can be piped on; the outcomes stay apart from them."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="utf-8"))
    assert replay("--orders", recorded / "orders.jsonl") == 0
    truth = expected(None, recorded / "orders.jsonl")
    assert written.getvalue() == as_lines(truth)
    assert capsys.readouterr().err == as_outcomes(truth)


def test_a_reader_that_leaves_is_no_traceback(recorded: Path) -> None:
    """``replay ... | head`` ends quietly."""
    command = [sys.executable, "-m", "streams.cli", "replay"]
    source = ["--clickstream", str(recorded / "clickstream.jsonl")]
    with subprocess.Popen(
        [*command, *source], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(2) == b'{"'
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_corpus_of_bad_records_is_outcomes_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is wrong with them, records are turned away one by one and the good ones around them count."""
    bad = [item for item in bad_records() if item.format == "native" and item.record.value is not None]
    lines = [item.record.value or b"" for item in bad]
    outcomes = Counter(str(item.outcome) for item in bad if b"\n" not in (item.record.value or b""))
    clickstream = tmp_path / "clickstream.jsonl"
    kept = [line for line in lines if b"\n" not in line]
    clickstream.write_bytes(b"\n".join([click(t=0), *kept, click(t=5)]) + b"\n")
    assert replay("--clickstream", clickstream, "--counts", tmp_path / "counts") == 0
    assert capsys.readouterr().err == "".join(
        f"clickstream {outcome} {n}\n" for outcome, n in sorted(outcomes.items() | {("accepted", 2)})
    )
    counted = [json.loads(line) for line in (tmp_path / "counts").read_bytes().splitlines()]
    assert sum(line["events"] for line in counted if line["dimension"] == "all") == 2


@pytest.mark.parametrize("name", ["ga4", "segment", "snowplow", "sensorsdata", "cloudevents", "mapping"])
def test_other_formats(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--format`` reads a vendor's events: a click and a paid order are counted as the fixture says."""
    valid = json.loads((FIXTURES / "formats" / "valid.json").read_text("utf-8"))
    events = [valid[of] for of in (f"{name}.click", f"{name}.paid") if of in valid]
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert replay("--clickstream", file, "--format", name, "--counts", tmp_path / "counts") == 0
    assert capsys.readouterr().err == f"clickstream accepted {len(events)}\n"
    lines = [json.loads(line) for line in (tmp_path / "counts").read_bytes().splitlines()]
    nodes = {line["node"] for line in lines if "node" in line}
    assert nodes >= ({"click", "paid"} if len(events) == 2 else {"click"})
    assert any("amount_minor" in line for line in lines) == (len(events) == 2)


def test_a_real_snowplow_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sample of a test shop, as its SDK wrote it: takings in both currencies."""
    file = FIXTURES / "snowplow" / "ecommerce_sample.jsonl"
    assert replay("--clickstream", file, "--format", "snowplow", "--counts", tmp_path / "counts") == 0
    lines = [json.loads(line) for line in (tmp_path / "counts").read_bytes().splitlines()]
    takings: Counter[str] = Counter()
    for line in lines:
        if line["dimension"] == "all" and line.get("kind") == "paid":
            takings[line["currency"]] += line["amount_minor"]
    assert takings == {"EUR": 26_120, "GBP": 9_999}
    said = dict(line.rsplit(" ", 1) for line in capsys.readouterr().err.splitlines())
    assert sum(map(int, said.values())) == 204


def test_configured_rules_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A replay counts by the settings of ``--config``, as the worker would."""
    (tmp_path / "mine.yaml").write_text("counting:\n  max_out_of_orderness: 0s\n  allowed_lateness: 1s\n")
    (tmp_path / "events").write_bytes(b"\n".join([click(t=5_000), click(t=4_500), click(t=0)]))
    files = ("--clickstream", tmp_path / "events", "--counts", tmp_path / "counts")
    assert replay(*files, "--config", tmp_path / "mine.yaml") == 0
    assert capsys.readouterr().err == "clickstream accepted 1\nclickstream late 1\nclickstream too_late 1\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--clickstream, --orders or --kafka"),
        (("--clickstream", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--clickstream", "."), "a file"),
        (("--clickstream", "a", "--kafka", "b:1"), "not both"),
        (("--orders", "orders", "--format", "avro"), "one of native, ga4"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_arguments_are_refused(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, what is allowed, and no file of counts."""
    (tmp_path / "orders").write_bytes(paid(t=0))
    assert replay(*words, "--counts", tmp_path / "counts") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "counts").exists()


def test_counts_that_cannot_be_written_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A problem of the disk is a message, not a traceback."""
    (tmp_path / "orders").write_bytes(paid(t=0))
    target = tmp_path / "nowhere" / "counts"
    assert replay("--orders", tmp_path / "orders", "--counts", target) == 1
    assert f"funnelwatch: {target}: No such file or directory" in capsys.readouterr().err
