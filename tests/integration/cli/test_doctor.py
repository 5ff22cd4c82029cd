"""`doctor` sees what messages send people to it for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.commands import Person


def line_about(what: str, text: str) -> str:
    """The line of the report about that."""
    (found,) = (line for line in text.splitlines() if line[6:].startswith(what))
    return found


def test_a_runner_that_stands_still_is_a_failure(person: Person) -> None:
    """Asked, not taken for well because its lock is held; and well again when it answers."""
    assert person.types("tasks").code == 0
    pid = person.runner_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    frozen = person.types("doctor")
    os.kill(pid, signal.SIGCONT)
    assert frozen.code == 3
    assert line_about("runner", frozen.out).startswith("FAIL")
    assert f"next: kill -9 {pid}" in frozen.out
    assert line_about("runner", person.types("doctor").out).startswith("OK")


@pytest.mark.parametrize("content", [b"not a database at all", b"SQLite format 3\0" + b"x" * 5000])
def test_a_database_that_is_none_is_a_failure(person: Person, content: bytes) -> None:
    """By its head, and by a query."""
    person.data.mkdir()
    (person.data / "db.sqlite").write_bytes(content)
    done = person.types("doctor")
    assert done.code == 3
    assert line_about("database", done.out).startswith("FAIL")


def test_a_whole_database_is_well(person: Person) -> None:
    """Beside its runner and without it."""
    assert person.types("tasks").code == 0
    assert line_about("database", person.types("doctor").out).startswith("OK")
    person.ends_runner()
    assert line_about("database", person.types("doctor").out).startswith("OK")


def on_full_disk(person: Person, *words: str) -> subprocess.CompletedProcess[str]:
    """What a command does when its data directory lies on a disk without a free byte."""
    data = person.data
    data.mkdir(exist_ok=True)
    fill = f"cat /dev/zero > '{data}/filler' 2>/dev/null"
    script = f"mount -t tmpfs -o size=1m tmpfs '{data}' || exit 99; {fill}; exec \"$@\""
    return subprocess.run(
        [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"),
            *(sys.executable, "-m", "ai_orchestrator.cli", *words),
        ],
        env=person.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )


@pytest.fixture
def full_disk(person: Person) -> Person:
    """Somebody whose commands `on_full_disk` can run."""
    if os.geteuid() != 0 or on_full_disk(person, "version").returncode == 99:
        pytest.skip("needs root and a kernel that lets it mount")
    return person


def test_a_full_disk_is_a_failure(full_disk: Person) -> None:
    """Nothing can run there."""
    done = on_full_disk(full_disk, "doctor")
    assert done.returncode == 3
    assert line_about("disk", done.stdout).startswith("FAIL")


def test_a_runner_that_finds_no_room_is_told_as_that(full_disk: Person) -> None:
    """Also where not even its log could be written."""
    done = on_full_disk(full_disk, "tasks")
    assert done.returncode == 3, done.stderr
    assert "did not start: the disk is full (0 KiB free). Free some space" in done.stderr


@pytest.mark.parametrize("where", ["/etc/passwd", "/proc/x", "/etc/passwd/below"])
@pytest.mark.parametrize("words", [("tasks",), ("gc",), ("run", "--in-process", "x")], ids=" ".join)
def test_a_directory_that_cannot_be_used_is_told_as_doctor_does(
    person: Person, repository: Path, where: str, words: tuple[str, ...]
) -> None:
    """Exit code 3, the directory and what to do; no defect."""
    person.has_agent("true", settings={"default_workflow": "quick"})
    done = person.types("--data-dir", where, *words, cwd=repository)
    assert done.code == 3, done.err
    assert done.err.startswith(f"ai-orchestrator: data directory {where} ")
    assert "internal error" not in done.err
    report = person.types("--data-dir", where, "doctor")
    assert report.code == 3
    assert done.err.removeprefix("ai-orchestrator: ").strip() in report.out


def test_agents_are_counted_and_a_broken_configuration_is_a_failure(person: Person) -> None:
    """Of the configuration that `-c` names, too."""
    off = {"builtin": {"enabled": False}}
    person.has_agent("true", others=off)
    checks = {one["name"]: one for one in person.types("doctor", "--json").json_lines[0]}
    assert checks["agents"]["level"] == "ok"
    assert "1 of 1 ready: coder" in checks["agents"]["detail"]
    broken = person.home / "broken.yaml"
    broken.write_text("agnets: {}\n")
    done = person.types("doctor", "--json", "-c", str(broken))
    checks = {one["name"]: one for one in done.json_lines[0]}
    assert (done.code, checks["agents"]["level"]) == (3, "fail")
    assert "agnets" in checks["agents"]["detail"]


def test_no_ready_agent_is_a_warning_with_what_to_type(person: Person) -> None:
    """The demo works without any."""
    person.writes({"agents": {"builtin": {"enabled": False}}})
    checks = {one["name"]: one for one in person.types("doctor", "--json").json_lines[0]}
    assert (checks["agents"]["level"], checks["agents"]["next_command"]) == (
        "warn",
        "ai-orchestrator agents",
    )
