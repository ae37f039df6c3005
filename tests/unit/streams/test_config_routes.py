"""Entries of ``notify.routes``: their words are those of the incidents."""

from __future__ import annotations

import typing

from alerts.message import Language
from alerts.model import Kind
from streams.config_channels import LanguageName
from streams.config_routes import HoursEntry, KindWord


def test_kinds_are_those_of_incidents() -> None:
    """The settings list them again, since they may not import them."""
    assert typing.get_args(KindWord) == tuple(Kind)


def test_languages_are_those_of_messages() -> None:
    """Likewise."""
    assert typing.get_args(LanguageName) == tuple(Language)


def test_a_whole_day() -> None:
    """It begins and ends at midnight, on every day."""
    assert HoursEntry().plain() == {"start_minute": 0, "end_minute": 0, "days": frozenset(range(7))}
