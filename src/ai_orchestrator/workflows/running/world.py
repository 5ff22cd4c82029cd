"""Everything a task's run needs, put together once by `wiring` and passed in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ai_orchestrator.base.clock import Clock
from ai_orchestrator.base.process import Spawner
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.model.workflow import AgentSpec, WorkflowSpec
from ai_orchestrator.workflows.commands.enclosure import Enclosure
from ai_orchestrator.workflows.commands.verify import VerifierRunner
from ai_orchestrator.workflows.running.ports import AgentHost, EventBatch, Records, TaskTree, Trees


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What was frozen when the task was accepted."""

    task_id: str
    task_attempt: int
    task: str
    spec: WorkflowSpec
    source: RepositorySource
    base: str
    path_env: str
    home: str
    """The user's, only to find accounts in it; empty where nobody said it."""
    principal: str


class TaskArchive(Protocol):
    """Reads what acceptance wrote."""

    async def facts(self, task_id: str, task_attempt: int) -> TaskFacts:
        """The frozen facts. Raises `NotFoundError`."""
        ...

    async def account_env(self, facts: TaskFacts, agent: AgentSpec) -> Mapping[str, str]:
        """The variables of the agent's account with their values, decrypted for one run."""
        ...

    def forget(self, task_id: str, task_attempt: int) -> None:
        """Takes the attempt's secrets out of memory; their row goes with the final state."""
        ...


def remaining_s(facts: TaskFacts, started_at: float, clock: Clock) -> float:
    """Seconds until the task's time limit, at least 0. `started_at`: seconds since the epoch."""
    return max(facts.spec.max_duration_s - (clock.now().timestamp() - started_at), 0.0)


@dataclass(slots=True)
class TreePositions:
    """Where the trees of running tasks are known to stand; only a hint of this process, by task.

    Saves a look at every file between two steps. Empty after a start, which is the safe answer.
    """

    known: dict[str, str] = field(default_factory=dict)
    """The commit that the tree equals."""
    lent: dict[str, str] = field(default_factory=dict)
    """The commit at which the agent's `.git` is fresh."""
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    def lock(self, task_id: str) -> asyncio.Lock:
        """Held while a tree is put in place: reviewers side by side share one."""
        return self._locks.setdefault(task_id, asyncio.Lock())

    def disturb(self, task_id: str) -> None:
        """Somebody may write into the tree from now on."""
        self.known.pop(task_id, None)
        self.lent.pop(task_id, None)

    def forget(self, task_id: str) -> None:
        """The task attempt is over."""
        self.disturb(task_id)
        self._locks.pop(task_id, None)


@dataclass(frozen=True, slots=True)
class World:
    """The ports of a run."""

    archive: TaskArchive
    records: Records
    batch: Callable[[], EventBatch]
    """Opens a batch of events."""
    trees: Trees
    open_trees: dict[str, TaskTree]
    """Trees of running task attempts that are open in this process, by workflow id."""
    agents: AgentHost
    verifiers: Callable[[str], VerifierRunner]
    """The verifiers' runner for a task id."""
    spawner: Spawner
    enclosure: Enclosure
    clock: Clock
    pause: Callable[[float], Awaitable[None]]
    """Waits so many seconds."""
    positions: TreePositions
    point: Callable[[str, str], None]
    """Told of moments inside a step, for the fault tests: name and step key."""
