"""How clients find, start and replace the runner of a data directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest
from tests.support.configuration import request, shell_agent
from tests.support.made_up_runner import PROGRAM
from tests.support.repository import make_repository
from tests.support.server import DEADLINE_S, RunnerProcess, processes_naming, running, wait_for

from ai_orchestrator import __version__
from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.client import local_runner
from ai_orchestrator.client.backend import HttpBackend
from ai_orchestrator.client.local_runner import LocalRunner
from ai_orchestrator.client.transport import UnixTransport
from ai_orchestrator.model.states import TaskState
from ai_orchestrator.model.task import RunOptions

OLD, NEW = "0.0.9", "9.0.0"
HOLD_LOCK = """import sys
from pathlib import Path
from ai_orchestrator.base.lockfile import acquire
held = acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""
VARIABLES = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ANTHROPIC_API_KEY": "sk-of-mine"}


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data directory; the runners that tests start in the background are ended afterwards.

    Also one that came too late for the lock, and would have it now.
    """
    directory = tmp_path / "data"
    directory.mkdir()
    yield directory
    for pid in processes_naming(f"--data-dir {directory} "):
        with suppress(psutil.NoSuchProcess):
            end(pid)


def end(pid: int) -> None:
    """Ends a runner that is nobody's child, or this process's."""
    process = psutil.Process(pid)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    wait_for(
        lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "its end"
    )


def local(data: Path, release: str = __version__) -> LocalRunner:
    """A client's view of the directory."""
    return LocalRunner(data, data / "runner.sock", release, VARIABLES)


def at_once(*calls: object) -> list[object]:
    """What each call gives or raises, all made at the same moment."""
    results: list[object] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def call(index: int) -> None:
        barrier.wait()
        try:
            results[index] = calls[index]()  # type: ignore[operator]  # of no argument
        except Exception as error:  # noqa: BLE001  # told to the test
            results[index] = error

    threads = [threading.Thread(target=call, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * DEADLINE_S)
    return results


def test_a_runner_is_started_where_none_is(data: Path) -> None:
    """And found by the next client, which starts none."""
    transport, started = local(data).ensure()
    assert started is not None
    assert HttpBackend(transport).info().pid == started.pid
    assert local(data).ensure()[1] is None
    assert local(data).find() == HttpBackend(transport).info()


def test_a_runner_gets_no_secret_of_its_client(data: Path) -> None:
    """Its environment is scrubbed: credentials travel with each task."""
    _, started = local(data).ensure()
    assert started is not None
    environment = psutil.Process(started.pid).environ()
    assert "ANTHROPIC_API_KEY" not in environment
    assert environment["HOME"] == "/nonexistent"


@pytest.mark.parametrize("what_is_left", ["nothing", "of-a-killed-runner"])
def test_clients_that_start_at_once_get_one_runner(data: Path, what_is_left: str) -> None:
    """Whoever comes second waits for the first one's."""
    if what_is_left == "of-a-killed-runner":
        with running(data) as runner:
            runner.kill()
    results = at_once(*[lambda: HttpBackend(local(data).ensure()[0]).info().pid] * 5)
    assert len(set(results)) == 1, results
    assert isinstance(results[0], int), results


def test_a_newer_client_has_an_older_runner_make_room(data: Path) -> None:
    """The older one drains; what it had accepted goes on."""
    older = RunnerProcess(data, "--release", OLD, program=PROGRAM)
    try:
        older.until_ready()
        transport, started = local(data).ensure()
        assert started is not None
        assert started.release == __version__
        assert older.process.wait(DEADLINE_S) == 0
        assert HttpBackend(transport).info().pid == started.pid
    finally:
        older.close()


def test_a_runner_is_found_where_it_says_that_it_listens(data: Path, tmp_path: Path) -> None:
    """A path that was too long for a socket leads to another place in another session."""
    elsewhere = replace(local(data), socket=tmp_path / "run" / "elsewhere.sock")
    first = HttpBackend(elsewhere.ensure()[0]).info()
    found = local(data).find()
    assert found is not None
    assert found.pid == first.pid == HttpBackend(local(data).ensure()[0]).info().pid
    assert not local(data).socket.exists()


@pytest.mark.parametrize("said", ["data/runner.sock", "/nowhere/runner.sock"])
def test_a_path_that_is_none_here_is_not_believed(data: Path, said: str) -> None:
    """The directory is seen from another mount than its runner's."""
    pid = HttpBackend(local(data).ensure()[0]).info().pid
    lock = data / "lock"
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "socket": said}))
    assert HttpBackend(local(data).ensure()[0]).info().pid == pid


def test_newer_clients_that_come_at_once_get_one_newer_runner(data: Path) -> None:
    """Both ask the older one to leave; one of them starts the next."""
    older = RunnerProcess(data, "--release", OLD, program=PROGRAM)
    try:
        older.until_ready()
        results = at_once(*[lambda: HttpBackend(local(data).ensure()[0]).info()] * 3)
        assert len({getattr(one, "pid", one) for one in results}) == 1, results
        assert [getattr(one, "release", one) for one in results] == [__version__] * 3
    finally:
        older.close()


