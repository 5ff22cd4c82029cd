"""What a workflow needs from the world, grouped by the guarantee it needs.

The durable function and its steps are written against these Protocols; adapters in `agents`,
`engine`, `store` and `workspace` fit them by structure and `wiring` passes them in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from ai_orchestrator.base.beside import Gate, always_open
from ai_orchestrator.model.agent import AgentResult
from ai_orchestrator.model.events import NewEvent
from ai_orchestrator.model.orders import (
    AgentEventSink,
    AgentOrder,
    AttemptPaths,
    Equipment,
    SetupOrder,
    SetupResult,
    StepCommit,
)
from ai_orchestrator.model.review import LedgerEntry
from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.task import Diff, RepositorySource, StepView
from ai_orchestrator.model.workflow import AgentSpec, EnvironmentSpec

T = TypeVar("T")


class DurableContext(Protocol):
    """The journal of one workflow execution."""

    async def step(
        self,
        name: str,
        action: Callable[[], Awaitable[T]],
        returns: type[T],
        *,
        is_preemptible: bool = False,
    ) -> T:
        """The action's value; from the journal, without running it, when it finished before.

        At-least-once: an action that was interrupted runs again, so it must be re-entrant. The
        value is stored as JSON. A preemptible action is cancelled when the workflow is.
        """
        ...


class TaskTree(Protocol):
    """The trees and the repository of one task attempt. All methods are idempotent."""

    @property
    def work(self) -> Path:
        """The agent's tree on the host."""
        ...

    @property
    def repository(self) -> Path:
        """The task's own bare repository."""
        ...

    @property
    def base(self) -> str:
        """The commit that the task attempt started from; also kept under `base_ref`."""
        ...

    def attempt_paths(
        self, step_key_tree: str, *, role: str, agent: str, account: str | None
    ) -> AttemptPaths:
        """HOME, TMPDIR and conversation directories, made where missing."""
        ...

    def discard_attempt(self, step_key_tree: str) -> None:
        """Removes HOME and TMPDIR of an attempt; the conversation stays."""
        ...

    async def start_from(self, commit: str) -> bool:
        """Whether the tree is ready, as `mark_ready` said of it; it equals the commit now.

        Ignored files stay. One that had to be made anew lacks them, and is not ready.
        """
        ...

    @property
    def is_ready(self) -> bool:
        """It is the tree of which `mark_ready` said so."""
        ...

    def mark_ready(self) -> None:
        """The tree was furnished and set up. Holds as long as it is the same one."""
        ...

    async def lend_git(self, commit: str) -> None:
        """Gives the agent a fresh disposable `.git` at the commit."""
        ...

    async def is_at(self, commit: str) -> bool:
        """The tree equals the commit, untracked files included."""
        ...

    async def commit(
        self,
        ref: str,
        parent: str,
        message: str,
        gate: Gate = always_open,
    ) -> StepCommit:
        """Records the tree as it is under the ref; parent itself when nothing changed.

        The ref is set when `gate` has returned, which may be awaited several times.
        """
        ...

    async def find(self, ref: str, parent: str | None = None) -> StepCommit | None:
        """The commit under a ref; with a parent `is_changed` tells whether it differs from it."""
        ...

    async def point(self, ref: str, commit: str) -> None:
        """Sets a ref."""
        ...

    async def tree_of(self, commit: str) -> str:
        """The tree id of a commit."""
        ...

    async def parent(self, commit: str) -> str | None:
        """The commit's first parent, None for a root."""
        ...

    async def diff(self, base: str, commit: str) -> Diff:
        """Files and stat between two commits."""
        ...

    async def patch(self, base: str, commit: str, *, limit_bytes: int) -> tuple[bytes, bool]:
        """The patch, and whether it was cut at the limit."""
        ...

    async def clean_checkout(self, commit: str, *, base_paths: Sequence[str] = ()) -> Path:
        """A second tree that equals the commit, with `base_paths` as they are in the base."""
        ...

    async def restore_setup(self, order: SetupOrder) -> SetupResult:
        """Brings what was kept of the same commands on the same files, made before any agent.

        Where there is none, or it cannot be used, the tree has nothing but its commit and what was
        furnished: a set-up that was interrupted leaves nothing.
        """
        ...

    async def keep_setup(self, order: SetupOrder, key: str) -> SetupResult:
        """Keeps what the commands made, under the key of `restore_setup`.

        Only for a tree in which no agent has run, at the commit that the task starts from.
        """
        ...

    async def list_files(self, commit: str) -> tuple[str, ...]:
        """Paths of all files of a commit, as git names them."""
        ...

    async def read_file(self, commit: str, path: str) -> bytes | None:
        """A file's content in a commit, None where it does not exist."""
        ...


