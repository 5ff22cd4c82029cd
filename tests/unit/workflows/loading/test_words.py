"""Durations, command lines and names out of short texts."""

from __future__ import annotations

import pytest

from ai_orchestrator.workflows.loading.words import (
    argv,
    command_name,
    duration_s,
    leaves_repository,
    numbered,
    slug,
)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (90, 90.0),
        (0.5, 0.5),
        ("30s", 30.0),
        ("10m", 600.0),
        ("2h", 7200.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("250ms", 0.25),
        ("1d", 86_400.0),
    ],
)
def test_duration(value: float | str, seconds: float) -> None:
    """Numbers are seconds, texts have a unit."""
    assert duration_s(value) == seconds


@pytest.mark.parametrize(
    "value", [0, -1, "0s", "31d", "10", "m", "10 m", "ten", "1h30", "", "1e9s"]
)
def test_what_is_no_duration_is_refused(value: float | str) -> None:
    """Nothing is guessed about units, and no duration is nothing or endless."""
    with pytest.raises(ValueError, match="duration"):
        duration_s(value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pytest -q", ("pytest", "-q")),
        ("pytest -k 'a and b'", ("pytest", "-k", "a and b")),
        ("pytest -k 'a | b; c > d && $e *'", ("pytest", "-k", "a | b; c > d && $e *")),
        (r"echo a\;b", ("echo", "a;b")),
        ('pytest "a;b"', ("pytest", "a;b")),
    ],
)
def test_plain_line_is_split_into_words(line: str, words: tuple[str, ...]) -> None:
    """Quoted characters are no operators."""
    assert argv(line) == words


@pytest.mark.parametrize(
    "line",
    [
        "a && b",
        "a || b",
        "a | b",
        "a; b",
        "a > f",
        "a < f",
        "(a)",
        "a\nb",
        "a `b`",
        "a $HOME",
        'a "$HOME"',
        'a "`b`"',
        "ls *.py",
        "X=1 a",
        "a &",
    ],
)
def test_line_that_needs_a_shell_gets_one(line: str) -> None:
    """Operators, variables, patterns and assignments mean what they mean in a shell."""
    assert argv(line) == ("sh", "-c", line)


def test_list_is_taken_as_it_is() -> None:
    """A list is never split and never given to a shell."""
    assert argv(["a", "b && c", ""]) == ("a", "b && c", "")


@pytest.mark.parametrize("command", ["", "  ", "''", [], [""], "a 'b", ["a\0"], "a\0b"])
def test_what_is_no_command_is_refused(command: str | list[str]) -> None:
    """Nothing that could not be started gets into a workflow."""
    with pytest.raises(ValueError, match="command"):
        argv(command)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("pytest -q tests", "pytest"),
        ("python -m pytest -q", "pytest"),
        ("python3.11 -m mypy src", "mypy-src"),
        ("npm run lint", "npm-run-lint"),
        ("make test", "make-test"),
        ("go test ./...", "go-test"),
        ("./scripts/check.sh --all", "check-sh"),
        ("CI=1 X=2 cargo clippy", "cargo-clippy"),
        ("cd web && npm test", "cd-web"),
        (["/usr/bin/Über", "x"], "ber-x"),
        (["---"], "command"),
    ],
)
def test_command_has_a_short_name(command: str | list[str], name: str) -> None:
    """What people see in a list of verifiers."""
    assert command_name(command) == name


def test_repeated_names_are_numbered_from_two() -> None:
    """The first keeps its name; what is taken is passed over."""
    assert numbered(["a", "b", "a", "a"], ["a.3"], mark=".") == ["a", "b", "a.2", "a.4"]


@pytest.mark.parametrize(
    ("path", "leaves"),
    [
        (".env", False),
        ("a/b", False),
        ("a..b", False),
        ("/etc/passwd", True),
        ("../x", True),
        ("a/../../x", True),
        ("~/x", True),
        ("a\0", True),
    ],
)
def test_path_that_leaves_the_repository(path: str, leaves: bool) -> None:  # noqa: FBT001 - table
    """Absolute paths and climbing ones are told from those inside."""
    assert leaves_repository(path) is leaves


def test_slug_is_short_and_plain() -> None:
    """Any text becomes a name, or the given one."""
    assert slug("Review the API!" * 10, "x") == ("review-the-api-" * 10)[:40].strip("-")
    assert slug("--", "x") == "x"
