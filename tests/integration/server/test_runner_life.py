"""How a runner begins and ends: one per data directory, gone when idle, drained when asked."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.configuration import request, shell_agent
from tests.support.server import DEADLINE_S, RunnerProcess, processes_naming, running, wait_for

from ai_orchestrator.base.errors import UnreachableError
from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.task import RunOptions, TaskRequest

OFF = RunOptions(sandbox="off")


def one_step(repository: Path, script: str) -> TaskRequest:
    """A task with one agent that runs the script."""
    agents = {"coder": shell_agent(script, role="implementation")}
    return request(repository, agents, workflow="quick", options=OFF)


def held_up(repository: Path, gate: Path) -> TaskRequest:
    """A task whose agent says that it runs, and goes on when the gate is opened."""
    script = f"touch {gate}.reached; while [ ! -e {gate} ]; do sleep 0.02; done; echo hi > out.txt"
    return one_step(repository, script)


def until_reached(gate: Path) -> None:
    """The agent runs."""
    wait_for(Path(f"{gate}.reached").exists, "the agent to run")


def ended(runner: RunnerProcess) -> int:
    """The runner's exit code, once it has ended by itself."""
    return runner.process.wait(DEADLINE_S)


def test_a_second_runner_is_refused_by_name(tmp_path: Path) -> None:
    """It ends with exit code 2, names who holds the directory and the way to have several."""
    with running(tmp_path / "data") as first:
        second = RunnerProcess(tmp_path / "data")
        assert ended(second) == 2
        said = second.log.read_text()
        assert f"pid {first.process.pid}" in said
        assert "PostgreSQL" in said
        assert first.backend.info().pid == first.process.pid


