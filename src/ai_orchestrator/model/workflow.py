"""A workflow as it is frozen in a task at acceptance: typed, checked, complete.

Editing a file afterwards never changes a running task: prompts, verifiers and the agent table are
part of the frozen value.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ai_orchestrator.model.agent import AccountKind, Permission, SandboxMode
from ai_orchestrator.model.review import Severity, Verifier
from ai_orchestrator.model.states import SuccessRule

StepRole = Literal["implementer", "reviewer"]
"""Whose conversation a step continues: one conversation per role, agent and account."""


LEAST_TIME_S = 1.0
"""An agent or a command that is started at all gets this much, however little its task has left."""


class Limits(msgspec.Struct, frozen=True):
    """Bounds on one run of an agent; None is unbounded, except the times."""

    timeout_s: float = 1800.0
    stall_s: float = 300.0
    max_turns: int | None = None
    max_tokens: int | None = None
    max_cost_usd: float | None = None


class AgentStep(msgspec.Struct, frozen=True, tag="agent"):
    """An agent with a prompt. `asks` says what its answer must be."""

    path: str
    task: str
    """A built-in task (implement, review, refine, test, ...) or the name of a prompt."""
    agent: str
    role: StepRole
    asks: Literal["change", "verdict", "suggestions"]
    permission: Permission
    prompt: str
    """Name of the prompt in `WorkflowSpec.prompts`."""
    limits: Limits = Limits()
    account: str | None = None
    model: str | None = None
    when: str | None = None
    is_optional: bool = False
    description: str = ""


class ScriptStep(msgspec.Struct, frozen=True, tag="script"):
    """A command run in the tree; what it changes is committed like an agent's work."""

    path: str
    argv: tuple[str, ...]
    timeout_s: float = 600.0
    network: bool = False
    when: str | None = None
    is_optional: bool = False
    description: str = ""


class ParallelStep(msgspec.Struct, frozen=True, tag="parallel"):
    """Read-only agent steps that run side by side."""

    path: str
    steps: tuple[AgentStep, ...]
    when: str | None = None


class LoopStep(msgspec.Struct, frozen=True, tag="loop"):
    """Steps repeated until the condition holds or the rounds are used up. Not nested."""

    path: str
    steps: tuple[AgentStep | ScriptStep | ParallelStep, ...]
    until: str
    max_iterations: int


Step = AgentStep | ScriptStep | ParallelStep | LoopStep


class AgentSpec(msgspec.Struct, frozen=True):
    """One agent of the frozen table."""

    name: str
    driver: str
    """Name in the driver registry: claude, codex, gemini, copilot, builtin, command."""
    command: tuple[str, ...]
    """Program and leading arguments; a single bare name is looked up on the client's PATH."""
    model: str | None = None
    account: str | None = None
    description: str = ""
    options: dict[str, str] = {}
    max_retries: int | None = None
    """Tries after a temporary failure; None: `WorkflowSpec.step_retries`."""


class AccountSpec(msgspec.Struct, frozen=True):
    """How an agent's login reaches it. Never holds a secret, only the names of variables."""

    name: str
    agent: str
    kind: AccountKind
    variables: tuple[str, ...] = ()
    directory: str | None = None


class EnvironmentSpec(msgspec.Struct, frozen=True):
    """What a tree needs before work can start in it."""

    setup: tuple[tuple[str, ...], ...] = ()
    setup_files: tuple[str, ...] | None = None
    """Patterns of files on which the result of `setup` depends, beside lock files and manifests;
    None: found out by its commands."""
    copy: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    ports: int = 0
    """Free ports reserved per attempt, given as PORT_0.. and PORT."""


class WorkflowSpec(msgspec.Struct, frozen=True):
    """Everything that decides how a task runs."""

    name: str
    description: str
    success: SuccessRule
    steps: tuple[Step, ...]
    agents: dict[str, AgentSpec]
    accounts: dict[str, AccountSpec]
    prompts: dict[str, str]
    """Prompt name -> template text with `{{ named }}` inputs."""
    verifiers: tuple[Verifier, ...] | None
    """None: detect them in the base commit, then freeze."""
    baseline: Literal["expect-green", "expect-red"] = "expect-green"
    protected: tuple[str, ...] = ()
    environment: EnvironmentSpec = EnvironmentSpec()
    bar: Severity = Severity.MEDIUM
    """Findings below it neither block approval nor count for the stop rule."""
    min_open_findings: int = 1
    """The loop goes on while at least so many findings at or above the bar are open."""
    fail_on: Severity | None = None
    allow_red_base: bool = False
    allow_unverified: bool = False
    sandbox: SandboxMode = "required"
    agent_network: Literal["open", "none"] = "open"
    max_duration_s: float = 4 * 3600.0
    max_tokens: int | None = None
    max_cost_usd: float | None = None
    step_retries: int = 1
    """Tries after a temporary failure of an agent step, where its agent says nothing."""