class Trees(Protocol):
    """Makes and finds the trees of tasks."""

    async def resolve(self, source: RepositorySource) -> str:
        """The commit that the source names now, fetched into our mirror.

        Raises `BadInputError` for what is no repository, is dirty, or does not exist.
        """
        ...

    async def close_tree(self, task_id: str, task_attempt: int, source: RepositorySource) -> None:
        """Gives the checkouts and ports of an ended attempt back; its commits and refs stay."""
        ...

    async def equip(
        self,
        task_id: str,
        task_attempt: int,
        source: RepositorySource,
        environment: EnvironmentSpec,
        *,
        which: Literal["work", "clean"] = "work",
    ) -> Equipment:
        """Brings what the spec names from the user's checkout into a tree, reserves ports.

        The verifiers' tree (`clean`) loses it at each `clean_checkout`, and has no ports.
        """
        ...

    async def open(
        self, task_id: str, task_attempt: int, source: RepositorySource, base: str
    ) -> TaskTree:
        """The task attempt's tree, made from the mirror where missing."""
        ...


class AgentHost(Protocol):
    """Runs agents."""

    async def check(self, agents: Sequence[AgentSpec], path_env: str) -> None:
        """Raises `EnvironmentProblemError` (code agent-missing) for one that is not installed."""
        ...

    async def run(self, order: AgentOrder, on_event: AgentEventSink) -> AgentResult:
        """How the run ended; never raises for what the agent did. No process is left after it.

        Cancelling the awaiting task stops the agent's whole tree first.
        """
        ...


class EventBatch(Protocol):
    """Joins events of a chatty agent into few transactions."""

    def add(self, event: NewEvent) -> None:
        """Takes an event; never blocks. Order is kept."""
        ...

    async def close(self) -> None:
        """Returns when everything added is in the log."""
        ...


class Records(Protocol):
    """Our own rows. Each method is one transaction; repeating it changes nothing."""

    async def start_attempt(
        self, view: StepView, task_id: str, task_attempt: int, event: NewEvent
    ) -> bool:
        """Writes the attempt's row as running, with its event; False where there was one."""
        ...

    async def update_attempt(self, view: StepView, task_id: str, task_attempt: int) -> None:
        """Brings session, model and usage of a running attempt up to date."""
        ...

    async def finish_attempt(
        self,
        view: StepView,
        task_id: str,
        task_attempt: int,
        events: Sequence[NewEvent],
        *,
        result: str | None = None,
    ) -> None:
        """Writes outcome and commit with the event `step.finished` in one transaction.

        `result`: the step's journal value as JSON, for whoever adopts the row.
        """
        ...

    async def attempt_results(
        self, task_id: str, task_attempt: int, step: str, iteration: int
    ) -> dict[int, str]:
        """Attempt number -> the `result` given when it was finished; those without are left out."""
        ...

    async def attempts(
        self, task_id: str, task_attempt: int, step: str, iteration: int
    ) -> list[StepView]:
        """All executions of a step in a round, by rising attempt."""
        ...

    async def unfinished(self, task_id: str, task_attempt: int) -> list[StepView]:
        """Executions of the task attempt whose row says that they run."""
        ...

    async def emit(self, events: Sequence[NewEvent]) -> None:
        """Appends events; those whose id the log has are dropped."""
        ...

    async def save_ledger(
        self,
        task_id: str,
        task_attempt: int,
        entries: Sequence[LedgerEntry],
        events: Sequence[NewEvent],
    ) -> None:
        """Writes entries of the ledger by their fingerprint, and appends their events."""
        ...

    async def set_state(
        self,
        task_id: str,
        state: TaskState,
        *,
        outcome: OutcomeCode | None = None,
        reason: str = "",
        fields: Mapping[str, str | None] | None = None,
    ) -> None:
        """Changes the state with its event; a final state stays.

        `fields`: columns to set beside it: base_commit, final_commit, verified_tree, branch.
        """
        ...

    async def add_note(self, task_id: str, note: str) -> None:
        """Adds a sentence that people should see with the task."""
        ...

    def clean(self, value: T) -> T:
        """The struct with every free text in it redacted; to be done before it is encoded."""
        ...

    def redact(self, text: str) -> str:
        """The text without the secrets of any task that is running here."""
        ...
