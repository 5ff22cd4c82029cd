"""Tasks as the API, the command line and `--json` show them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from ai_orchestrator.model.agent import SandboxMode, Usage
from ai_orchestrator.model.review import LedgerEntry, Severity, VerifierResult
from ai_orchestrator.model.states import OutcomeCode, TaskState


class RepositorySource(msgspec.Struct, frozen=True):
    """Where the work starts. Exactly one of path, url and new_directory is set."""

    path: str | None = None
    """Absolute path of the top of a local repository."""
    url: str | None = None
    new_directory: str | None = None
    """Absolute path in which a new repository is made with the result."""
    ref: str | None = None
    """Branch, tag or commit to start from; None: HEAD."""
    include_dirty: bool = False


class Origin(msgspec.Struct, frozen=True):
    """Where a value of the configuration came from."""

    source: str
    """A file's path, `built-in`, `environment NAME` or `flag --name`."""
    line: int | None = None


class ResolvedConfig(msgspec.Struct, frozen=True):
    """The merged configuration document and the origin of every value in it.

    `origins` maps a path such as `workflows.default.steps[1].agent` to its origin.
    """

    document: dict[str, Any]
    origins: dict[str, Origin]


Rounds = Annotated[int, msgspec.Meta(ge=1, le=100)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10**12)]
Money = Annotated[float, msgspec.Meta(gt=0, le=10**6)]


class RunOptions(msgspec.Struct, frozen=True):
    """What the flags of `run` may change; None keeps what the workflow says."""

    max_iterations: Rounds | None = None
    only_agents: tuple[str, ...] = ()
    sandbox: SandboxMode | None = None
    allow_red_base: bool = False
    allow_unverified: bool = False
    fail_on: Severity | None = None
    max_cost_usd: Money | None = None
    max_tokens: Count | None = None
    model: str | None = None


class TaskRequest(msgspec.Struct, frozen=True):
    """A task to accept. The client has resolved everything that depends on where it stands."""

    task: str
    repository: RepositorySource
    config: ResolvedConfig
    workflow: str | None = None
    options: RunOptions = RunOptions()
    path: str = ""
    """The client's PATH, for finding agents and for verifiers."""
    home: str = ""
    """The client's HOME, only to find user-home accounts."""
    credentials: dict[str, str] = {}
    """Allow-listed credential variables; encrypted at rest, deleted at the task's end."""
    idempotency_key: str | None = None


class StepView(msgspec.Struct, frozen=True):
    """One execution of a step."""

    step: str
    iteration: int
    attempt: int
    kind: str
    outcome: Literal["running", "succeeded", "failed", "interrupted", "skipped"]
    started_at: datetime
    agent: str | None = None
    account: str | None = None
    model: str | None = None
    session: str | None = None
    how: str = "fresh"
    finished_at: datetime | None = None
    commit: str | None = None
    tree: str | None = None
    is_changed: bool = False
    usage: Usage = Usage()
    reason: str = ""
    verifiers: tuple[VerifierResult, ...] = ()


class TaskSummary(msgspec.Struct, frozen=True):
    """A task in a list."""

    id: str
    title: str
    state: TaskState
    workflow: str
    repository: str
    created_at: datetime
    updated_at: datetime
    task_attempt: int = 1
    outcome: OutcomeCode | None = None
    reason: str = ""
    usage: Usage = Usage()
    principal: str = ""
    project: str = "default"


class AttemptWork(msgspec.Struct, frozen=True):
    """Commits of a task attempt that `apply --attempt` can bring."""

    attempt: int
    is_verified: bool
    is_applied: bool


class TaskView(msgspec.Struct, frozen=True):
    """A task with its steps and its ledger."""

    summary: TaskSummary
    task: str
    steps: tuple[StepView, ...]
    findings: tuple[LedgerEntry, ...]
    base_commit: str | None = None
    final_commit: str | None = None
    """The commit that `apply` would bring; None while nothing was changed."""
    verified_tree: str | None = None
    branch: str = ""
    notes: tuple[str, ...] = ()
    last_seq: int = 0
    is_repeat: bool = False
    """In the answer to a submission: it was accepted before, under the same idempotency key."""
    is_applied: bool = False
    kept_work: tuple[AttemptWork, ...] = ()
    """Work of task attempts that `final_commit` does not show: of earlier ones, and of a last one
    that was broken off."""


class FileChange(msgspec.Struct, frozen=True):
    """One changed file, as git says. `insertions` and `deletions` are None for binary files."""

    path: str
    status: Literal["added", "modified", "deleted", "renamed", "type-changed"]
    insertions: int | None = None
    deletions: int | None = None
    old_path: str | None = None


class Diff(msgspec.Struct, frozen=True):
    """Changes between two commits."""

    base: str
    commit: str
    files: tuple[FileChange, ...]
    stat: str


class ServerInfo(msgspec.Struct, frozen=True):
    """Who answers."""

    release: str
    epoch: int
    pid: int
    data_directory: str
    started_at: datetime
    unfinished_tasks: int
    resumed_tasks: tuple[str, ...] = ()
    """Tasks taken up again when this server started."""
    role: Literal["runner", "read-only"] = "runner"
    """read-only: no runner could be had, and the files were looked at in its place."""
    note: str = ""
    """What a person should know about the answers; empty when nothing."""


class GarbageReport(msgspec.Struct, frozen=True):
    """What `gc` removed or would remove, and what it kept because it is work not yet applied."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    freed_bytes: int
    is_dry_run: bool


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The one JSON shape of an error (RFC 9457 with `code`, `hint` and `errors` added)."""

    title: str
    status: int
    code: str
    exit_code: int
    """What a command exits with that met it. Always there: 70 says something, too."""
    detail: str = ""
    hint: str = ""
    errors: tuple[str, ...] = ()
    type: str = "about:blank"
