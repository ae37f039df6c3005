"""The deployment as the programs themselves read it: docker-compose, promtool, Apache Kafka."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import skip_if_unavailable
from tests.support.apache_kafka import java_command, known_brokers
from tests.support.processes import Process, free_ports

ROOT = Path(__file__).parents[2]


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}")
    return found


@pytest.mark.parametrize("options", [[], ["--profile", "simulator"]])
def test_docker_compose_takes_it(options: list[str]) -> None:
    """The file is valid for docker-compose, with and without the simulator."""
    command = [_program("docker-compose"), "-f", str(ROOT / "docker-compose.yml"), *options, "config", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.prometheus
def test_promtool_takes_the_scrape_config() -> None:
    """Prometheus' own tool finds nothing wrong with the configuration."""
    config = ROOT / "grafana" / "prometheus" / "prometheus.yml"
    command = [_program("promtool"), "check", "config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.kafka
def test_kafka_starts_with_these_settings(tmp_path: Path) -> None:
    """The image's own start-up code turns the environment into settings with which a broker starts.

    Each listener then tells its clients the address that is theirs. Names and ports are replaced by
    free ones of this machine; nothing else is.
    """
    with skip_if_unavailable():
        java = java_command()
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["kafka"]
    inside, host, controller = free_ports(3)
    replaced = {
        "://:": "://127.0.0.1:",
        "kafka:": "127.0.0.1:",
        "19092": str(inside),
        "29093": str(controller),
        "127.0.0.1:9092": f"127.0.0.1:{host}",
        "/var/lib/kafka/data": str(tmp_path / "data"),
    }
    environment = {key: str(value) for key, value in service["environment"].items()}
    for key, value in environment.items():
        for old, new in replaced.items():
            environment[key] = environment[key].replace(old, new)
        assert environment[key] or not value
    folders = {"default": tmp_path / "default", "mounted": tmp_path / "mounted", "final": tmp_path / "final"}
    for folder in folders.values():
        folder.mkdir()
    for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (folders["default"] / name).touch()
    options = [word for kind, folder in folders.items() for word in (f"--{kind}-configs-dir", str(folder))]
    setup = [*java, "kafka.docker.KafkaDockerWrapper", "setup", *options]
    with Process("set-up", setup, log=tmp_path / "setup.log", env=environment) as process:
        assert process.wait(60) == 0, process.log_tail()
    start = [*java, "kafka.Kafka", folders["final"] / "server.properties"]
    with Process("broker", start, log=tmp_path / "broker.log") as broker:
        for port in (inside, host):
            address = f"127.0.0.1:{port}"
            broker.wait_until(
                lambda address=address: known_brokers(address) == {1: address},  # type: ignore[misc]
                timeout=60,
                what=f"broker that tells its clients {address}",
            )
