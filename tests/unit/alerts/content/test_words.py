"""Languages: every word in each of them."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from alerts.content.writing import LANGUAGES
from alerts.diagnosis.diagnosing import RuledOut
from alerts.message import Language, LinkKind, MessageState
from alerts.model import Kind, Severity
from alerts.partition_lag import Symptom
from streams.promotions import Phase

if TYPE_CHECKING:
    from alerts.content.words import Words


@pytest.mark.parametrize("language", list(Language))
def test_no_word_is_missing(language: Language) -> None:
    """Of every closed set, and every label, and none is empty."""
    words: Words = LANGUAGES[language]
    sets = {
        "states": MessageState,
        "severities": Severity,
        "kinds": Kind,
        "links": LinkKind,
        "symptoms": Symptom,
        "ruled_out": RuledOut,
        "phases": Phase,
    }
    for name, closed in sets.items():
        said = getattr(words, name)
        assert set(said) == {*closed}, name
        assert all(said.values())
    labels = [getattr(words.labels, field.name) for field in fields(words.labels)]
    assert all(labels)
    assert len(set(labels)) == len(labels) or language is Language.EN
