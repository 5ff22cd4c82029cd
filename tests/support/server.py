"""Servers for tests: real runners on a data directory of the test, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from ai_orchestrator.base.errors import UnreachableError
from ai_orchestrator.client.backend import HttpBackend
from ai_orchestrator.client.transport import UnixTransport
from ai_orchestrator.model.task import TaskView

DEADLINE_S = 60.0
ROOT = Path(__file__).resolve().parents[2]
PYTHON_PATH = os.pathsep.join((str(ROOT), str(ROOT / "src")))


def wait_for(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Returns once the condition holds; fails with what was waited for."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"waited {deadline_s} s for: {what}"
        time.sleep(0.01)


class RunnerProcess:
    """A runner, and the client that talks to it.

    `through`: a command that starts the one behind it in its own place. `outside`: where socket
    and log are, when the data directory cannot be seen from here.
    """

    def __init__(
        self,
        data_dir: Path,
        *arguments: str,
        program: str = "",
        through: Sequence[str] = (),
        outside: Path | None = None,
    ) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self.data_dir = data_dir
        self.socket = (outside or data_dir) / "runner.sock"
        self.log = (outside or data_dir) / "test-runner.log"
        start = ["-m", "ai_orchestrator.runner"] if not program else [program]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *through,
                    sys.executable,
                    *start,
                    *("--data-dir", str(data_dir), "--socket", str(self.socket)),
                    *arguments,
                ],
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(data_dir),
                    "PYTHONPATH": PYTHON_PATH,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.backend = HttpBackend(UnixTransport(self.socket))

    def until_ready(self) -> None:
        """Waits until it answers."""
        wait_for(lambda: self._answers() or self.has_ended, "the runner to answer")
        assert not self.has_ended, self.log.read_text()

    def _answers(self) -> bool:
        try:
            return self.backend.info().pid == self.process.pid
        except UnreachableError:
            return False

    @property
    def has_ended(self) -> bool:
        """Its process is gone."""
        return self.process.poll() is not None

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def until_final(self, task_id: str) -> TaskView:
        """The task when it has ended."""
        wait_for(lambda: self.backend.task(task_id).summary.state.is_final, f"the end of {task_id}")
        return self.backend.task(task_id)

    def close(self) -> None:
        """Ends it in good order, and by force where it does not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10.0)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def running(data_dir: Path, *arguments: str, program: str = "") -> Iterator[RunnerProcess]:
    """A runner that answers, ended at the end."""
    runner = RunnerProcess(data_dir, *arguments, program=program)
    try:
        runner.until_ready()
        yield runner
    finally:
        runner.close()


def processes_naming(text: str) -> list[int]:
    """Pids of the processes whose command line or environment holds the text."""
    found = []
    for process in psutil.process_iter():
        try:
            if text in " ".join(process.cmdline()) or text in str(process.environ()):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
