"""Real Apache Kafka for tests: KRaft, every node broker and controller, on free loopback ports.

Promises: the jars named in ``kafka-pom.xml``, fetched once by Maven into a cache outside the
repository (``~/.cache/funnelwatch``, or ``$FUNNELWATCH_KAFKA_CACHE``); data in a temporary
directory; a cluster is handed out when each node has answered a metadata request that names all of
them. With ``proxied`` each broker has a second listener, which sends its clients to a port where
somebody else must listen and pass bytes on. Refuses to stand in for what is missing: without Java 17, Maven or the jars it raises
``Unavailable``, which the fixtures turn into a skip that says so.

All calls block. In an async test call them through ``asyncio.to_thread``.

``python -m tests.support.apache_kafka`` fetches the jars ahead of time.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from xml.etree import ElementTree as ET

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.support.processes import Process, StartFailed, Unavailable, free_ports

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from confluent_kafka.admin._metadata import TopicMetadata

_POM: Final = Path(__file__).with_name("kafka-pom.xml")
_MIN_JAVA: Final = 17
_FETCH_TIMEOUT_S: Final = 900
_FORMAT_TIMEOUT_S: Final = 60
_READY_TIMEOUT_S: Final = 60
_LOGGING: Final = tuple(
    f"-Dorg.slf4j.simpleLogger.{key}={value}"
    for key, value in {
        "defaultLogLevel": "warn",
        "showDateTime": "true",
        "dateTimeFormat": "HH:mm:ss.SSS",
    }.items()
)
# Short-lived and small: less memory and less compiling, in exchange for peak speed.
_JVM: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+PerfDisableSharedMem", *_LOGGING)


def kafka_version() -> str:
    """The version of Apache Kafka that the tests run on."""
    version = ET.parse(_POM).findtext(".//{*}properties/{*}kafka.version")  # noqa: S314 - our own file
    assert version is not None
    return version


def find_java() -> Path:
    """The program ``java`` of ``JAVA_HOME`` or else of ``PATH``.

    Raises:
        Unavailable: there is none, or it is older than 17.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    if found is None:
        raise Unavailable("Apache Kafka: no java")
    version = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', version)
    if match is None or int(match[1]) < _MIN_JAVA:
        raise Unavailable(f"Apache Kafka: java is not {_MIN_JAVA} or newer")
    return Path(found)


def _cache() -> Path:
    return Path(os.environ.get("FUNNELWATCH_KAFKA_CACHE") or Path.home() / ".cache" / "funnelwatch")


