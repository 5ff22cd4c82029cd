"""What `when` and `until` may say, what it means, and how a wrong one is told."""

from __future__ import annotations

from dataclasses import fields

import pytest

from ai_orchestrator.workflows.condition import (
    FACT_KINDS,
    ConditionError,
    Facts,
    evaluate,
    parse,
)

FACTS = Facts(
    iteration=2, open_findings=3, failed_verifiers=0, verified=True, approved=False, changed=True
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("false", False),
        ("verified", True),
        ("approved and verified", False),
        ("approved or verified", True),
        ("not approved", True),
        ("iteration == 1", False),
        ("iteration > 1", True),
        ("open_findings >= 3", True),
        ("open_findings < 3", False),
        ("failed_verifiers != 0", False),
        ("failed_verifiers <= 0", True),
        ("verified == changed", True),
        ("verified != approved", True),
        ("not verified or open_findings > 0", True),
        ("not (verified or approved)", False),
        ("(iteration == 2) == verified", True),
        ("true or false and false", True),
        ("(true or false) and false", False),
        ("not false and false", False),
    ],
)
def test_condition_means_what_it_says(text: str, expected: bool) -> None:  # noqa: FBT001 - table
    """Comparisons bind closer than `not`, `not` closer than `and`, `and` closer than `or`."""
    assert evaluate(parse(text), FACTS) is expected


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 0, "missing"),
        ("verified and", 12, "missing"),
        ("(verified", 9, "')' is missing"),
        ("verified)", 8, "does not belong"),
        ("iteratoin > 1", 0, "Did you mean 'iteration'?"),
        ("verified and open_findigns > 0", 13, "Did you mean 'open_findings'?"),
        ("iteration", 0, "is a number"),
        ("not open_findings", 4, "is a number"),
        ("verified and 1", 13, "is a number"),
        ("verified < 2", 0, "is true or false"),
        ("1 == verified", 5, "is true or false"),
        ("1 < 2 < 3", 6, "does not belong"),
        ("verified; import os", 8, "unexpected character"),
        ("__import__(1)", 0, "no name '__import__'"),
        ("iteration == 1234567890", 13, "at most 9 digits"),
        ("iteration = 1", 10, "unexpected character"),
    ],
)
def test_error_names_the_place(text: str, position: int, words: str) -> None:
    """A wrong condition is refused with the character where it goes wrong."""
    with pytest.raises(ConditionError) as caught:
        parse(text)
    assert caught.value.position == position
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["(" * 400, "not " * 120 + "true", "true " * 10_000])
def test_huge_condition_is_refused(text: str) -> None:
    """Depth and length are bounded, so that a hostile file costs nothing."""
    with pytest.raises(ConditionError):
        parse(text)


def test_every_fact_has_a_kind() -> None:
    """The names of the language are the fields of `Facts`."""
    assert set(FACT_KINDS) == {field.name for field in fields(Facts)}
