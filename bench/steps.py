"""What a step costs beyond its agent: commits, rows, events, process trees.

Measured over the second and later steps of a task: a workflow of many steps in a row, whose agent
takes no time. From one step's end to the next one's end, less the agent run as a plain process.
Nobody looks meanwhile, as with `run --detach`; what a client that follows adds is told apart.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.figures import Beside, Figure, median
from bench.place import INSTANT, Place, timed_ms
from tests.support.configuration import request, shell_agent
from tests.support.repository import git
from tests.support.server import RunnerProcess, running

from ai_orchestrator.model.agent import SandboxMode
from ai_orchestrator.model.events import Event, VerifierFinishedData
from ai_orchestrator.model.task import RunOptions, TaskView

STEPS = 12
ROUNDS = 3
RAW_RUNS = 20
GOAL_MS = {10: 30.0, 20_000: 100.0}
SANDBOX_GOAL_MS = 30.0
LOOK_S = 0.25
"""Between two looks at a task that nobody follows: one costs the runner a few milliseconds."""
LIMIT_S = 60.0
FRESH_TIMES = ("--index-version", "4", "--force-untracked-cache")
"""The index settings of a task's tree."""


@dataclass(frozen=True, slots=True)
class Played:
    """A task that has ended, and its log."""

    view: TaskView
    events: tuple[Event, ...]

    def gaps_ms(self) -> list[float]:
        """From each agent step's end to the next one's."""
        ends = [step.finished_at for step in self.view.steps if step.kind == "agent"]
        times = [end for end in ends if end is not None]
        return [_ms(one, two) for one, two in pairwise(times)]

    def preparation_ms(self) -> float:
        """From the task's first move to its first step's start."""
        running = next(e.ts for e in self.events if e.type == "task.state" and e.seq > 1)
        return _ms(running, self.view.steps[0].started_at)

    def verifier_ms(self) -> float:
        """From the last agent step's end to the end of the verifier after it."""
        ended = next(e.ts for e in self.events if _is_verified(e))
        return _ms(max(e.ts for e in self.events if e.type == "commit.made"), ended)


Wait = Callable[[RunnerProcess, str], None]
"""Returns when the task has ended."""


def follow(runner: RunnerProcess, task_id: str) -> None:
    """Reads its events as they come, as `run` does."""
    for _ in runner.backend.events(task_id, follow=True):
        pass


def look_now_and_then(runner: RunnerProcess, task_id: str) -> None:
    """Leaves the runner alone with its task."""
    end_s = time.monotonic() + LIMIT_S
    while not runner.backend.task(task_id).summary.state.is_final:
        if time.monotonic() > end_s:
            raise TimeoutError(f"task {task_id} did not end within {LIMIT_S:.0f} s")
        time.sleep(LOOK_S)


def small(place: Place) -> list[Figure]:
    """At 10 files: the step, the sandbox, a client that follows, a verifier."""
    repository = place.repository(10)
    raw = raw_agent_ms(repository)
    off, boxed, followed, verified = [], [], [], []
    with running(place.root / "steps-10") as runner:
        play(runner, repository, "off")  # makes mirror and tree
        for _ in range(ROUNDS):  # turn by turn: all have their share of what else goes on
            off.append(play(runner, repository, "off"))
            boxed.append(play(runner, repository, "required"))
            followed.append(play(runner, repository, "off", wait=follow))
            verified.append(play(runner, repository, "off", steps=1, verify=("true",)))
    step_ms = _gap_ms(off)
    git_ms = Beside("git add + write-tree", raw_git_ms(place, repository))
    agent = Beside("the agent alone", raw)
    return [
        Figure("step at 10 files, beyond the agent", step_ms - raw, "ms", GOAL_MS[10], git_ms),
        Figure("the sandbox adds", _gap_ms(boxed) - step_ms, "ms", SANDBOX_GOAL_MS, agent),
        Figure("a client that follows adds", _gap_ms(followed) - step_ms, "ms"),
        Figure("preparing a task at 10 files", _preparation_ms(off), "ms"),
        Figure(
            "a verifier that does nothing", median([one.verifier_ms() for one in verified]), "ms"
        ),
    ]