def fetch_jars() -> Path:
    """The directory with Apache Kafka's jars, filled by Maven at the first call.

    Raises:
        Unavailable: there is no ``mvn``, or it cannot get the jars.
    """
    jars = _cache() / f"kafka-{kafka_version()}"
    if jars.is_dir():
        return jars
    if shutil.which("mvn") is None:
        raise Unavailable("Apache Kafka: no mvn to fetch its jars")
    _cache().mkdir(parents=True, exist_ok=True)
    with (_cache() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars.is_dir():
            _copy_jars(jars)
    return jars


def _copy_jars(jars: Path) -> None:
    """Copy into a directory beside, then rename: ``jars`` is complete or not there."""
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix=".fetching-") as scratch:
        arrived = Path(scratch, "jars")
        command = ["mvn", "-B", "-q", "-ntp", "-f", str(_POM), "dependency:copy-dependencies"]
        options = ["-DincludeScope=runtime", f"-DoutputDirectory={arrived}"]
        try:
            subprocess.run(
                [*command, *options], capture_output=True, text=True, check=True, timeout=_FETCH_TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise Unavailable("Apache Kafka: mvn did not get its jars in time") from None
        except subprocess.CalledProcessError as error:
            said = [line for line in error.stdout.splitlines() if line.startswith("[ERROR]")]
            raise Unavailable(f"Apache Kafka: mvn cannot get its jars: {said[:1] or error.stderr}") from None
        arrived.rename(jars)


def java_command(*, heap_mb: int = 256) -> list[str | Path]:
    """How to start one of Kafka's programs; its class and arguments follow.

    Raises:
        Unavailable: there is no Java 17, or Maven cannot get the jars.
    """
    java = find_java()
    archive = _class_archive(java)
    shared = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
    return [java, f"-Xmx{heap_mb}m", *_JVM, *shared, "-cp", f"{fetch_jars()}/*"]


def archive_classes() -> None:
    """Keep a broker's loaded classes in the cache: brokers then start with half the CPU.

    Takes a broker's life, once for each version of Kafka and Java; worth it where many are started.

    Raises:
        Unavailable: there is no Java 17, or Maven cannot get the jars.
    """
    archive = _class_archive(find_java())
    if archive.exists():
        return
    with tempfile.TemporaryDirectory(dir=fetch_jars().parent, prefix=".archiving-") as scratch:
        made = f"{scratch}/classes.jsa"
        with KafkaCluster(options=[f"-XX:ArchiveClassesAtExit={made}"]) as cluster:
            cluster.stop_broker(0)
        Path(made).rename(archive)


def _class_archive(java: Path) -> Path:
    """Where the classes are kept; Java refuses what another Java has written."""
    version = subprocess.run([java, "-version"], capture_output=True, check=False).stderr
    return _cache() / f"kafka-{kafka_version()}-{hashlib.sha256(version).hexdigest()[:12]}.jsa"


def known_brokers(address: str) -> dict[int, str]:
    """Addresses by node id as the broker at ``address`` tells its clients; empty if none answers."""
    try:
        brokers = _client(address).list_topics(timeout=1).brokers
    except KafkaException:
        return {}
    return {number: f"{broker.host}:{broker.port}" for number, broker in brokers.items()}


def _client(address: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": address, "log_level": 0, "reconnect.backoff.max.ms": 100})


@dataclass(slots=True)
class _Node:
    """One broker: its place, its ports, and its process while it runs."""

    number: int
    directory: Path
    port: int
    controller_port: int
    # Where a broker listens for clients that come through a proxy, and where these look for it.
    hidden_port: int | None = None
    proxy_port: int | None = None
    process: Process | None = field(default=None)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def voter(self) -> str:
        return f"{self.number}@127.0.0.1:{self.controller_port}"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running


def _node(number: int, directory: Path, ports: Sequence[int]) -> _Node:
    """A broker with its two ports, or with four if there is a proxy before it."""
    port, controller_port, *others = ports
    return _Node(number, directory, port, controller_port, *(others[:2] if others else (None, None)))


class KafkaCluster:
    """A cluster of one or three brokers; a context manager.

    Args:
        brokers: how many; broker ``i`` (from 0) has the node id ``i + 1``.
        properties: settings of the brokers, over those in ``_properties``.
        heap_mb: heap of each Java process.
        proxied: also listen for clients of a proxy; see :meth:`way`.
        options: of the brokers' Java.
    """

    def __init__(
        self,
        brokers: int = 1,
        *,
        properties: Mapping[str, str] | None = None,
        heap_mb: int = 256,
        proxied: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        self._java = java_command(heap_mb=heap_mb)
        self._options = tuple(options)
        self._overrides = dict(properties or {})
        self._scratch = tempfile.TemporaryDirectory(prefix="funnelwatch-kafka-")
        each = 4 if proxied else 2
        ports = free_ports(each * brokers)
        self._nodes = [
            _node(i + 1, Path(self._scratch.name, f"broker-{i}"), ports[each * i : each * (i + 1)])
            for i in range(brokers)
        ]

    def __enter__(self) -> Self:
        try:
            self._format()
            self.start_all()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def bootstrap_servers(self) -> str:
        """Addresses of all brokers, comma separated, also of stopped ones."""
        return ",".join(node.address for node in self._nodes)

    @property
    def proxied_servers(self) -> str:
        """Addresses at which clients of the proxies look for the brokers, comma separated."""
        return ",".join(f"127.0.0.1:{self.way(i)[0]}" for i in range(self.brokers))

    def way(self, i: int) -> tuple[int, int]:
        """Port where clients of broker ``i``'s proxy knock, and where the broker listens for the proxy."""
        node = self._nodes[i]
        assert node.proxy_port is not None, "the cluster was not made with proxied=True"
        assert node.hidden_port is not None
        return node.proxy_port, node.hidden_port

    @property
    def brokers(self) -> int:
        """How many brokers the cluster has, running or not."""
        return len(self._nodes)

    def address(self, i: int) -> str:
        """Host and port of broker ``i``."""
        return self._nodes[i].address

    def directory(self, i: int) -> Path:
        """The folder of broker ``i``; its logs are in ``data``."""
        return self._nodes[i].directory

    def running(self, i: int) -> bool:
        """Whether broker ``i`` runs."""
        return self._nodes[i].running

    def log_tail(self, i: int) -> str:
        """The last lines that broker ``i`` wrote."""
        process = self._nodes[i].process
        return process.log_tail() if process else ""

    def leader(self, topic: str, partition: int) -> int | None:
        """The broker that leads a partition; None if there is none now, or nobody says."""
        for described in self._described([topic]):
            number = described.partitions[partition].leader if partition in described.partitions else 0
            return number - 1 if number > 0 else None
        return None

    def in_sync(self, topics: Collection[str]) -> bool:
        """Whether every replica of these topics is in sync."""
        described = self._described(topics)
        return len(described) == len(topics) and all(
            len(partition.isrs) == len(partition.replicas)
            for topic in described
            for partition in topic.partitions.values()
        )

    def _described(self, topics: Collection[str]) -> list[TopicMetadata]:
        """What the first broker that answers knows of topics."""
        for node in self._nodes:
            if node.running:
                with contextlib.suppress(KafkaException):
                    known = _client(node.address).list_topics(timeout=2).topics
                    return [known[topic] for topic in topics if topic in known]
        return []

    def start_broker(self, i: int) -> None:
        """Start broker ``i`` again on its old port and data, and wait until it is back in the cluster."""
        self._launch(self._nodes[i])
        self._await_ready()

    def start_all(self) -> None:
        """Start all brokers that do not run, and wait until they are in the cluster."""
        stopped = [node for node in self._nodes if not node.running]
        for node in stopped:
            self._launch(node)
        if stopped:
            self._await_ready()

    def stop_broker(self, i: int) -> None:
        """Shut broker ``i`` down in order: it hands its leaderships over (a few seconds)."""
        process = self._nodes[i].process
        if process is not None:
            process.terminate(timeout=60)

    def kill_broker(self, i: int) -> None:
        """End broker ``i`` with ``SIGKILL``."""
        process = self._nodes[i].process
        if process is not None:
            process.kill()

    def pause_broker(self, i: int) -> None:
        """Stop broker ``i`` in its tracks: its connections stay open, and nobody answers on them."""
        process = self._nodes[i].process
        if process is not None:
            process.signal(signal.SIGSTOP)

    def resume_broker(self, i: int) -> None:
        """Let a paused broker go on."""
        process = self._nodes[i].process
        if process is not None:
            process.signal(signal.SIGCONT)

    def close(self) -> None:
        """End all brokers and remove their data."""
        for i in range(len(self._nodes)):
            self.kill_broker(i)
        self._scratch.cleanup()

    def _format(self) -> None:
        cluster_id = _new_cluster_id()
        formatting: list[Process] = []
        for node in self._nodes:
            node.directory.mkdir()
            settings = node.directory / "server.properties"
            settings.write_text("".join(f"{k}={v}\n" for k, v in self._properties(node).items()))
            tool = [*self._java, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", settings]
            formatting.append(Process(f"StorageTool {node.number}", tool, log=node.directory / "format.log"))
        for process in formatting:
            if process.wait(_FORMAT_TIMEOUT_S) != 0:
                raise StartFailed(process.explain("failed"))

    def _launch(self, node: _Node) -> None:
        node.process = Process(
            f"Apache Kafka {kafka_version()} broker {node.number}",
            [*self._java, *self._options, "kafka.Kafka", node.directory / "server.properties"],
            log=node.directory / "kafka.log",
        )

    def _await_ready(self) -> None:
        running = [node for node in self._nodes if node.running]
        expected = {node.number for node in running}
        for node in running:
            assert node.process is not None
            node.process.wait_until(
                lambda node=node: known_brokers(node.address).keys() >= expected,  # type: ignore[misc]
                timeout=_READY_TIMEOUT_S,
                what=f"metadata that names the brokers {sorted(expected)}",
            )

    def _properties(self, node: _Node) -> dict[str, str]:
        replicas = str(min(3, len(self._nodes)))
        in_sync = "2" if len(self._nodes) >= 3 else "1"
        plain = [f"PLAINTEXT://{node.address}"]
        hidden = [] if node.hidden_port is None else [f"PROXIED://127.0.0.1:{node.hidden_port}"]
        advertised = [] if node.proxy_port is None else [f"PROXIED://127.0.0.1:{node.proxy_port}"]
        controller = [f"CONTROLLER://127.0.0.1:{node.controller_port}"]
        return {
            "process.roles": "broker,controller",
            "node.id": str(node.number),
            "controller.quorum.voters": ",".join(other.voter for other in self._nodes),
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(plain + hidden + controller),
            "advertised.listeners": ",".join(plain + advertised),
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(node.directory / "data"),
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": "2",
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": in_sync,
            "num.partitions": "4",
            # A topic that nobody created is a fault that a test must see.
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            # Lets tests use short sessions, so that a dead member is noticed soon.
            "group.min.session.timeout.ms": "1000",
            # A killed broker may only register again when its old session has ended.
            "broker.heartbeat.interval.ms": "500",
            "broker.session.timeout.ms": "3000",
            "controller.quorum.election.timeout.ms": "500",
            "controller.quorum.fetch.timeout.ms": "1000",
            # The default of 128 MiB is half the heap.
            "log.cleaner.dedupe.buffer.size": str(8 << 20),
            # Tests write records with time stamps long past, which retention would delete within 30 s.
            "log.retention.check.interval.ms": str(24 * 3600 * 1000),
            **self._overrides,
        }


def _new_cluster_id() -> str:
    """A random id as Kafka writes them; a leading ``-`` would look like an option."""
    text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return "A" + text[1:]


if __name__ == "__main__":
    print(fetch_jars())
