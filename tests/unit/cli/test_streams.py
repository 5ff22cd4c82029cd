"""Streams that were closed before the program began, and streams that are full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.cli.memory import SHORT

TOP = Path(__file__).parents[3]
REAL = "ai_orchestrator.cli"
ENDS = "tests.unit.cli.program ends"


def shell(command: str, redirection: str) -> subprocess.CompletedProcess[str]:
    """`python -m COMMAND REDIRECTION` in a shell, which is who closes streams."""
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m {command} {redirection}', sys.executable],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "redirection", "code", "told"),
    [
        pytest.param(f"{REAL} --help", ">&-", 0, "", id="help-without-stdout"),
        pytest.param(f"{REAL} --help", ">&- 2>&-", 0, "", id="help-without-both"),
        pytest.param(f"{ENDS} tasks", ">&-", 0, "", id="tasks-without-stdout"),
        pytest.param(f"{ENDS} run t", "2>&-", 0, "", id="run-without-stderr"),
        pytest.param(f"{ENDS} run t", "<&-", 0, "", id="run-without-stdin"),
        pytest.param(f"{ENDS} run t", "<&- >&- 2>&-", 0, "", id="run-without-any"),
        pytest.param(f"{ENDS} tasks", "2>/dev/full", 0, "", id="tasks-with-full-stderr"),
        pytest.param(f"{REAL} run -", "<&-", 2, "stdin: the task is empty", id="task-of-stdin"),
    ],
)
def test_a_stream_that_is_closed_takes_and_gives_nothing(
    command: str, redirection: str, code: int, told: str
) -> None:
    """As /dev/null does: nothing fails because of it, and nothing is printed in its place."""
    done = shell(command, redirection)

    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_task_is_watched_to_its_end_without_stderr() -> None:
    """The story on stdout is whole."""
    done = shell(f"{ENDS} run t", "2>&-")

    assert f"task {SHORT} accepted" in done.stdout
    assert "approved verified" in done.stdout


@pytest.mark.parametrize(
    "command",
    [f"{REAL} --help", f"{REAL} completion bash", f"{ENDS} tasks", f"{ENDS} tasks --json"],
)
def test_a_full_stdout_is_told_in_one_line(command: str) -> None:
    """It is the machine that lacks something, and no defect of the program."""
    done = shell(command, "> /dev/full")

    assert done.returncode == 3
    assert done.stderr.startswith("ai-orchestrator: stdout cannot be written: No space left")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["run t", "run t --json", f"tasks retry {SHORT} --watch"])
def test_a_task_that_cannot_be_shown_is_named_on_stderr(command: str) -> None:
    """It goes on; without its id nobody would find it."""
    done = shell(f"{ENDS} {command}", "> /dev/full")

    assert done.returncode == 3
    assert f"ai-orchestrator tasks watch {SHORT}" in done.stderr
    assert "defect" not in done.stderr
