"""Settings become options of Kafka clients, and secrets stay secret."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
from faust.auth import SASLCredentials, SSLCredentials

from streams.config import load_settings
from streams.errors import ConfigError
from streams.worker.kafka import Producer, faust_credentials, kafka_options

if TYPE_CHECKING:
    from pathlib import Path

    from streams.config import Kafka

PASSWORD = "correct horse"
SASL = {"SASL_MECHANISM": "SCRAM-SHA-512", "SASL_USERNAME": "watch", "SASL_PASSWORD": PASSWORD}


def kafka(**values: str) -> Kafka:
    """The section ``kafka`` with these values."""
    environment = {f"FUNNELWATCH__KAFKA__{name}": value for name, value in values.items()}
    return load_settings(None, environment).kafka


def test_plain_text() -> None:
    """Without security there is nothing but where and who."""
    settings = kafka(BOOTSTRAP_SERVERS="a:1,b:2", CLIENT_ID="w1")
    assert kafka_options(settings) == {
        "bootstrap_servers": ["a:1", "b:2"],
        "client_id": "w1",
        "security_protocol": "PLAINTEXT",
    }
    assert faust_credentials(settings) is None


def test_a_password_goes_to_the_client_only() -> None:
    """SASL: mechanism, user and password reach both clients; no repr shows the password."""
    settings = kafka(SECURITY_PROTOCOL="SASL_PLAINTEXT", **SASL)
    options = kafka_options(settings)
    assert (options["sasl_mechanism"], options["sasl_plain_username"]) == ("SCRAM-SHA-512", "watch")
    assert options["sasl_plain_password"] == PASSWORD
    assert "ssl_context" not in options
    credentials = faust_credentials(settings)
    assert isinstance(credentials, SASLCredentials)
    assert (str(credentials.mechanism.value), credentials.username) == ("SCRAM-SHA-512", "watch")
    assert credentials.password == PASSWORD
    assert PASSWORD not in repr(settings) + repr(credentials) + repr(Producer(settings))


@pytest.mark.parametrize(("protocol", "kind"), [("SSL", SSLCredentials), ("SASL_SSL", SASLCredentials)])
def test_encryption_is_verified(protocol: str, kind: type[Any]) -> None:
    """TLS checks the broker's certificate and its name, in both clients."""
    settings = kafka(SECURITY_PROTOCOL=protocol, **(SASL if "SASL" in protocol else {}))
    context = kafka_options(settings)["ssl_context"]
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    credentials = faust_credentials(settings)
    assert isinstance(credentials, kind)
    assert credentials.protocol.value == protocol
    theirs = credentials.context if isinstance(credentials, SSLCredentials) else credentials.ssl_context
    assert isinstance(theirs, ssl.SSLContext)
    assert (theirs.verify_mode, theirs.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_wrong_file_of_authorities(tmp_path: Path, content: str | None) -> None:
    """A file that is missing or holds no certificate is a wrong setting, named as such."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError) as wrong:
        kafka_options(kafka(SECURITY_PROTOCOL="SSL", SSL_CAFILE=str(file)))
    assert wrong.value.field == "kafka.ssl_cafile"
    assert str(file) in wrong.value.allowed
