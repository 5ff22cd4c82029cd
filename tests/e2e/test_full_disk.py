"""A disk that is full in mid-task: said as what it is, nothing lost, and on it goes afterwards."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.configuration import request, shell_agent
from tests.support.server import DEADLINE_S, RunnerProcess, wait_for

from ai_orchestrator.base.errors import OrchestratorError
from ai_orchestrator.model.states import OutcomeCode, exit_code
from ai_orchestrator.model.task import RunOptions

SIZE = "340m"
"""A task needs 256 MB free before it begins."""


def small_disk(data: Path, size: str = SIZE) -> tuple[str, ...]:
    """A command that puts the data directory of the one behind it on a small disk of its own."""
    mount = f'mount -t tmpfs -o size={size} tmpfs "{data}" && exec "$@"'
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", mount, "sh")


def can_mount(directory: Path) -> bool:
    """This user may mount: root, with the kernel's leave."""
    if os.geteuid() != 0:
        return False
    return subprocess.run([*small_disk(directory), "true"], check=False).returncode == 0


class SmallDisk:
    """A runner whose disk can be filled from here."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self.data.mkdir()
        if not can_mount(self.data):
            pytest.skip("needs root and a kernel that lets it mount")
        self.runner = RunnerProcess(self.data, through=small_disk(self.data), outside=directory)

    @property
    def seen(self) -> Path:
        """The data directory, as the runner sees it."""
        return Path(f"/proc/{self.runner.process.pid}/root{self.data}")

    def fill(self) -> None:
        """Not a byte is left."""
        with (self.seen / "filler").open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                return

    def free(self) -> None:
        """Somebody tidied up."""
        (self.seen / "filler").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A runner on a small disk."""
    disk = SmallDisk(tmp_path)
    try:
        disk.runner.until_ready()
        yield disk
    finally:
        disk.runner.close()


def order(repository: Path, script: str) -> Any:
    """A task for one agent."""
    agents = {"coder": shell_agent(script, role="implementation")}
    return request(repository, agents, workflow="quick", options=RunOptions(sandbox="off"))


def test_an_agent_that_fills_the_disk_ends_its_task_as_environment(
    disk: SmallDisk, repository: Path, tmp_path: Path
) -> None:
    """Exit code 3; its trees are given back, so that the next try has room."""
    mark = tmp_path / "mark"
    fills = f"[ -e {mark} ] || {{ touch {mark}; head -c 400M /dev/urandom > big; }}; echo hi > out"
    backend = disk.runner.backend
    task_id = backend.submit(order(repository, fills)).summary.id
    view = disk.runner.until_final(task_id)
    assert view.summary.outcome is OutcomeCode.ENVIRONMENT, view.summary.reason
    assert exit_code(view.summary.state, view.summary.outcome) == 3
    assert "isk" in view.summary.reason or "space" in view.summary.reason
    backend.retry(task_id)
    view = disk.runner.until_final(task_id)
    assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason


@pytest.mark.parametrize("what", ["agent", "verify"])
def test_a_disk_that_others_filled_is_waited_for(
    disk: SmallDisk, repository: Path, tmp_path: Path, what: str
) -> None:
    """Not even the end can be written; once there is room it is, and a retry succeeds."""
    mark, gate = tmp_path / "mark", tmp_path / "gate"
    waits = f"touch {mark}; while [ ! -e {gate} ]; do sleep 0.02; done; echo hi > out.txt"
    wanted = order(repository, waits if what == "agent" else "echo hi > out.txt")
    if what == "verify":
        agents = {"coder": shell_agent("echo hi > out.txt", role="implementation")}
        verify = {"verify": [f"sh -c '[ ! -e out.txt ] || {{ {waits}; }}'"]}
        options = RunOptions(sandbox="off")
        wanted = request(repository, agents, verify, workflow="quick", options=options)
    backend = disk.runner.backend
    task_id = backend.submit(wanted).summary.id
    wait_for(mark.exists, "the command to run")
    disk.fill()
    gate.touch()
    log = disk.runner.log

    def is_met() -> bool:
        disk.fill()  # what was given back meanwhile, too
        return "disk is full" in log.read_text()

    wait_for(is_met, "the trouble to be met")
    with pytest.raises(OrchestratorError) as caught:
        backend.submit(order(repository, "echo hi > out.txt"))
    assert caught.value.exit_code == 3
    disk.free()
    view = disk.runner.until_final(task_id)
    assert view.summary.outcome is OutcomeCode.ENVIRONMENT, view.summary.reason
    backend.retry(task_id)
    view = disk.runner.until_final(task_id)
    assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
    seqs = [event.seq for event in backend.events(task_id)]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_runner_does_not_start_without_room(tmp_path: Path) -> None:
    """Exit code 3, and why."""
    data = tmp_path / "data"
    data.mkdir()
    if not can_mount(data):
        pytest.skip("needs root and a kernel that lets it mount")
    runner = RunnerProcess(data, through=small_disk(data, "64k"), outside=tmp_path)
    assert runner.process.wait(DEADLINE_S) == 3
    assert "full" in runner.log.read_text() or "space" in runner.log.read_text()
