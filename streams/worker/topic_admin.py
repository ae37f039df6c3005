"""Creates and inspects topics through Kafka's admin protocol.

Promises: creates only what is missing and never changes what is there; says of every topic how it
differs from what is wanted. Refuses to guess: whatever Kafka turns down, and a broker that cannot
create topics at all, is a :class:`streams.errors.TopicError` with Kafka's own reason.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code

from streams.errors import TopicError
from streams.topics import TopicShape, aligned, find_problems
from streams.worker.kafka import start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from streams.topics import TopicProblem, TopicSpec

T = TypeVar("T")

_REQUEST_TIMEOUT_MS: Final = 8_000
# Longer than a broker that died stays in the cluster's metadata: 9 s unless configured otherwise.
_PATIENCE_S: Final = 30.0
_PAUSE_S: Final = 0.2
_VISIBLE_TIMEOUT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class CreatedTopics:
    """What :func:`create_topics` found and did, by name."""

    created: tuple[str, ...]
    existing: tuple[str, ...]


async def create_topics(
    bootstrap_servers: str | Sequence[str], specs: Iterable[TopicSpec], **security: Any
) -> CreatedTopics:
    """Create the topics that are missing and wait until they can be used.

    A missing topic that must have as many partitions as one that is there gets as many.

    Args:
        bootstrap_servers: ``host:port``, comma separated or a sequence.
        specs: what is wanted.
        security: what aiokafka's clients take, e.g. ``security_protocol``, ``ssl_context``.

    Raises:
        TopicError: Kafka cannot be reached or turned a topic down; others may have been created.
    """
    wanted = tuple(specs)
    made: set[str] = set()
    return await _administer(bootstrap_servers, security, lambda admin: _create_missing(admin, wanted, made))


async def verify_topics(
    bootstrap_servers: str | Sequence[str], specs: Iterable[TopicSpec], **security: Any
) -> list[TopicProblem]:
    """How the topics differ from what is wanted, in the order of ``specs``; empty if all is well.

    Args:
        bootstrap_servers: ``host:port``, comma separated or a sequence.
        specs: what is wanted.
        security: what aiokafka's clients take, e.g. ``security_protocol``, ``ssl_context``.

    Raises:
        TopicError: Kafka cannot be reached or does not let itself be asked.
    """
    wanted = tuple(specs)

    async def look(admin: AIOKafkaAdminClient) -> list[TopicProblem]:
        return find_problems(wanted, await _shapes(admin, [spec.name for spec in wanted]))

    return await _administer(bootstrap_servers, security, look)


async def _administer(
    bootstrap_servers: str | Sequence[str],
    security: Mapping[str, Any],
    operate: Callable[[AIOKafkaAdminClient], Awaitable[T]],
) -> T:
    """``operate``, again with a new client while Kafka says, by word or silence, that it may work later.

    aiokafka's client clings to the broker that it took for the controller, also when that has died;
    only a new one asks who is there.
    """
    servers = bootstrap_servers if isinstance(bootstrap_servers, str) else ",".join(bootstrap_servers)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE_S
    while True:
        try:
            return await _operate_once(servers, security, operate)
        except (KafkaError, TimeoutError) as error:
            if loop.time() > deadline or not getattr(error, "retriable", True):
                raise TopicError(f"Kafka at {servers}: {type(error).__name__}") from error
            await asyncio.sleep(_PAUSE_S)


async def _operate_once(
    servers: str, security: Mapping[str, Any], operate: Callable[[AIOKafkaAdminClient], Awaitable[T]]
) -> T:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=_REQUEST_TIMEOUT_MS, **security)
    try:
        try:
            await start(admin)
        except KafkaConnectionError as error:
            raise TopicError(f"no Kafka broker at {servers} answers, or takes these credentials") from error
        return await operate(admin)
    finally:
        await admin.close()


async def _create_missing(
    admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec], made: set[str]
) -> CreatedTopics:
    """``made`` has the names of what an earlier attempt made, and gets those of this one."""
    partitions = {name: len(found) for name, found in (await _placements(admin)).items()}
    missing = [spec for spec in aligned(specs, partitions) if spec.name not in made | partitions.keys()]
    if missing:
        await _create(admin, missing)
        made.update(spec.name for spec in missing)
    if made:
        await _until_visible(admin, made)
    names = [spec.name for spec in specs]
    return CreatedTopics(
        tuple(name for name in names if name in made), tuple(name for name in names if name not in made)
    )


async def _create(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    await _require_controller(admin)
    new = [NewTopic(s.name, s.partitions, s.replication_factor, topic_configs=dict(s.config)) for s in specs]
    answer = await admin.create_topics(new, timeout_ms=_REQUEST_TIMEOUT_MS)
    # Somebody else may have been quicker: then it is there, which is what was asked for.
    refused = [error for error in answer.topic_errors if error[1] not in {0, TopicAlreadyExistsError.errno}]
    _raise_if_passing(code for _, code, _ in refused)
    if refused:
        said = "; ".join(f"{name}: {message or for_code(code).__name__}" for name, code, message in refused)
        raise TopicError(f"Kafka did not create {said}")


def _raise_if_passing(codes: Iterable[int]) -> None:
    """An error that Kafka calls passing is raised as it is, so that all is tried again."""
    for code in codes:
        if code and for_code(code).retriable:
            raise for_code(code)


async def _require_controller(admin: AIOKafkaAdminClient) -> None:
    """Refuse brokers without one, such as the embedded broker of the demo, before aiokafka trips."""
    cluster = await admin.describe_cluster()
    if cluster["controller_id"] not in {broker["node_id"] for broker in cluster["brokers"]}:
        raise TopicError(
            "this broker has no controller, so it cannot create topics; "
            "the embedded broker makes them at their first use"
        )


async def _until_visible(admin: AIOKafkaAdminClient, wanted: set[str]) -> None:
    """Brokers learn of a new topic a moment after the controller has made it."""
    visible: set[str] = set()
    async with asyncio.timeout(_VISIBLE_TIMEOUT_S):
        while not wanted <= visible:
            await asyncio.sleep(_PAUSE_S)
            visible = {name for name, parts in (await _placements(admin)).items() if _led(parts)}


def _led(partitions: Sequence[Mapping[str, Any]]) -> bool:
    return all(partition["leader"] >= 0 for partition in partitions)


async def _placements(admin: AIOKafkaAdminClient) -> dict[str, list[dict[str, Any]]]:
    """The partitions of every topic. Asks for all: naming a missing one may create it."""
    topics = await admin.describe_topics()
    return {topic["topic"]: topic["partitions"] for topic in topics if topic["error_code"] == 0}


async def _shapes(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, TopicShape]:
    placements = await _placements(admin)
    found = [name for name in names if name in placements]
    configs = await _configs(admin, found)
    return {
        name: TopicShape(
            len(placements[name]), min(len(part["replicas"]) for part in placements[name]), configs[name]
        )
        for name in found
    }


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    answers = await admin.describe_configs(resources)
    described = [resource for answer in answers for resource in answer.resources]
    _raise_if_passing(resource[0] for resource in described)
    configs: dict[str, dict[str, str]] = {}
    for code, message, _, name, entries in described:
        if code:
            raise TopicError(f"Kafka does not describe {name}: {message or for_code(code).__name__}")
        configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs
