"""A changed file is taken up, refused whole, or named as wanting a restart."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from streams.config import Settings, load_settings
from streams.errors import ConfigError
from streams.reload import ConfigFile, Reload, ReloadOutcome, differences, merged
from tests.support.settings import loaded

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SALE = "promotions: [{name: D11, start: 2026-11-11, end: 2026-11-12}]\n"


class Worker:
    """A configuration file and what a worker was told of it."""

    def __init__(self, folder: Path, text: str = "", **environ: str) -> None:
        self.path = folder / "funnelwatch.yaml"
        self.path.write_text(text)
        self.told: list[Settings] = []
        self.outcomes: list[ReloadOutcome] = []
        self.broken = self.refuses = False
        running = load_settings(self.path, environ)
        self.file = ConfigFile(self.path, environ, running, self._apply, self.outcomes.append)

    def _apply(self, settings: Settings) -> None:
        self.told.append(settings)
        if self.refuses:
            raise ConfigError("notify", "something else")
        if self.broken:
            raise RuntimeError("cannot")

    def write(self, text: str) -> None:
        """Another text, and a time of change that no file system rounds away."""
        before = self.path.stat().st_mtime_ns if self.path.exists() else 0
        self.path.write_text(text)
        os.utime(self.path, ns=(before + 10**9, before + 10**9))

    async def looks(self, times: int) -> list[Reload]:
        """What so many looks found."""
        found = [await self.file.look() for _ in range(times)]
        return [reload for reload in found if reload is not None]


async def test_what_is_refused_when_it_is_taken_up_is_rejected(tmp_path: Path) -> None:
    """A secret that is not there: the file's fault, and nothing has changed by then."""
    worker = Worker(tmp_path, SALE)
    before = worker.file.running
    worker.refuses = True
    worker.write(f"{SALE}notify: {{channels: [{{name: ops, kind: slack, url_env: X}}]}}\n")
    (reload,) = await worker.looks(4)
    assert (reload.outcome, reload.error and reload.error.field) == (ReloadOutcome.REJECTED, "notify")
    assert worker.file.running is before
    assert len(worker.told) == 1


async def test_a_file_that_stays_is_left_alone(tmp_path: Path) -> None:
    """Nothing is read, told or counted."""
    worker = Worker(tmp_path, SALE)
    assert await worker.looks(3) == []
    assert (worker.told, worker.outcomes) == ([], [])


async def test_a_changed_file_is_taken_up_once(tmp_path: Path) -> None:
    """Promotions, rules, thresholds and the level of the log."""
    worker = Worker(tmp_path)
    rule = "rules: [{name: r, step: click>paid, below: 0.1, promotion: D11}]\n"
    worker.write(f"{SALE}{rule}watch: {{tolerance: 0.2}}\nlogging: {{level: DEBUG}}\n")
    (reload,) = await worker.looks(4)
    assert (reload.outcome, reload.needs_restart) == (ReloadOutcome.APPLIED, ())
    assert reload.changed == ("watch.tolerance", "promotions", "rules", "logging.level")
    assert worker.told == [reload.settings] == [worker.file.running]
    assert [promotion.name for promotion in reload.settings.calendar().promotions] == ["D11"]
    assert (reload.settings.watch.tolerance, reload.settings.logging.level) == (0.2, "DEBUG")
    assert worker.outcomes == [ReloadOutcome.APPLIED]


async def test_a_file_is_read_once_it_stands_still(tmp_path: Path) -> None:
    """Half a file may be a right one, without the promotions; it is not taken for what is meant."""
    worker = Worker(tmp_path, SALE)
    for text in ("", "rules:", f"rules: []\n{SALE}"):
        worker.write(text)
        assert await worker.looks(1) == []
    (reload,) = await worker.looks(2)
    assert [entry.name for entry in reload.settings.promotions] == ["D11"]
    assert reload.changed == ()


async def test_a_touched_file_is_no_change(tmp_path: Path) -> None:
    """Same bytes, another time: nothing is told."""
    worker = Worker(tmp_path, SALE)
    worker.write(SALE)
    assert await worker.looks(3) == []


async def test_a_wrong_file_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """All that is wrong is told once, line by line; the old settings stay until the file is mended."""
    worker = Worker(tmp_path, SALE)
    worker.write(f"{SALE}watch: {{tolerance: 2}}\nrules: [{{name: r, step: click, below: x}}]\n")
    with caplog.at_level(logging.ERROR, "streams.reload"):
        (reload,) = await worker.looks(5)
    assert (reload.outcome, worker.told, worker.file.running) == (ReloadOutcome.REJECTED, [], reload.settings)
    (record,) = caplog.records
    lines = vars(record)["findings"]
    assert [line.split(": ")[:2] for line in lines] == [
        [f"{worker.path}:2", "watch.tolerance"],
        [f"{worker.path}:3", "rules[0].below"],
    ]
    worker.write("")
    (mended,) = await worker.looks(3)
    assert (mended.outcome, mended.changed) == (ReloadOutcome.APPLIED, ("promotions",))
    assert worker.outcomes == [ReloadOutcome.REJECTED, ReloadOutcome.APPLIED]


