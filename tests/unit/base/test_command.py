"""What a command may say, and in which words it is refused."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from ai_orchestrator.base import guardian_wire
from ai_orchestrator.base.command import STAGES, Command, Exit, Stage, spawn_error
from ai_orchestrator.base.errors import InternalError


def command(**changes: Any) -> Command:
    """A good command with `changes`."""
    fields = {"argv": ("tool", "x"), "cwd": Path("/w"), "env": {"PATH": "/usr/bin"}, "tree": "t-1"}
    return Command(**{**fields, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"argv": ()},
        {"argv": ("",)},
        {"argv": ("a", "b\0c")},
        {"tree": ""},
        {"tree": "a/b"},
        {"tree": "x" * 101},
        {"env": {"A=B": "c"}},
        {"env": {"A": "\0"}},
        {"pass_fds": {2: 9}},
        {"pass_fds": dict.fromkeys(range(3, 300), 9)},
    ],
    ids=str,
)
def test_impossible_command_is_a_defect(changes: dict[str, Any]) -> None:
    """What the kernel or the wire cannot carry is refused where it is made."""
    with pytest.raises(InternalError, match=r"tree|command"):
        command(**changes)


@pytest.mark.parametrize("tree", ["t", "..", "a.b_c-D9", "x" * 100])
def test_name_of_a_tree(tree: str) -> None:
    """Letters, digits, dot, underscore, hyphen."""
    assert command(tree=tree).tree == tree


@pytest.mark.parametrize(
    ("returncode", "expected"),
    [(0, Exit(0, None, 2)), (3, Exit(3, None, 2)), (-15, Exit(None, 15, 2))],
)
def test_exit_from_a_return_code(returncode: int, expected: Exit) -> None:
    """Negative is a signal."""
    assert Exit.of_returncode(returncode, leftovers=2) == expected
    assert expected.is_success == (returncode == 0)


@pytest.mark.parametrize(
    ("stage", "number", "words"),
    [
        ("program", errno.ENOENT, ["'tool'", "No such file", "PATH (/usr/bin)"]),
        ("program", errno.E2BIG, ["too long", "standard input"]),
        ("program", errno.ENOEXEC, ["Exec format", "#!"]),
        ("directory", errno.ENOENT, ["directory '/w'", "must exist"]),
        ("descriptors", errno.EMFILE, ["Too many open files"]),
        ("containment", errno.EPERM, ["cgroup", "doctor"]),
    ],
)
def test_spawn_error_says_what_where_why(stage: Stage, number: int, words: list[str]) -> None:
    """And what to do; it is exit code 3."""
    error = spawn_error(command(), stage, number)
    assert all(word in str(error) for word in ["t-1", "'tool'", *words])
    assert (error.code, error.exit_code) == ("spawn-failed", 3)


def test_guardian_and_owner_name_the_same_stages() -> None:
    """The guardian, which cannot import the one, has a copy of its own."""
    assert guardian_wire.STAGES == STAGES
