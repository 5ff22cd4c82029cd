"""The same complaint keeps its identity, another one gets its own."""

from __future__ import annotations

import pytest

from ai_orchestrator.model.review import Finding, Severity
from ai_orchestrator.review.fingerprint import SAME_CLAIM, fingerprint, similarity


def finding(claim: str, file: str | None = "core.py", line: int | None = 1) -> Finding:
    """A finding of no interest but for its claim and place."""
    return Finding(Severity.HIGH, claim, file, line)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (finding("Divides by zero"), finding("divides  by\nZERO.")),
        (finding("`divide` fails"), finding("'divide' fails")),
        (finding("“divide” fails"), finding("divide fails!")),
        (finding("fails for 12 items"), finding("fails for 7,000 items")),
        (finding("x", line=1), finding("x", line=99)),
        (finding("x", "./src//core.py"), finding("x", "/work/src/core.py:12")),
        (finding("x", "src\\core.py"), finding("x", "src/core.py:3-9")),
        (Finding(Severity.LOW, "x", "a"), Finding(Severity.CRITICAL, "x", "a", evidence="e")),
    ],
)
def test_telling_it_again_gives_the_same_fingerprint(left: Finding, right: Finding) -> None:
    """Case, space, quotes, numbers, line, severity and evidence are left out."""
    assert fingerprint(left) == fingerprint(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (finding("divides by zero"), finding("leaks a descriptor")),
        (finding("x", "core.py"), finding("x", "Core.py")),
        (finding("x", "core.py"), finding("x", None)),
        (finding("x", "a/core.py"), finding("x", "b/core.py")),
    ],
)
def test_another_claim_or_file_gives_another_fingerprint(left: Finding, right: Finding) -> None:
    """Two complaints are not taken for one."""
    assert fingerprint(left) != fingerprint(right)


SAME = [
    ("Division by zero is not handled in divide()", "divide() does not handle division by zero"),
    (
        "No test covers the empty list",
        "The empty list is not covered by any test",
    ),
    (
        "SQL query is built by string concatenation: injection possible",
        "SQL injection: the query is built with string concatenation",
    ),
    ("The file handle is never closed", "File handle opened in load() is never closed"),
    ("Missing docstring on parse_config", "parse_config has no docstring"),
    (
        "Race condition: cache is written without a lock",
        "The cache is written without holding a lock, which is a race condition",
    ),
]
DIFFERENT = [
    ("Division by zero is not handled in divide()", "multiply() returns a float for integers"),
    ("No test covers the empty list", "The error message names the wrong file"),
    ("The file handle is never closed", "The file name is not validated"),
    ("Missing docstring on parse_config", "parse_config ignores unknown keys"),
    ("Cache is written without a lock", "Cache entries never expire"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_rewording_is_recognised(left: str, right: str) -> None:
    """The same claim in other words, on the same file, is similar enough."""
    assert similarity(finding(left), finding(right)) >= SAME_CLAIM
    assert fingerprint(finding(left)) != fingerprint(finding(right))


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_another_claim_on_the_same_file_is_not_similar(left: str, right: str) -> None:
    """A new complaint about the same code is not taken for the old one."""
    assert similarity(finding(left), finding(right)) < SAME_CLAIM


def test_claims_on_different_files_are_never_similar() -> None:
    """The file counts, however alike the words are."""
    assert similarity(finding("x y z", "a.py"), finding("x y z", "b.py")) == 0.0
