"""The YAML document: every key of `agents.yaml` with its meaning, unit and default.

These structs are the one source: the JSON Schema and the tables of the reference are made from
them, and loading converts the merged document into them. Shape only; `load` checks the sense.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ai_orchestrator.model.agent import AccountKind, Permission, SandboxMode
from ai_orchestrator.model.review import Severity
from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.model.task import Count, Money, Rounds

AgentRole = Literal["implementation", "review", "refinement", "suggestions"]
Driver = Literal["claude", "codex", "gemini", "copilot", "builtin", "command"]
PromptKind = Literal["change", "verdict", "suggestions"]
Network = Literal["open", "none"]

# `$` also fits before a last line break in Python, hence the (?!\n).
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}(?!\n)$"
IDENTIFIER_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}(?!\n)$"
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*(?!\n)$"
DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+(?!\n)$"
MAX_DURATION_S = 30 * 86_400

Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
Identifier = Annotated[str, Meta(pattern=IDENTIFIER_PATTERN)]
Text = Annotated[str, Meta(min_length=1)]
Retries = Annotated[int, Meta(ge=0, le=10)]
PortCount = Annotated[int, Meta(ge=0, le=100)]
Steps = Annotated[list["StepDoc"], Meta(min_length=1)]
Duration = (
    Annotated[float, Meta(gt=0, le=MAX_DURATION_S)]
    | Annotated[str, Meta(pattern=DURATION_PATTERN, max_length=40)]
)
CommandLine = Text | Annotated[list[str], Meta(min_length=1)]


class _Doc(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all: unknown keys are refused, absent ones have their default."""


class AgentDoc(_Doc, frozen=True):
    """One agent that steps can name."""

    enabled: Annotated[
        bool | Literal["auto", "missing"],
        Meta(
            description="`auto`: enabled when its program is found on the PATH. `missing` is what "
            "becomes of `auto` when it is not found."
        ),
    ] = True
    driver: Annotated[
        Driver | None,
        Meta(description="How to talk to it. Default: the agent's own name, where it is one."),
    ] = None
    command: Annotated[
        CommandLine | None,
        Meta(
            description="Program and leading arguments, as a line or a list. Default: the name of "
            "the driver."
        ),
    ] = None
    role: Annotated[
        AgentRole | None,
        Meta(description="Which steps it takes when they name no agent."),
    ] = None
    model: Annotated[Text | None, Meta(description="Default: the agent's own choice.")] = None
    account: Annotated[Name | None, Meta(description="Login to use, from `accounts`.")] = None
    permission: Annotated[
        Permission | None,
        Meta(description="`read-only`: it is never given a step that writes. Default: `write`."),
    ] = None
    timeout: Annotated[
        Duration | None,
        Meta(description="Longest run of one step. Default: `settings.agent_timeout`."),
    ] = None
    stall_timeout: Annotated[
        Duration | None,
        Meta(description="Longest silence. Default: `settings.stall_timeout`."),
    ] = None
    max_turns: Annotated[Count | None, Meta(description="Turns in one step.")] = None
    max_tokens: Annotated[Count | None, Meta(description="Tokens in one step.")] = None
    max_cost_usd: Annotated[Money | None, Meta(description="US dollars in one step.")] = None
    max_retries: Annotated[
        Retries | None,
        Meta(description="Tries after a temporary failure. Default: `settings.step_retries`."),
    ] = None
    description: Annotated[str, Meta(description="For people.")] = ""
    options: Annotated[
        dict[str, str | int | float | bool],
        Meta(description="Passed to the driver as text."),
    ] = {}


class AccountDoc(_Doc, frozen=True):
    """One login of one agent. Never holds a secret, only where it comes from."""

    agent: Annotated[Name, Meta(description="The agent that logs in with it.")]
    kind: Annotated[
        AccountKind,
        Meta(
            description="`env`: by variables. `vendor-home`: a login that the orchestrator keeps, "
            "made by `ai-orchestrator agents login NAME`. `user-home`: the vendor's directory of "
            "this user. `none`: no login."
        ),
    ]
    variables: Annotated[
        list[Annotated[str, Meta(pattern=VARIABLE_PATTERN)]],
        Meta(description="Names of the variables that hold the login, for `env`."),
    ] = []
    directory: Annotated[
        Text | None,
        Meta(description="The vendor's directory, for `user-home`, where it is not the usual one."),
    ] = None


