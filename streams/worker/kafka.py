"""Connections to Kafka: one place that turns settings into options, and a patient producer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from faust.auth import SASLCredentials, SSLCredentials

from streams.errors import ConfigError, KafkaUnreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiokafka import AIOKafkaConsumer
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.producer.message_accumulator import MessageAccumulator
    from faust.auth import Credentials

    from streams.config import Kafka

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 1.0
# Short enough for whoever asks whether the worker is alive.
_LONGEST_PAUSE_SECONDS = 5.0
_ATTEMPT_SECONDS = 10.0
_STOP_SECONDS = 5.0
_BATCH_BYTES = 256 * 1024
MAX_REQUEST_BYTES = 4 << 20


def kafka_options(kafka: Kafka) -> dict[str, Any]:
    """Options that every aiokafka client takes.

    Raises:
        ConfigError: the file of authorities cannot be read.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": list(kafka.bootstrap_servers),
        "client_id": kafka.client_id,
        "security_protocol": kafka.security_protocol,
    }
    context = _ssl_context(kafka)
    if context is not None:
        options["ssl_context"] = context
    if kafka.security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = kafka.sasl_username
        options["sasl_plain_password"] = _password(kafka)
    return options


def faust_credentials(kafka: Kafka) -> Credentials | None:
    """The same for Faust."""
    context = _ssl_context(kafka)
    if kafka.security_protocol.startswith("SASL"):
        return SASLCredentials(
            username=kafka.sasl_username,
            password=_password(kafka),
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context) if context is not None else None


def _ssl_context(kafka: Kafka) -> ssl.SSLContext | None:
    if "SSL" not in kafka.security_protocol:
        return None
    try:
        return ssl.create_default_context(cafile=str(kafka.ssl_cafile) if kafka.ssl_cafile else None)
    except OSError as error:
        allowed = f"a PEM file with certificates of authorities, not {kafka.ssl_cafile}"
        raise ConfigError("kafka.ssl_cafile", allowed) from error


def _password(kafka: Kafka) -> str | None:
    return kafka.sasl_password.get_secret_value() if kafka.sasl_password else None


async def start(client: AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient) -> None:
    """Start a client; whoever is cancelled meanwhile leaves when it has started or failed.

    aiokafka forgets a connection in whose opening it is cancelled, and never closes it.
    """
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting], timeout=_STOP_SECONDS)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        raise


async def open_consumer(consumer: AIOKafkaConsumer, topic: str) -> None:
    """Start a consumer; one that does not start is closed.

    Raises:
        KafkaUnreachable: no broker answers; ``topic`` says what it was wanted for.
    """
    try:
        await start(consumer)
    except BaseException as error:
        await consumer.stop()
        if isinstance(error, (KafkaError, OSError)):
            raise KafkaUnreachable(f"{topic}: kafka unreachable: {type(error).__name__}") from error
        raise


async def patiently(
    operate: Callable[[], Awaitable[T]], waiting_for: Callable[[str], object], seconds: float
) -> T:
    """Do what needs Kafka, once more while that is out of reach.

    Args:
        operate: what is to be done.
        waiting_for: is told why it takes long.
        seconds: of trying; then the last error stands.

    Raises:
        KafkaUnreachable: it was out of reach all that time.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            return await operate()
        except KafkaUnreachable as error:
            if loop.time() > deadline:
                raise
            waiting_for(str(error))
            _LOG.warning("kafka unreachable, trying again", extra={"error": str(error)})
        await asyncio.sleep(_FIRST_PAUSE_SECONDS)


class Producer:
    """An idempotent producer that waits for Kafka as long as it takes, and leaves when it must.

    Args:
        kafka: how to reach it.
    """

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._producer: AIOKafkaProducer | None = None

    async def connect(self, waiting_for: Callable[[str], None]) -> None:
        """Connect, trying again with growing pauses; ``waiting_for`` is told why it takes long."""
        servers = ",".join(self._kafka.bootstrap_servers)
        waiting_for(f"connecting to kafka: {servers}")
        pause = _FIRST_PAUSE_SECONDS
        while self._producer is None:
            try:
                self._producer = await self._started()
            except (KafkaError, OSError) as error:
                waiting_for(f"kafka unreachable: {servers}: {type(error).__name__}")
                _LOG.warning(
                    "kafka unreachable, trying again",
                    extra={"servers": servers, "error": type(error).__name__, "seconds": pause},
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _started(self) -> AIOKafkaProducer:
        """A producer that is connected; one that fails to is closed."""
        # aiokafka stops itself after a failed start and cannot be started again.
        producer = AIOKafkaProducer(
            **kafka_options(self._kafka),
            enable_idempotence=True,
            acks="all",
            # aiokafka's lz4 is the slow, strong kind: a twentieth of this speed, and no smaller.
            compression_type="zstd",
            linger_ms=5,
            max_batch_size=_BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
        )
        try:
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                await start(producer)
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def send(
        self,
        topic: str,
        *,
        value: bytes | None,
        key: bytes | None,
        partition: int | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> asyncio.Future[Any]:
        """Hand one message over; the future is done when the broker has it.

        Raises:
            KafkaError: it cannot be handed over.
        """
        if self._producer is None:
            try:
                self._producer = await self._started()
            except OSError as error:
                raise KafkaConnectionError(str(error)) from error
        future: asyncio.Future[Any] = await self._producer.send(
            topic, value=value, key=key, partition=partition, headers=list(headers)
        )
        return future

    async def discard(self) -> None:
        """Give up what is under way; the next message goes through a new connection."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _abort(producer)

    async def stop(self) -> None:
        """Send what is under way and disconnect; give up what Kafka does not take in time."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await producer.flush()
        except (TimeoutError, KafkaError):
            _LOG.warning("kafka did not take the last messages")
        await _abort(producer)


async def _abort(producer: AIOKafkaProducer) -> None:
    """Close a producer without waiting for what it has not sent: an idempotent one would for ever."""
    # In this order: a sending task finds no failed batch in its hands.
    with contextlib.suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(_STOP_SECONDS):
            await producer._sender.close()  # noqa: SLF001  # aiokafka has no public way to give up
    _fail_unsent(producer._message_accumulator)  # noqa: SLF001  # likewise
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.stop()
    except TimeoutError:
        _LOG.warning("a connection to kafka does not close")


def _fail_unsent(accumulator: MessageAccumulator) -> None:
    batches = [*chain.from_iterable(accumulator._batches.values()), *accumulator._pending_batches]  # noqa: SLF001  # likewise
    accumulator.fail_all(KafkaConnectionError("given up"))
    for batch in batches:
        # Nobody waits for these any more, and asyncio reports errors at which nobody has looked.
        if batch._drain_waiter.done():  # noqa: SLF001  # likewise
            batch._drain_waiter.exception()  # noqa: SLF001  # likewise