def test_a_runner_in_a_long_step_is_interrupted_in_the_end(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer client waits for a step boundary so long and no longer."""
    monkeypatch.setattr(local_runner, "DRAIN_LIMIT_S", 3.0)
    reached = tmp_path / "reached"
    script = f'[ -e {reached} ] || {{ touch {reached}; sleep 600; }}; echo "hi" > out.txt'
    agents = {"coder": shell_agent(script, role="implementation")}
    repository = make_repository(tmp_path / "repository")
    order = request(repository, agents, workflow="quick", options=RunOptions(sandbox="off"))
    older = RunnerProcess(data, "--release", OLD, program=PROGRAM)
    try:
        older.until_ready()
        task_id = older.backend.submit(order).summary.id
        wait_for(reached.exists, "the agent to run")
        told: list[str] = []
        transport, started = replace(local(data), tell=told.append).ensure()
        pid = older.process.pid
        assert told[0] == f"waiting for the runner {pid} to end its step and leave ..."
        assert started is not None
        assert started.resumed_tasks == (task_id,)
        newer = HttpBackend(transport)
        wait_for(lambda: newer.task(task_id).summary.state.is_final, "the task's end")
        assert newer.task(task_id).summary.state is TaskState.SUCCEEDED
    finally:
        older.close()


def test_an_older_client_uses_a_newer_runner(data: Path) -> None:
    """Nobody is sent back to an older release."""
    with running(data, "--release", NEW, program=PROGRAM) as newer:
        transport, started = local(data).ensure()
        assert started is None
        assert HttpBackend(transport).info().pid == newer.process.pid


def test_why_a_runner_does_not_start_is_said(data: Path) -> None:
    """With the words of the runner's own log, and where that is."""
    (data / "VERSION").write_text("7\n")
    with pytest.raises(EnvironmentProblemError) as caught:
        local(data).ensure()
    assert caught.value.message.startswith(f"the runner of {data} did not start: {data}: has ")
    assert "layout 7 of a newer release" in str(caught.value)
    assert "runner.log" in caught.value.hint
    assert processes_naming(str(data)) == []


def test_a_lock_that_a_stranger_holds_is_no_runner(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held, but nobody answers: said, instead of waiting for ever."""
    monkeypatch.setattr(local_runner, "CHANGE_LIMIT_S", 0.5)
    monkeypatch.setattr(local_runner, "START_LIMIT_S", 12.0)
    stranger = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLD_LOCK,
            str(data / "lock"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert stranger.stdout is not None
    try:
        assert stranger.stdout.readline() == b"held\n"
        with pytest.raises(EnvironmentProblemError, match="owned by"):
            local(data).ensure()
    finally:
        stranger.communicate(timeout=DEADLINE_S)


def test_a_client_whose_runner_has_left_finds_the_next_one(data: Path) -> None:
    """Between two requests the runner may end when idle, or make room."""
    runner = local(data)
    backend = HttpBackend(runner.ensure()[0], lambda: runner.ensure_anew()[0])
    first = backend.info().pid
    end(first)
    assert backend.info().pid != first


@pytest.mark.parametrize("how", ["drain", "term"])
def test_a_command_right_after_a_runner_was_sent_away_is_answered(data: Path, how: str) -> None:
    """At whatever moment of its leaving: by it, or by the next one."""
    for moment in range(6):
        pid = HttpBackend(local(data).ensure()[0]).info().pid
        if how == "drain":
            HttpBackend(local(data).transport()).drain()
        else:
            os.kill(pid, signal.SIGTERM)
        wait_until_later_s(0.05 * moment)
        runner = local(data)
        backend = HttpBackend(runner.ensure()[0], partial(anew, runner))
        assert backend.tasks() == []
        wait_for(partial(has_left, pid), "the end of the runner that was sent away")


def test_a_wait_for_a_runner_that_leaves_is_told_of(data: Path) -> None:
    """With its pid; then the next one is started."""
    told: list[str] = []
    (data / "lock").write_text(json.dumps({"pid": 1234, "release": __version__}))
    stranger = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(data / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert stranger.stdin is not None
    assert stranger.stdout is not None
    assert stranger.stdout.readline() == b"held\n"

    def tell(text: str) -> None:
        told.append(text)
        stranger.stdin.close()  # type: ignore[union-attr]  # it is there, see above

    try:
        _, started = replace(local(data), tell=tell).ensure()
        assert started is not None
        assert told == ["waiting for the runner 1234 to end ..."]
    finally:
        stranger.wait(DEADLINE_S)
        stranger.stdout.close()


def wait_until_later_s(seconds: float) -> None:
    """So much later: the moment itself is what is tested."""
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() >= end, "the moment")


def anew(runner: LocalRunner) -> UnixTransport:
    """The way to whoever is the runner now."""
    return runner.ensure_anew()[0]


def has_left(pid: int) -> bool:
    """The process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_follower_outlives_its_runner(data: Path, tmp_path: Path) -> None:
    """Killed in mid-task: the follower starts the next runner, which takes the task up."""
    reached, gate = tmp_path / "reached", tmp_path / "gate"
    waits = f"touch {reached}; while [ ! -e {gate} ]; do sleep 0.02; done; echo hi > out.txt"
    agents = {"coder": shell_agent(waits, role="implementation")}
    repository = make_repository(tmp_path / "repository")
    order = request(repository, agents, workflow="quick", options=RunOptions(sandbox="off"))
    runner = local(data)
    backend = HttpBackend(runner.ensure()[0], lambda: runner.ensure_anew()[0])
    task_id = backend.submit(order).summary.id
    seqs = []
    for event in backend.events(task_id, follow=True):
        seqs.append(event.seq)
        if event.type == "step.started" and event.step == "improve/implement" and not gate.exists():
            wait_for(reached.exists, "the agent to run")
            os.kill(backend.info().pid, signal.SIGKILL)
            gate.touch()
    assert seqs == list(range(1, len(seqs) + 1))
    assert backend.task(task_id).summary.state is TaskState.SUCCEEDED
