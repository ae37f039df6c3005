"""The deployment says nothing that the code does not know, and runs nothing as root.

No Docker engine is needed: the files are read as data and held against the code.
"""

from __future__ import annotations

import functools
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from grafana.mixin.config import DEFAULT
from streams.config import Settings, load_settings
from streams.durations import parse_duration_ms
from streams.errors import ConfigError
from tests.support.apache_kafka import kafka_version

ROOT = Path(__file__).parents[2]
PREFIX = "FUNNELWATCH__"
# Prometheus' usual interval, and what flushing, handing over and committing take at most.
SCRAPE_S, LEAVING_S = 15, 10
# A full version; a suffix names the variant, not another version.
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+\.\d+(-[a-z]+)*")


@functools.cache
def _compose() -> dict[str, Any]:
    return _load("docker-compose.yml")


def _load(path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())
    return loaded


def _services() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = _compose()["services"]
    return services


def _own() -> dict[str, dict[str, Any]]:
    """The services that run this project's image."""
    return {name: service for name, service in _services().items() if "build" in service}


def _settings(service: dict[str, Any]) -> Settings:
    environment = {key: str(value) for key, value in service.get("environment", {}).items()}
    return load_settings(None, environment)


@functools.cache
def _dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile in order: (word, rest)."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def _final_stage() -> dict[str, str]:
    """The instructions of the image that is shipped; the last of a kind counts."""
    last = max(i for i, (word, _) in enumerate(_dockerfile()) if word == "FROM")
    return dict(_dockerfile()[last:])


