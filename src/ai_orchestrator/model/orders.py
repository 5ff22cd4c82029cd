"""What one package asks of another inside the server: never stored, never sent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ai_orchestrator.model.agent import AgentEvent, Permission, SandboxMode
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.workflow import AgentSpec, Limits


@dataclass(frozen=True, slots=True)
class StepCommit:
    """The commit that a step ended with; its input's commit where nothing was changed."""

    commit: str
    tree: str
    is_changed: bool
    files: int = 0
    insertions: int = 0
    deletions: int = 0


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a tree was given beside its commit."""

    ports: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person should know: patterns that nothing fits."""
    paths: tuple[str, ...] = ()
    """What was brought into the tree."""


@dataclass(frozen=True, slots=True)
class SetupOrder:
    """Commands that make a tree ready, and what their result depends on beside its files."""

    commands: tuple[tuple[str, ...], ...]
    which: Literal["work", "clean"]
    """The agent's tree or the verifiers'."""
    seen_at: str
    """Where the commands see the tree: what they install may hold the path."""
    path_env: str
    """PATH on which their tools are found."""
    files: tuple[str, ...] | None
    """Patterns of files that count beside lock files; None: found out by the commands."""
    furnished: tuple[str, ...]
    """What `copy:` and `link:` brought: never kept, and part of what the result depends on."""


@dataclass(frozen=True, slots=True)
class SetupResult:
    """What came of restoring or keeping a set-up."""

    key: str
    """Of all that the result depends on; empty where that could not be read."""
    is_done: bool = False
    reason: str = ""
    """Why it is not done, where that is as it should be; part of a sentence."""
    trouble: str = ""
    """A sentence for people, where something failed."""


@dataclass(frozen=True, slots=True)
class AttemptPaths:
    """Directories of one execution of a step, all on the host, all existing."""

    work: Path
    """The agent's tree."""
    home: Path
    """HOME, of this attempt alone."""
    tmp: Path
    """TMPDIR, of this attempt alone, removed afterwards."""
    conversation: Path
    """State of this role's conversation with this agent and account; outlives attempts."""
    read_only: tuple[Path, ...] = ()
    """Seen in the sandbox at the same path, read-only: the objects that `.git` borrows."""


@dataclass(frozen=True, slots=True)
class Containment:
    """How far a process is fenced in."""

    sandbox: SandboxMode
    permission: Permission
    network: str
    """`open` or `none`."""


@dataclass(frozen=True, slots=True)
class AgentOrder:
    """One run of one agent."""

    key: StepKey
    agent: AgentSpec
    prompt: str
    limits: Limits
    paths: AttemptPaths
    containment: Containment
    path_env: str
    """PATH for finding the agent and for its tools."""
    account_env: Mapping[str, str]
    """The account's variables with their secret values."""
    extra_env: Mapping[str, str]
    """PORT.. and the like, not secret."""
    model: str | None
    resume_session: str | None
    """Session to continue, or None for a new conversation."""
    prior_usage_session: bool = False
    """The conversation was billed before: cumulative figures must be taken as a difference."""
    remaining_s: float = math.inf
    """Of the task's time, for whoever has to wait before the run begins."""


AgentEventSink = Callable[[AgentEvent], None]
"""Called in the event loop of the run, in order; must not block."""
