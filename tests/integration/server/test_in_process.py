"""A server in a thread of a command comes and goes with it, and leaves everything to the next."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.configuration import request, shell_agent
from tests.support.in_thread import PROGRAM
from tests.support.server import (
    DEADLINE_S,
    PYTHON_PATH,
    RunnerProcess,
    processes_naming,
    running,
    wait_for,
)

from ai_orchestrator.client.backend import HttpBackend
from ai_orchestrator.client.transport import UnixTransport
from ai_orchestrator.model.states import OutcomeCode
from ai_orchestrator.model.task import RunOptions, TaskRequest


@contextmanager
def command(data: Path, socket: Path) -> Iterator[subprocess.Popen[str]]:
    """The command, ended at the end."""
    process = subprocess.Popen(
        [sys.executable, PROGRAM, "--data-dir", str(data), "--socket", str(socket)],
        env={"PATH": os.environ["PATH"], "HOME": str(data), "PYTHONPATH": PYTHON_PATH},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(DEADLINE_S)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def said(process: subprocess.Popen[str]) -> str:
    """Its next line."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def close(process: subprocess.Popen[str]) -> None:
    """The server leaves; the command goes on."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert said(process) == "closed"


def task(repository: Path, script: str) -> TaskRequest:
    """A task for one agent."""
    agents = {"coder": shell_agent(script, role="implementation")}
    return request(repository, agents, workflow="quick", options=RunOptions(sandbox="off"))


def test_what_runs_when_the_command_is_done_goes_on_with_the_next_server(
    tmp_path: Path, repository: Path
) -> None:
    """Its agents are gone and its lock is free, though the command still lives."""
    data, mark = tmp_path / "data", tmp_path / "mark"
    data.mkdir()
    script = f"[ -e {mark} ] || {{ touch {mark}; sleep 600; }}; echo hi > out.txt"
    with command(data, data / "runner.sock") as process:
        assert said(process) == "up"
        backend = HttpBackend(UnixTransport(data / "runner.sock"))
        task_id = backend.submit(task(repository, script)).summary.id
        wait_for(mark.exists, "the agent to run")
        close(process)
        assert processes_naming(str(mark)) == []
        assert not (data / "runner.sock").exists()
        with running(data) as runner:
            assert runner.backend.info().resumed_tasks == (task_id,)
            view = runner.until_final(task_id)
    assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
    attempts = [one.outcome for one in view.steps if one.kind == "agent"]
    assert attempts == ["interrupted", "succeeded"]


def test_one_server_owns_a_directory_wherever_it_lives(tmp_path: Path) -> None:
    """A runner beside the command is refused, and a command beside a runner."""
    data = tmp_path / "data"
    data.mkdir()
    with command(data, data / "runner.sock") as process:
        assert said(process) == "up"
        beside = RunnerProcess(data)
        assert beside.process.wait(DEADLINE_S) == 2
        close(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(DEADLINE_S) == 0
    with running(data) as runner, command(data, data / "other.sock") as process:
        assert f"pid {runner.process.pid}" in said(process)
        assert process.wait(DEADLINE_S) == 2


def test_a_command_is_up_when_it_answers_beside_the_socket_of_a_killed_runner(
    tmp_path: Path,
) -> None:
    """After a machine or a container went down it is still there."""
    data = tmp_path / "data"
    runner = RunnerProcess(data)
    runner.until_ready()
    runner.kill()
    assert (data / "runner.sock").exists()
    with command(data, data / "runner.sock") as process:
        assert said(process) == "up"
        assert HttpBackend(UnixTransport(data / "runner.sock")).info().pid == process.pid


def test_a_data_directory_is_its_owners_alone(tmp_path: Path) -> None:
    """Whoever made it, and with whatever mode."""
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    with running(data):
        assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_a_socket_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    """Not after a wait for it to appear; the directory is free again."""
    data = tmp_path / "data"
    data.mkdir()
    with command(data, tmp_path / ("x" * 120) / "runner.sock") as process:
        assert "cannot be made" in said(process)
        assert process.wait(DEADLINE_S) == 3
    with running(data) as runner:
        assert runner.backend.info().unfinished_tasks == 0