def _each(services: dict[str, dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", sorted(services))


# ------------------------------------------------------------------ held against the code


@_each(_own())
def test_commands_exist(name: str) -> None:
    """Each command of our image is one that the command line takes, with these flags."""
    from streams.cli import build_parser  # noqa: PLC0415 - the composition root is only needed here

    assert callable(build_parser().parse_args(_own()[name]["command"]).run)


def test_health_checks_exist() -> None:
    """Docker asks by a command that the command line takes, for pages that the worker serves.

    The image asks whether the worker lives, since others kill what is unhealthy; compose, which does
    not, asks whether it is ready.
    """
    from streams.cli import build_parser  # noqa: PLC0415

    served = (ROOT / "streams" / "metrics" / "http.py").read_text()
    of_compose = _services()["worker"]["healthcheck"]["test"][1:]
    of_image = json.loads(_final_stage()["HEALTHCHECK"].partition("CMD ")[2])
    for (program, *words), page in ((of_compose, "/readyz"), (of_image, "/livez")):
        assert program == "funnelwatch"
        assert urlsplit(build_parser().parse_args(words).url).path == page
        assert f'"{page}"' in served


@_each(_own())
def test_environment_is_understood(name: str) -> None:
    """Each variable of our services overrides a setting that exists, with a value that it takes."""
    service = _own()[name]
    assert all(key.startswith(PREFIX) for key in service.get("environment", {}))
    settings = _settings(service)
    if service.get("environment"):
        assert settings != Settings()


def test_an_unknown_variable_would_be_noticed() -> None:
    """The check above can fail: a variable that names no setting is refused."""
    with pytest.raises(ConfigError):
        load_settings(None, {f"{PREFIX}KAFKA__BOOTSTRAP": "kafka:19092"})


def test_the_worker_is_asked_where_it_listens() -> None:
    """Published port, health checks, Prometheus and the image all mean the worker's port."""
    worker = _services()["worker"]
    port = _settings(worker).http.port
    assert {int(published.rpartition(":")[2]) for published in worker["ports"]} == {port}
    assert urlsplit(worker["healthcheck"]["test"][-1]).port == port
    assert int(_final_stage()["EXPOSE"]) == port == Settings().http.port
    assert f":{port}/" in _final_stage()["HEALTHCHECK"]
    scrape = {job["job_name"]: job for job in _load("grafana/prometheus/prometheus.yml")["scrape_configs"]}
    (found,) = scrape["funnelwatch"]["dns_sd_configs"]
    assert (found["names"], found["type"], found["port"]) == (["worker"], "A", port)


def test_the_worker_listens_to_the_other_containers() -> None:
    """On loopback, the default, Prometheus could not reach it."""
    assert _settings(_services()["worker"]).http.host == "0.0.0.0"


@pytest.mark.parametrize("name", ["topics", "worker", "simulate"])
def test_brokers_are_those_that_kafka_advertises_inside(name: str) -> None:
    """The address that a container is given is one that Kafka listens on and tells it to use."""
    service = _services()[name]
    if name == "simulate":
        address = service["command"][service["command"].index("--kafka") + 1]
    else:
        (address,) = _settings(service).kafka.bootstrap_servers
    kafka = _services()["kafka"]["environment"]
    assert f"INSIDE://{address}" in kafka["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert f"INSIDE://:{address.rpartition(':')[2]}" in kafka["KAFKA_LISTENERS"].split(",")


def test_kafka_advertises_outside_what_is_published() -> None:
    """A program of this machine is told an address that is published on it."""
    kafka = _services()["kafka"]
    (published,) = kafka["ports"]
    host, outside, inside = published.split(":")
    assert f"HOST://{host}:{outside}" in kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"HOST://:{inside}" in kafka["environment"]["KAFKA_LISTENERS"]


def test_kafka_is_the_one_that_the_tests_run_on() -> None:
    """What the suite proves, it proves of the version that is deployed."""
    assert _services()["kafka"]["image"] == f"apache/kafka:{kafka_version()}"


def test_grafana_asks_prometheus() -> None:
    """The data source names the service and a port on which it answers, and its scrape interval."""
    (source,) = _load("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    url = urlsplit(source["url"])
    assert url.hostname in _services()
    assert _services()[url.hostname]["ports"][0].endswith(f":{url.port}")
    interval = _load("grafana/prometheus/prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval


def test_grafana_finds_its_dashboards() -> None:
    """They are mounted where the provider looks, the first one that people see among them."""
    (provider,) = _load("grafana/provisioning/dashboards/funnelwatch.yaml")["providers"]
    grafana = _services()["grafana"]
    mounted = dict(volume.split(":")[1::-1] for volume in grafana["volumes"])
    assert mounted[provider["options"]["path"]] == "./grafana/dashboards"
    assert mounted["/etc/grafana/provisioning/dashboards"] == "./grafana/provisioning/dashboards"
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert (ROOT / "grafana" / "dashboards" / home.name).exists()
    assert provider["allowUiUpdates"] is False


def test_prometheus_finds_its_rules() -> None:
    """They are mounted beside its configuration, which names them."""
    (pattern,) = _load("grafana/prometheus/prometheus.yml")["rule_files"]
    mounted = dict(volume.split(":")[1::-1] for volume in _services()["prometheus"]["volumes"])
    assert mounted["/etc/prometheus/rules"] == "./grafana/prometheus/rules"
    assert len([*(ROOT / "grafana" / "prometheus").glob(pattern)]) == 2
    jobs = [job["job_name"] for job in _load("grafana/prometheus/prometheus.yml")["scrape_configs"]]
    assert DEFAULT.job in jobs


def test_versions_agree() -> None:
    """The image carries the version of the package."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {service["image"] for service in _own().values()} == {f"funnelwatch:{version}"}


# ------------------------------------------------------------------ held against the repository


def test_mounted_files_exist() -> None:
    """What is mounted from here is here, and read-only; else Docker would make an empty directory."""
    mounted = [v for service in _services().values() for v in service.get("volumes", ()) if v[0] == "."]
    assert mounted
    for volume in mounted:
        source, _, mode = volume.split(":")
        assert ((ROOT / source).exists(), mode) == (True, "ro"), volume


def test_named_volumes_are_declared_and_used() -> None:
    """Each named volume is declared, and each declared one holds somebody's data."""
    volumes = [volume for service in _services().values() for volume in service.get("volumes", ())]
    assert {v.split(":")[0] for v in volumes if v[0] != "."} == set(_compose()["volumes"])


def test_the_image_copies_what_is_here_and_not_ignored() -> None:
    """Each file that the Dockerfile copies exists and passes .dockerignore, which lets nothing else in."""
    copied = {
        word
        for instruction, rest in _dockerfile()
        if instruction == "COPY" and not rest.startswith("--from")
        for word in rest.split()[:-1]
    }
    assert all((ROOT / name).exists() for name in copied), copied
    ignore = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in {"", "#"}]
    assert ignore[0] == "*"
    assert {line[1:] for line in ignore if line.startswith("!")} == copied


def test_the_image_holds_what_the_project_needs_to_build() -> None:
    """The files that the build reads by name are copied."""
    copied = " ".join(rest for word, rest in _dockerfile() if word == "COPY")
    assert {"README.md", "LICENSE", "pyproject.toml", "streams", "alerts"} <= set(copied.split())


def test_the_image_installs_only_what_the_lock_names() -> None:
    """Dependencies come with their hashes; the project itself comes without asking an index."""
    installs = [json.loads(rest) for word, rest in _dockerfile() if word == "RUN" and '"install"' in rest]
    assert len(installs) == 2
    for words in installs:
        from_lock = {"--require-hashes", "requirements.lock"} <= set(words)
        assert from_lock or {"--no-deps", "--no-index"} <= set(words), words


# ------------------------------------------------------------------ hardening


@_each(_services())
def test_nothing_runs_as_root(name: str) -> None:
    """Each service names a user that is not root, may gain nothing, and cannot write its image."""
    service = _services()[name]
    user, _, _ = service["user"].partition(":")
    assert int(user) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service


@_each(_services())
def test_images_are_pinned(name: str) -> None:
    """A tag says exactly which version it is."""
    assert PINNED.fullmatch(_services()[name]["image"])


def test_the_image_is_built_from_pinned_ones() -> None:
    """Both stages start from one exact version, the oldest Python that the project supports."""
    bases = {rest.split()[0] for word, rest in _dockerfile() if word == "FROM"}
    assert len(bases) == 1
    (base,) = bases
    assert PINNED.fullmatch(base)
    assert base.startswith("python:3.11.")


def test_the_image_needs_neither_root_nor_shell() -> None:
    """It ends with a plain user, and each program is started without a shell."""
    stage = _final_stage()
    assert stage["USER"] == _services()["worker"]["user"]
    assert int(stage["USER"].partition(":")[0]) > 0
    for word, rest in _dockerfile():
        if word in {"RUN", "ENTRYPOINT", "CMD"}:
            assert json.loads(rest), rest
    assert json.loads(stage["HEALTHCHECK"].partition("CMD ")[2])
    assert json.loads(stage["ENTRYPOINT"]) == ["funnelwatch"]


@_each(_own())
def test_our_services_can_write_where_they_start(name: str) -> None:
    """The working directory of the image is writable for its user although its root is not."""
    user = _own()[name]["user"].partition(":")[0]
    (mount,) = [m for m in _own()[name]["tmpfs"] if m.startswith(f"{_final_stage()['WORKDIR']}:")]
    assert f"uid={user}" in mount


@_each(_services())
def test_ports_are_on_loopback(name: str) -> None:
    """Nothing is offered to the network: there are no passwords here."""
    for published in _services()[name].get("ports", ()):
        assert published.startswith("127.0.0.1:")


def test_grafana_has_no_default_password() -> None:
    """No administrator exists, so none has the password that everybody knows."""
    environment = _services()["grafana"]["environment"]
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


@_each(_services())
def test_logs_are_bounded(name: str) -> None:
    """A service that logs for weeks does not fill the disk."""
    assert {"max-size", "max-file"} <= set(_services()[name]["logging"]["options"])


# ------------------------------------------------------------------ order and health

ONE_SHOTS = {"topics"}


@_each(_services())
def test_dependencies_are_awaited(name: str) -> None:
    """A dependency is waited for: until it is healthy, or, if it runs once, until it has succeeded."""
    for other, how in _services()[name].get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other in ONE_SHOTS else "service_healthy"
        assert how["condition"] == wanted
        assert other in ONE_SHOTS or "test" in _services()[other]["healthcheck"]


@_each(_services())
def test_each_service_is_checked_and_may_end_in_peace(name: str) -> None:
    """Whoever serves is checked for health; all have time to end; only one-shots are not restarted."""
    service = _services()[name]
    assert "stop_grace_period" in service
    assert (service["restart"] == "no") == (name in ONE_SHOTS)
    serves = "ports" in service
    assert ("test" in service["healthcheck"]) == serves
    if serves:
        assert shlex.join(service["healthcheck"]["test"]).startswith("CMD ")


def test_a_worker_has_time_to_be_scraped_before_it_is_killed() -> None:
    """It waits for a count that was just born: until the first scrape, for the hold, until the next one."""
    hold_s = Settings().metrics.zero_hold_ms / 1000
    grace = _services()["worker"]["stop_grace_period"]
    assert parse_duration_ms(grace) / 1000 >= hold_s + 2 * SCRAPE_S + LEAVING_S


def test_counts_of_a_moved_shard_survive_missed_scrapes() -> None:
    """With the usual 15 s as well as with our own interval, three scrapes may fail."""
    config = _load("grafana/prometheus/prometheus.yml")
    own_s = parse_duration_ms(config["global"]["scrape_interval"]) / 1000
    assert Settings().metrics.vanish_hold_ms / 1000 >= 4 * max(own_s, SCRAPE_S)


@pytest.mark.parametrize("name", ["worker", "heartbeat", "simulate"])
def test_topics_come_first(name: str) -> None:
    """Who reads or writes topics starts when they have been made."""
    assert "topics" in _services()[name]["depends_on"]


def test_only_the_simulator_must_be_asked_for() -> None:
    """`docker compose up` starts everything but the simulated shop."""
    profiles = {name: service["profiles"] for name, service in _services().items() if "profiles" in service}
    assert profiles == {"simulate": ["simulator"]}