class PromptDoc(_Doc, frozen=True):
    """A prompt: of an own task, or in place of a built-in one of the same name."""

    file: Annotated[
        Text | None, Meta(description="File with the template, beside the file that names it.")
    ] = None
    text: Annotated[Text | None, Meta(description="The template itself.")] = None
    kind: Annotated[
        PromptKind | None,
        Meta(
            description="What the answer is: a `change` of files, a `verdict` on one, or "
            "`suggestions`. Default: that of the built-in prompt, else `change`."
        ),
    ] = None
    permission: Annotated[
        Permission | None,
        Meta(description="Default: `write` for a change, else `read-only`."),
    ] = None


class VerifierDoc(_Doc, frozen=True):
    """A command whose exit code says whether the work is done."""

    run: Annotated[CommandLine, Meta(description="The command.")]
    name: Annotated[
        Name | None, Meta(description="Default: the program's name, numbered where it repeats.")
    ] = None
    timeout: Annotated[
        Duration | None, Meta(description="Default: `settings.verifier_timeout`.")
    ] = None
    network: Annotated[bool, Meta(description="Whether it may use the network.")] = False


class TreeDoc(_Doc, frozen=True):
    """What a repository needs; for all workflows, or for one."""

    verify: Annotated[
        Literal["auto"] | list[Text | VerifierDoc] | None,
        Meta(
            description="Commands that say whether the work is done. `auto`: found by looking at "
            "the repository. An empty list: none. Default: `auto`."
        ),
    ] = None
    protected: Annotated[
        list[Text] | None,
        Meta(
            description="Patterns of files that agents may not change. `pyproject.toml` and "
            "`package.json` are compared by section."
        ),
    ] = None
    setup: Annotated[
        list[CommandLine] | None,
        Meta(description="Commands that make a fresh tree ready, with network."),
    ] = None
    setup_files: Annotated[
        list[Text] | None,
        Meta(
            description="Patterns of files on which the result of `setup` depends, beside lock "
            "files, manifests and the files that its commands name: it is kept and brought back "
            "until one of them changes. Default: none for well-known installers, else all files."
        ),
    ] = None
    copy: Annotated[
        list[Text] | None, Meta(description="Ignored files to copy into the tree, such as `.env`.")
    ] = None
    link: Annotated[
        list[Text] | None, Meta(description="Ignored directories to link into the tree.")
    ] = None
    ports: Annotated[
        PortCount | None,
        Meta(description="Free ports per attempt, given as PORT, PORT_0, PORT_1..."),
    ] = None


class StepDoc(_Doc, frozen=True):
    """One step. Exactly one of `task`, `run`, `parallel`, `iterate` and `use` says what it is."""

    task: Annotated[
        Name | None,
        Meta(description="An agent's task: a built-in one or the name of a prompt."),
    ] = None
    run: Annotated[CommandLine | None, Meta(description="A command that may change files.")] = None
    parallel: Annotated[
        Steps | None, Meta(description="Read-only agent steps that run side by side.")
    ] = None
    iterate: Annotated[Steps | None, Meta(description="Steps to repeat until `until` holds.")] = (
        None
    )
    use: Annotated[Name | None, Meta(description="The steps of another workflow.")] = None
    id: Annotated[
        Identifier | None,
        Meta(description="Its name in paths such as `improve/review`. Default: the task's name."),
    ] = None
    agent: Annotated[Name | None, Meta(description="Who does it. Default: by role.")] = None
    role: Annotated[
        AgentRole | None, Meta(description="The role to choose an agent by, in place of `agent`.")
    ] = None
    when: Annotated[Text | None, Meta(description="Condition under which it runs.")] = None
    optional: Annotated[bool, Meta(description="Its failure does not end the task.")] = False
    until: Annotated[
        Text | None,
        Meta(description="Condition that ends the loop. Default: what `success` asks for."),
    ] = None
    max_iterations: Annotated[
        Rounds | None, Meta(description="Rounds of the loop. Default: that of the workflow.")
    ] = None
    model: Annotated[Text | None, Meta(description="Default: the agent's.")] = None
    account: Annotated[Name | None, Meta(description="Default: the agent's.")] = None
    permission: Annotated[Permission | None, Meta(description="Default: that of the task.")] = None
    timeout: Annotated[
        Duration | None, Meta(description="Default: the agent's; 10m for `run`.")
    ] = None
    max_turns: Annotated[Count | None, Meta(description="Default: the agent's.")] = None
    max_tokens: Annotated[Count | None, Meta(description="Default: the agent's.")] = None
    max_cost_usd: Annotated[Money | None, Meta(description="Default: the agent's.")] = None
    prompt: Annotated[
        Name | None, Meta(description="Another prompt for the task, of the same kind.")
    ] = None
    network: Annotated[
        bool | None, Meta(description="Whether a `run` may use the network. Default: false.")
    ] = None
    description: Annotated[str, Meta(description="For people.")] = ""


