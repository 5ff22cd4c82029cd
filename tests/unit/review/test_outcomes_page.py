"""The pages on outcomes and verifiers say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ai_orchestrator.model.review import FindingState
from ai_orchestrator.model.states import OutcomeCode, SuccessRule, TaskState, exit_code
from ai_orchestrator.review.detect import detect

DOCS = Path(__file__).parents[3] / "docs"
OUTCOMES = (DOCS / "reference/outcomes.md").read_text(encoding="utf-8")
VERIFY = (DOCS / "howto/verify.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", OUTCOMES, re.MULTILINE))
SUCCESSES = {"approved_verified", "verified", "changed_verified"}
"""Outcomes that a failed task never has."""


def test_every_outcome_is_on_the_page_once() -> None:
    """And nothing else is."""
    assert sorted(ROWS) == sorted(OutcomeCode)
    assert len(re.findall(r"^\| `\w+` \| \d+ \|", OUTCOMES, re.MULTILINE)) == len(ROWS)


@pytest.mark.parametrize("code", OutcomeCode)
def test_exit_code_on_the_page_is_the_real_one(code: OutcomeCode) -> None:
    """Of a failed task; of a succeeded one where the outcome is a success only."""
    state = TaskState.SUCCEEDED if code in SUCCESSES else TaskState.FAILED
    assert int(ROWS[code]) == exit_code(state, code)


def test_every_rule_and_state_is_on_the_page() -> None:
    """Whoever reads it finds the word that the program printed."""
    for word in (*SuccessRule, *FindingState):
        assert f"| `{word}` |" in OUTCOMES


@pytest.mark.parametrize(
    "files",
    [
        {"tests/test_a.py": ""},
        {"test_a.py": "import unittest"},
        {"package.json": '{"scripts": {"test": "x", "lint": "x"}}'},
        {"go.mod": ""},
        {"Cargo.toml": ""},
        {"pom.xml": ""},
        {"build.gradle": ""},
        {"Makefile": "test:\n"},
    ],
    ids=lambda files: next(iter(files)),
)
def test_every_detected_command_line_is_on_the_page(files: dict[str, str]) -> None:
    """What may run on somebody's machine is said beforehand."""
    verifiers = detect(files, files.get, lambda _: True).verifiers
    assert verifiers
    for verifier in verifiers:
        assert f"`{' '.join(verifier.argv)}`" in VERIFY