async def test_what_needs_a_restart_is_named_and_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of the file is taken up all the same."""
    worker = Worker(tmp_path, "topics: {partitions: 8}\nkafka: {sasl_password: hunter22}\n")
    worker.write(
        "topics: {partitions: 9}\nwatch: {tolerance: 0.3, windows: [1m], time_zone: Asia/Tokyo}\n"
        "kafka: {sasl_password: hunter23}\n"
    )
    with caplog.at_level(logging.WARNING, "streams.reload"):
        (reload,) = await worker.looks(3)
    assert reload.changed == ("watch.tolerance",)
    assert reload.needs_restart == (
        "kafka.sasl_password",
        "topics.partitions",
        "watch.time_zone",
        "watch.windows",
    )
    assert (reload.settings.topics.partitions, reload.settings.watch.time_zone) == (8, "UTC")
    assert [vars(record)["settings"] for record in caplog.records] == [reload.needs_restart]
    assert "hunter" not in caplog.text


async def test_what_makes_sense_only_after_a_restart_is_refused(tmp_path: Path) -> None:
    """A rule on a node that the running funnel does not have yet."""
    worker = Worker(tmp_path)
    worker.write("funnel: {nodes: [seen, tapped, paid]}\nrules: [{name: r, step: tapped>paid, below: 0.1}]\n")
    (reload,) = await worker.looks(3)
    assert reload.outcome is ReloadOutcome.REJECTED
    assert reload.error is not None
    assert str(reload.error).startswith("rules[0].step: must be a node")
    assert str(reload.error).endswith("; that needs a restart first")


async def test_a_change_that_cannot_be_taken_up_is_taken_back(tmp_path: Path) -> None:
    """The worker lives on, with the settings that it had."""
    worker = Worker(tmp_path, SALE)
    worker.broken = True
    worker.write("")
    (reload,) = await worker.looks(3)
    before = load_settings(None, {}).model_copy(update={"promotions": worker.file.running.promotions})
    assert (reload.outcome, reload.settings, worker.file.running) == (ReloadOutcome.FAILED, before, before)
    assert worker.told[1:] == [before]


async def test_a_file_that_is_gone_is_told_once(tmp_path: Path) -> None:
    """Not the moment that an editor takes to replace it; a missing file is not an empty one."""
    worker = Worker(tmp_path, SALE)
    worker.path.unlink()
    assert await worker.looks(2) == []
    worker.write(SALE)
    assert await worker.looks(3) == []
    worker.path.unlink()
    (reload,) = await worker.looks(6)
    assert reload.outcome is ReloadOutcome.REJECTED
    assert len(worker.file.running.promotions) == 1
    worker.write(SALE)
    (back,) = await worker.looks(3)
    assert (back.outcome, back.changed) == (ReloadOutcome.APPLIED, ())


async def test_who_asks_is_answered_at_once(tmp_path: Path) -> None:
    """SIGHUP reads the file though nothing seems to have changed."""
    worker = Worker(tmp_path, SALE)
    worker.file.ask()
    (reload,) = await worker.looks(3)
    assert (reload.outcome, reload.changed) == (ReloadOutcome.APPLIED, ())


async def test_without_a_file_there_is_nothing_to_watch() -> None:
    """Settings that come from the environment alone do not change."""
    file = ConfigFile(None, {}, Settings(), lambda _: None)
    file.ask()
    assert await file.look() is None


async def test_the_environment_stays_above_the_file(tmp_path: Path) -> None:
    """As at the start."""
    worker = Worker(tmp_path, "", FUNNELWATCH__WATCH__TOLERANCE="0.4")
    worker.write("watch: {tolerance: 0.2, pending_hold: 30s}")
    (reload,) = await worker.looks(3)
    assert (reload.settings.watch.tolerance, reload.changed) == (0.4, ("watch.pending_hold",))


def test_every_setting_survives_being_merged(tmp_path: Path) -> None:
    """Secrets, paths, events mapped to null: what the running tree holds, it holds afterwards."""
    (tmp_path / "password").write_text("hunter22")
    running = loaded(
        tmp_path,
        "kafka: {sasl_password_file: password, ssl_cafile: /ca.pem, bootstrap_servers: [a:1, b:2]}\n"
        "formats: {events: {ping: null, tap: click}}\ndimensions: [channel, {name: dev, field: a.b}]\n"
        "deadletter: {stop_after: off}\nlogging: {json: on}\n" + SALE,
    )
    assert merged(running, running) == running
    assert list(differences(running, Settings()))[:1] == ["kafka.bootstrap_servers"]
