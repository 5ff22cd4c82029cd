"""Texts inside structs."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.events import (
    AgentUsageData,
    QuotaChangedData,
    StepFinishedData,
    StepStartedData,
    TaskStateData,
    UnknownData,
    VerifierFinishedData,
)
from ai_orchestrator.model.review import VerifierResult
from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.texts import free_texts, map_texts
from ai_orchestrator.store.texts import storable

NOW = datetime(2026, 1, 31, tzinfo=UTC)
RESULT = VerifierResult("test", ("make", "test"), 0, False, 1.0, "ok", None)  # noqa: FBT003 # a field


def _upper(text: str) -> str:
    return text.upper()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (StepStartedData("agent", agent="claude"), StepStartedData("agent", agent="CLAUDE")),
        (
            TaskStateData(TaskState.FAILED, OutcomeCode.BOUND, "why"),
            TaskStateData(TaskState.FAILED, OutcomeCode.BOUND, "WHY"),
        ),
        (
            VerifierFinishedData(RESULT, "c1"),
            VerifierFinishedData(
                VerifierResult("TEST", ("MAKE", "TEST"), 0, False, 1.0, "OK", None),  # noqa: FBT003 # a field
                "C1",
            ),
        ),
        (UnknownData({"a": ["b", 1, None]}), UnknownData({"A": ["B", 1, None]})),
        (QuotaChangedData("a", None, NOW), QuotaChangedData("A", None, NOW)),
    ],
    ids=["literal", "enum", "nested", "unknown", "time"],
)
def test_free_texts_change_and_vocabulary_stays(before: object, after: object) -> None:
    """Texts in tuples, dicts and nested structs change; literals, enums, times do not."""
    assert map_texts(before, _upper) == after


def test_value_without_a_change_is_the_same_object() -> None:
    """Nothing is copied where nothing is to be done."""
    for data in (
        VerifierFinishedData(RESULT, "c1"),
        AgentUsageData(Usage(1, 2, 3, Decimal("0.1"))),
        StepFinishedData("succeeded"),
    ):
        assert map_texts(data, str) is data


def test_free_texts_are_listed_in_order() -> None:
    """Every free text once, in the order of the fields."""
    assert free_texts(VerifierFinishedData(RESULT, "c1")) == ["test", "make", "test", "ok", "c1"]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain", "plain"),
        ("ü ✓ \U0001f600", "ü ✓ \U0001f600"),
        ("a\0b", "a\ufffdb"),
        ("\udc80x", "\ufffdx"),
    ],
    ids=["ascii", "unicode", "nul", "surrogate"],
)
def test_what_a_database_refuses_is_replaced(text: str, stored: str) -> None:
    """Only NUL and half pairs are replaced."""
    assert storable(text) == stored
    assert storable(text).encode()