def large(place: Place) -> list[Figure]:
    """At 20,000 files."""
    repository = place.repository(20_000)
    raw = raw_agent_ms(repository)
    with running(place.root / "steps-20000") as runner:
        first = play(runner, repository, "off")
        plays = [play(runner, repository, "off") for _ in range(2)]
    git_ms = Beside("git add + write-tree", raw_git_ms(place, repository))
    name = "step at 20,000 files, beyond the agent"
    return [
        Figure(name, _gap_ms(plays) - raw, "ms", GOAL_MS[20_000], git_ms),
        Figure("preparing the first task at 20,000 files", first.preparation_ms(), "ms"),
        Figure("preparing the next ones", _preparation_ms(plays), "ms"),
    ]


def play(
    runner: RunnerProcess,
    repository: Path,
    sandbox: SandboxMode,
    *,
    steps: int = STEPS,
    verify: Sequence[str] = (),
    wait: Wait = look_now_and_then,
) -> Played:
    """One task of so many steps, to its end. Raises where it does not succeed."""
    order = request(
        repository,
        {"coder": shell_agent(INSTANT, role="implementation")},
        _document(steps, verify),
        workflow="row",
        options=RunOptions(sandbox=sandbox, allow_unverified=True),
    )
    task_id = runner.backend.submit(order).summary.id
    wait(runner, task_id)
    events = tuple(runner.backend.events(task_id))
    view = runner.backend.task(task_id)
    if view.summary.state != "succeeded":
        raise RuntimeError(f"the task ended {view.summary.state}: {view.summary.reason}")
    return Played(view, events)


def raw_agent_ms(repository: Path) -> float:
    """The agent's own run, as a plain process."""
    argv = shell_agent(INSTANT)["command"]
    work = repository.with_name(f"{repository.name}-raw")
    work.mkdir(exist_ok=True)

    def run() -> None:
        subprocess.run(argv, cwd=work, input=b"prompt", stdout=subprocess.DEVNULL, check=True)

    return median([timed_ms(run) for _ in range(RAW_RUNS)])


def raw_git_ms(place: Place, repository: Path) -> float:
    """What git alone needs to record a tree of that size, with the same settings of its index."""
    copy = place.root / f"{repository.name}-copy"
    git(place.root, "clone", "-q", str(repository), str(copy))
    git(copy, "update-index", *FRESH_TIMES)

    def record() -> None:
        for arguments in (("add", "-A"), ("write-tree",)):
            _git(copy, *arguments)

    times = []
    for number in range(STEPS + 2):
        with (copy / "out.txt").open("a") as file:
            file.write(f"{number}\n")
        times.append(timed_ms(record))
    return median(times[2:])  # the first ones read every file: all are as young as the index


def _git(directory: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", *arguments],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent"},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _document(steps: int, verify: Sequence[str]) -> dict[str, Any]:
    names = [f"part{number}" for number in range(steps)]
    return {
        "prompts": {name: {"kind": "change", "text": "Do it.\n\n{{ task }}"} for name in names},
        "workflows": {
            "row": {
                "success": "changed+verified",
                "steps": [{"task": name} for name in names],
            }
        },
        "verify": list(verify),
    }


def _is_verified(event: Event) -> bool:
    return isinstance(event.data, VerifierFinishedData) and not event.data.is_baseline


def _gap_ms(plays: Sequence[Played]) -> float:
    return median([gap for played in plays for gap in played.gaps_ms()])


def _preparation_ms(plays: Sequence[Played]) -> float:
    return median([played.preparation_ms() for played in plays])


def _ms(one: datetime, two: datetime) -> float:
    return (two - one).total_seconds() * 1000