class WorkflowDoc(TreeDoc, frozen=True):
    """A workflow in the form of a map. In the form of a list it is just the steps of one loop."""

    description: Annotated[str, Meta(description="For people.")] = ""
    file: Annotated[
        Text | None, Meta(description="File with the workflow, beside the file that names it.")
    ] = None
    success: Annotated[
        SuccessRule | None,
        Meta(
            description="What must be so for the task to have succeeded. Default: "
            "`approved+verified` with a reviewing step, else `verified`."
        ),
    ] = None
    steps: Annotated[list[StepDoc], Meta(description="What is done, in order.")] = []
    max_iterations: Annotated[
        Rounds | None,
        Meta(
            description="Rounds of its loops. Without an `iterate` the steps become one loop. "
            "Default: `settings.max_iterations`."
        ),
    ] = None
    min_open_findings: Annotated[
        Count | None,
        Meta(
            description="The loop goes on while at least so many findings at or above the bar are "
            "open. Default: `settings.min_open_findings`."
        ),
    ] = None
    bar: Annotated[
        Severity | None,
        Meta(description="Findings below it block nothing. Default: `settings.bar`."),
    ] = None
    fail_on: Annotated[
        Severity | None,
        Meta(description="Open findings of this severity and above fail a task that succeeded."),
    ] = None
    baseline: Annotated[
        Literal["expect-green", "expect-red"] | None,
        Meta(
            description="Whether the verifiers must pass before work starts, or may fail because "
            "mending them is the task. Default: `expect-green`."
        ),
    ] = None
    allow_unverified: Annotated[
        bool, Meta(description="Succeed also where no verifier is found.")
    ] = False
    network: Annotated[
        Network | None, Meta(description="Network of the agents. Default: `settings.network`.")
    ] = None
    timeout: Annotated[
        Duration | None, Meta(description="Of the whole task. Default: `settings.max_duration`.")
    ] = None
    max_tokens: Annotated[
        Count | None, Meta(description="Of the whole task. Default: `settings.max_tokens`.")
    ] = None
    max_cost_usd: Annotated[
        Money | None, Meta(description="Of the whole task. Default: `settings.max_cost_usd`.")
    ] = None


class SettingsDoc(_Doc, frozen=True):
    """What holds for all tasks unless a workflow says otherwise."""

    default_workflow: Annotated[Name, Meta(description="For `run` without `--workflow`.")] = (
        "default"
    )
    max_iterations: Annotated[Rounds, Meta(description="Rounds of a loop.")] = 3
    min_open_findings: Annotated[
        Count,
        Meta(description="A loop goes on while at least so many findings count as open."),
    ] = 1
    bar: Annotated[Severity, Meta(description="Findings below it block nothing.")] = Severity.MEDIUM
    step_retries: Annotated[
        Retries, Meta(description="Tries after a temporary failure of an agent.")
    ] = 1
    sandbox: Annotated[
        SandboxMode,
        Meta(
            description="`required`: a task does not start where it cannot be fenced in. "
            "`best-effort`: it starts with what there is, and says so. `off`: no fence."
        ),
    ] = "required"
    network: Annotated[Network, Meta(description="Network of the agents.")] = "open"
    agent_timeout: Annotated[Duration, Meta(description="Longest run of one agent step.")] = "30m"
    stall_timeout: Annotated[
        Duration, Meta(description="An agent that is silent for so long is stopped.")
    ] = "5m"
    verifier_timeout: Annotated[Duration, Meta(description="Longest run of one verifier.")] = "10m"
    max_duration: Annotated[Duration, Meta(description="Longest time of one task.")] = "4h"
    max_tokens: Annotated[Count | None, Meta(description="Of one task. Default: no limit.")] = None
    max_cost_usd: Annotated[
        Money | None, Meta(description="US dollars of one task. Default: no limit.")
    ] = None


class Document(TreeDoc, frozen=True):
    """The whole of `agents.yaml`, with the files it names put in."""

    agents: Annotated[dict[Name, AgentDoc], Meta(description="Agents, by name.")] = {}
    accounts: Annotated[dict[Name, AccountDoc], Meta(description="Logins, by name.")] = {}
    workflows: Annotated[
        dict[Name, list[StepDoc] | WorkflowDoc], Meta(description="Workflows, by name.")
    ] = {}
    prompts: Annotated[dict[Name, PromptDoc], Meta(description="Own prompts, by name.")] = {}
    settings: Annotated[SettingsDoc, Meta(description="For all tasks.")] = SettingsDoc()
