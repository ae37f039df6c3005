"""Entries of ``notify.channels``: secrets are named, never written."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from streams.config_channels import ChannelEntry


def entry(**fields: Any) -> dict[str, Any]:
    """A channel as the file has it."""
    return {"name": "ops", "kind": "slack", "url_env": "URL"} | fields


def test_a_channel_by_default() -> None:
    """Ten seconds, public addresses only."""
    channel = ChannelEntry.model_validate(entry())
    assert (channel.timeout_ms, channel.allow_private, channel.allow_networks) == (10_000, False, ())
    assert channel.plain()["url_env"] == "URL"


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "telegram", "url_env": None, "secret_file": "/run/secrets/bot", "chat_id": "-1"},
        {"kind": "pagerduty", "url_env": None, "secret_env": "KEY"},
        {"kind": "alertmanager", "url_env": None, "url": "http://alertmanager:9093", "allow_private": True},
        {"kind": "apprise"},
        {"timeout": "3s", "allow_networks": "10.0.0.0/8,192.168.1.1"},
    ],
)
def test_what_is_taken(fields: dict[str, Any]) -> None:
    """Each kind with what it goes by."""
    assert ChannelEntry.model_validate(entry(**fields)).name == "ops"


@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        ({"url_env": None}, "url_file must be given for slack"),
        ({"url_env": None, "url": "https://hooks.example/s3cret"}, "is a secret"),
        ({"url_file": "/x"}, "give one of them"),
        ({"kind": "alertmanager", "url": "http://a"}, "must not stand beside url_env"),
        ({"kind": "telegram", "secret_env": "T"}, "stands with kind: telegram"),
        ({"chat_id": "1"}, "stands with kind: telegram"),
        ({"kind": "pagerduty"}, "secret_file must be given for pagerduty"),
        ({"kind": "pigeon"}, "Input should be"),
        ({"url_env": "https://hooks.example/s3cret"}, "name of an environment variable"),
        ({"timeout": "1h"}, "duration from"),
        ({"allow_networks": ["inside"]}, "an address or a network"),
        ({"token": "s3cret"}, "not permitted"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], finding: str) -> None:
    """With what is allowed; what was written is not repeated."""
    with pytest.raises(ValidationError) as refusal:
        ChannelEntry.model_validate(entry(**fields))
    details = refusal.value.errors(include_input=False, include_url=False)
    assert finding in str(details)
    assert "s3cret" not in str(details)
