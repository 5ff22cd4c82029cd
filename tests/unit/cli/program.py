"""The command line over an in-memory server, as a process of its own for real signals and pipes.

`python -m tests.unit.cli.program SCENARIO ARGS...`. Run by tests of this folder.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.unit.cli.memory import MemoryBackend, MemoryServices, story, task_view

from ai_orchestrator.cli.app import App
from ai_orchestrator.cli.main import execute
from ai_orchestrator.cli.streams import prepare_streams
from ai_orchestrator.model.events import Event
from ai_orchestrator.model.states import TaskState
from ai_orchestrator.model.task import TaskRequest, TaskView

LIMIT_S = 60


@dataclass
class WaitingBackend(MemoryBackend):
    """A task that works until it is cancelled."""

    def submit(self, request: TaskRequest) -> TaskView:
        self.view = task_view(TaskState.RUNNING, None)
        return self.view

    def events(self, task_id: str, *, after_seq: int = 0, follow: bool = False) -> Iterator[Event]:
        yield from (event for event in story()[:6] if event.seq > after_seq)
        if self.view.summary.state is TaskState.CANCELLING:
            self.view = task_view(TaskState.CANCELLED, None)
            return
        print("WAITING", file=sys.stderr, flush=True)
        threading.Event().wait(LIMIT_S)


@dataclass
class SlowBackend(WaitingBackend):
    """A server that takes its time to accept."""

    def submit(self, request: TaskRequest) -> TaskView:
        print("WAITING", file=sys.stderr, flush=True)
        threading.Event().wait(1.0)
        return super().submit(request)


class DeafServices(MemoryServices):
    """Preparing takes for ever."""

    def prepare_request(self, arguments: object) -> tuple[TaskRequest, tuple[str, ...]]:
        print("WAITING", file=sys.stderr, flush=True)
        threading.Event().wait(LIMIT_S)
        raise AssertionError


@dataclass
class EndlessBackend(MemoryBackend):
    """Logs without end."""

    def logs(self, task_id: str, *, step: str | None = None) -> Iterator[bytes]:
        while True:
            yield b"line\n" * 1_000


SCENARIOS: dict[str, Callable[[], MemoryServices]] = {
    "waits": lambda: MemoryServices(WaitingBackend()),
    "slow": lambda: MemoryServices(SlowBackend()),
    "deaf": DeafServices,
    "endless": lambda: MemoryServices(EndlessBackend()),
    "ends": MemoryServices,
}

if __name__ == "__main__":
    prepare_streams()
    services = SCENARIOS[sys.argv[1]]()
    sys.exit(execute(sys.argv[2:], App(services=lambda: services)))