def test_the_socket_is_its_owners_alone(tmp_path: Path) -> None:
    """Whoever may connect may run commands as the owner."""
    with running(tmp_path / "data") as runner:
        status = runner.socket.stat()
        assert stat.S_ISSOCK(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert not runner.socket.with_suffix(".new").exists()


def test_an_idle_runner_leaves_and_takes_its_socket_along(tmp_path: Path) -> None:
    """Nothing is left but the data."""
    runner = RunnerProcess(tmp_path / "data", "--idle-s", "0.2")
    assert ended(runner) == 0
    assert not runner.socket.exists()
    assert processes_naming(str(tmp_path / "data")) == []


def test_a_runner_at_work_whose_socket_was_removed_is_found_again(
    tmp_path: Path, repository: Path
) -> None:
    """Its lock would keep everybody out; its task goes on."""
    gate = tmp_path / "gate"
    with running(tmp_path / "data") as runner:
        task_id = runner.backend.submit(held_up(repository, gate)).summary.id
        until_reached(gate)
        runner.socket.unlink()
        runner.until_ready()
        gate.touch()
        view = runner.until_final(task_id)
        assert [step.outcome for step in view.steps if step.kind == "agent"] == ["succeeded"]


def test_a_runner_whose_socket_cannot_be_made_again_ends_its_task(
    tmp_path: Path, repository: Path
) -> None:
    """Its directory is gone, as a session's is after the logout; the work goes on."""
    gate, place = tmp_path / "gate", tmp_path / "session"
    place.mkdir()
    runner = RunnerProcess(tmp_path / "data", outside=place)
    try:
        runner.until_ready()
        task_id = runner.backend.submit(held_up(repository, gate)).summary.id
        until_reached(gate)
        place.rename(tmp_path / "gone")
        place.write_text("no directory")
        wait_for(lambda: "no new one can be made" in said(tmp_path), "the runner to notice")
        gate.touch()
        assert ended(runner) == 0
    finally:
        runner.close()
    with running(tmp_path / "data") as another:
        assert another.backend.task(task_id).summary.state is TaskState.SUCCEEDED


def said(tmp_path: Path) -> str:
    """The log of the runner whose directory was moved away."""
    return (tmp_path / "gone" / "test-runner.log").read_text()


def test_a_runner_without_a_task_whose_socket_was_removed_is_found_again(tmp_path: Path) -> None:
    """It leaves when it is idle, as ever, and takes the new one along."""
    with running(tmp_path / "data", "--idle-s", "3") as runner:
        runner.socket.unlink()
        runner.until_ready()
        assert ended(runner) == 0
        assert not runner.socket.exists()
        assert "somebody removed the socket" in runner.log.read_text()


def test_an_idle_runner_does_not_blame_others_for_its_leaving(tmp_path: Path) -> None:
    """It takes its socket away itself."""
    with running(tmp_path / "data", "--idle-s", "0.9") as runner:
        assert ended(runner) == 0
        assert "removed the socket" not in runner.log.read_text()


def test_a_runner_stays_while_a_task_is_unfinished(tmp_path: Path, repository: Path) -> None:
    """Idleness is counted from the end of the last task."""
    gate = tmp_path / "gate"
    runner = RunnerProcess(tmp_path / "data", "--idle-s", "0.3")
    try:
        runner.until_ready()
        task_id = runner.backend.submit(held_up(repository, gate)).summary.id
        until_reached(gate)
        with pytest.raises(subprocess.TimeoutExpired):
            runner.process.wait(2.0)
        gate.touch()
        assert ended(runner) == 0
    finally:
        runner.close()
    with running(tmp_path / "data") as again:
        assert again.backend.task(task_id).summary.outcome is OutcomeCode.VERIFIED


@pytest.mark.parametrize("late_s", [0.3, 0.33, 0.36, 0.39, 0.42])
def test_a_task_that_comes_as_the_runner_leaves_is_not_left_behind(
    tmp_path: Path, repository: Path, late_s: float
) -> None:
    """Accepted while it was about to end: it stays. Refused: nothing was accepted."""
    runner = RunnerProcess(tmp_path / "data", "--idle-s", "0.3")
    order = one_step(repository, "echo hi > out.txt")
    try:
        runner.until_ready()
        time.sleep(late_s)  # the moment itself is what this is about
        with suppress(UnreachableError):
            runner.backend.submit(order)
        assert ended(runner) == 0
    finally:
        runner.close()
    with running(tmp_path / "data") as again:
        assert again.backend.info().resumed_tasks == ()


def test_a_terminated_runner_lets_the_running_step_finish(tmp_path: Path, repository: Path) -> None:
    """The agent has been paid for; the step after it is left to the next runner."""
    gate = tmp_path / "gate"
    with running(tmp_path / "data") as runner:
        task_id = runner.backend.submit(held_up(repository, gate)).summary.id
        until_reached(gate)
        runner.process.send_signal(signal.SIGTERM)
        gate.touch()
        assert ended(runner) == 0
    with running(tmp_path / "data") as again:
        assert again.backend.info().resumed_tasks == (task_id,)
        view = again.until_final(task_id)
    assert view.summary.outcome is OutcomeCode.VERIFIED
    assert [(step.step, step.attempt, step.outcome) for step in view.steps] == [
        ("improve/implement", 1, "succeeded"),
        ("improve/implement/verify", 1, "succeeded"),
    ]


@pytest.mark.parametrize("times", [1, 2], ids=["after-its-patience", "asked-twice-at-once"])
def test_a_step_that_does_not_end_is_interrupted_and_taken_up(
    tmp_path: Path, repository: Path, times: int
) -> None:
    """Its agent is killed with the runner; that is no failure of the agent."""
    gate = tmp_path / "gate"
    drain_s = "0.3" if times == 1 else "600"
    with running(tmp_path / "data", "--drain-s", drain_s) as runner:
        task_id = runner.backend.submit(held_up(repository, gate)).summary.id
        until_reached(gate)
        for _ in range(times):
            runner.process.send_signal(signal.SIGTERM)
            wait_for(lambda: runner.has_ended or _has_heard(runner), "the drain to begin")
        assert ended(runner) == 0
    assert processes_naming(str(gate)) == []
    gate.touch()
    with running(tmp_path / "data") as again:
        view = again.until_final(task_id)
    assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
    attempts = [(one.attempt, one.outcome) for one in view.steps if one.kind == "agent"]
    assert attempts == [(1, "interrupted"), (2, "succeeded")]


def _has_heard(runner: RunnerProcess) -> bool:
    """A signal that is still pending would be one with the next."""
    status = Path(f"/proc/{runner.process.pid}/status").read_text()
    pending = [line.split()[1] for line in status.splitlines() if line.startswith("ShdPnd")]
    return int(pending[0], 16) == 0


def test_what_a_killed_runner_left_is_taken_over(tmp_path: Path) -> None:
    """Lock file and socket of a dead process stand in nobody's way."""
    with running(tmp_path / "data") as first:
        first.kill()
        assert first.socket.exists()
        with running(tmp_path / "data") as second:
            assert second.backend.info().pid == second.process.pid


def test_a_socket_that_cannot_be_made_ends_the_runner(tmp_path: Path) -> None:
    """Exit code 3 with the path; nothing of it stays behind."""
    too_long = tmp_path / ("x" * 120) / "runner.sock"
    runner = RunnerProcess(tmp_path / "data", "--socket", str(too_long))
    assert ended(runner) == 3
    assert str(too_long) in runner.log.read_text()
    assert processes_naming(str(tmp_path / "data")) == []


def test_the_data_directory_says_its_layout(tmp_path: Path) -> None:
    """Written once, private like everything in there."""
    with running(tmp_path / "data"):
        version = tmp_path / "data" / "VERSION"
        assert version.read_text() == "1\n"
        assert stat.S_IMODE(version.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["2\n", "", "one\n"], ids=["newer", "empty", "no-number"])
def test_an_unknown_layout_is_left_alone(tmp_path: Path, text: str) -> None:
    """Exit code 3, and nothing is written into a directory that is not understood."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "VERSION").write_text(text)
    runner = RunnerProcess(data)
    assert ended(runner) == 3
    assert "VERSION" in runner.log.read_text() or "layout 2" in runner.log.read_text()
    assert {path.name for path in data.iterdir()} <= {"VERSION", "lock", runner.log.name}


def test_a_cancelled_wait_for_the_end_leaves_the_runner_usable(
    tmp_path: Path, repository: Path
) -> None:
    """A client that hangs up in mid-request is no reason to end, or to stay for ever."""
    with running(tmp_path / "data", "--idle-s", "1.5") as runner:
        task_id = runner.backend.submit(one_step(repository, "echo hi > out.txt")).summary.id
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(runner.socket))
            client.sendall(b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        assert runner.until_final(task_id).summary.state is TaskState.SUCCEEDED
        assert ended(runner) == 0
