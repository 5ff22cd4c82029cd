"""Workflows out of a resolved configuration: checked as a whole, or frozen for one task.

`check` finds everything that is wrong at once; `freeze` makes the value that a task runs by, and
refuses what `check` would refuse in the workflow and in what all workflows share.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ai_orchestrator.base.errors import EnvironmentProblemError, shorten
from ai_orchestrator.config.agents_found import MISSING
from ai_orchestrator.config.document_path import origin_of
from ai_orchestrator.config.problems import ConfigError, ConfigProblem, known_names
from ai_orchestrator.model.task import ResolvedConfig, RunOptions
from ai_orchestrator.model.workflow import AccountSpec, AgentSpec, WorkflowSpec
from ai_orchestrator.workflows.loading.compile_agents import account_specs, agent_table
from ai_orchestrator.workflows.loading.compile_prompts import prompt_table, review_again
from ai_orchestrator.workflows.loading.compile_workflow import WorkflowCompiler
from ai_orchestrator.workflows.loading.document import Document
from ai_orchestrator.workflows.loading.faults import Fault, Faults, as_problems
from ai_orchestrator.workflows.loading.shape import shape_faults, without_faults

NO_OPTIONS = RunOptions()


class NoAgentError(EnvironmentProblemError):
    """The configuration is right, but no agent that it needs can work here."""

    code = "no-agent"


def workflow_names(config: ResolvedConfig) -> tuple[str, ...]:
    """Names of the workflows, in the order of the document; it need not have been checked."""
    workflows = config.document.get("workflows")
    return tuple(workflows) if isinstance(workflows, dict) else ()


def default_workflow(config: ResolvedConfig) -> str:
    """The workflow of a run that names none. Raises `ConfigError` as `freeze` does."""
    return read_document(config).settings.default_workflow


def check(config: ResolvedConfig) -> list[ConfigProblem]:
    """Everything that is wrong, in the order of the document; empty when nothing is.

    Judges the document alone: every agent counts as installed.
    """
    shape = shape_faults(config.document)
    rest = without_faults(config.document, shape)
    if rest is None:
        return as_problems(shape, config)
    try:
        document = msgspec.convert(rest, Document)
    except msgspec.ValidationError as error:
        return as_problems(shape, config) or [ConfigProblem(f"{shorten(str(error))}.")]
    faults = _sense_faults(document)
    sense = [fault for fault in faults if not any(_is_around(fault, one) for one in shape)]
    return as_problems([*shape, *sense], config)


def freeze(
    config: ResolvedConfig, workflow_name: str | None = None, options: RunOptions = NO_OPTIONS
) -> WorkflowSpec:
    """The workflow as a task runs by it; None takes the default one. Flags beat the document.

    Raises `ConfigError` with all problems of the workflow and of what all share, `NoAgentError`
    when an agent that it needs is not installed.
    """
    faults = Faults()
    spec = _made(config, workflow_name, options, faults, is_to_run=True)
    if faults.lacks:
        raise NoAgentError(
            " ".join(faults.lacks), hint="`ai-orchestrator agents` says what to type."
        )
    return spec


def preview(config: ResolvedConfig, workflow_name: str | None = None) -> WorkflowSpec:
    """The workflow as it would be if every agent were installed, for showing it.

    Raises `ConfigError` as `freeze` does.
    """
    return _made(config, workflow_name, NO_OPTIONS, Faults(), is_to_run=False)


def remarks(
    config: ResolvedConfig, names: Iterable[str], options: RunOptions = NO_OPTIONS
) -> tuple[str, ...]:
    """What is right in these workflows and still not what their reader would expect, as lines.

    Raises `ConfigError` as `freeze` does.
    """
    faults = Faults()
    for name in names:
        _made(config, name, options, faults, is_to_run=True)
    return tuple(str(problem) for problem in as_problems(faults.notes, config))


def _made(
    config: ResolvedConfig,
    workflow_name: str | None,
    options: RunOptions,
    faults: Faults,
    *,
    is_to_run: bool,
) -> WorkflowSpec:
    document = read_document(config)
    name = document.settings.default_workflow if workflow_name is None else workflow_name
    if name not in document.workflows:
        raise ConfigError([_no_workflow(name, document, config, is_default=workflow_name is None)])
    unknown = _unknown_agents(document, options)
    if unknown:  # alone: what follows from it would be told of a document that is right
        raise ConfigError(as_problems(unknown, config))
    spec = _compiler(document, options, faults, is_to_run=is_to_run).make(name)
    if faults.found:
        raise ConfigError(as_problems(faults.found, config))
    return spec


def agent_specs(config: ResolvedConfig) -> tuple[list[AgentSpec], list[AccountSpec]]:
    """Every agent that is not switched off, installed or not, and all accounts.

    Raises `ConfigError` where agents or accounts are wrong.
    """
    document = read_document(config)
    faults = Faults()
    table = agent_table(document, (), faults, is_to_run=False)
    if faults.found:
        raise ConfigError(as_problems(faults.found, config))
    names = table.ready()
    accounts = account_specs(document, names)
    return [table.specs[name] for name in names], list(accounts.values())


def missing_agents(config: ResolvedConfig) -> dict[str, str]:
    """The agents that `freeze` takes for no step unless a run names them, and why.

    Raises `ConfigError` where the document is wrong.
    """
    agents = read_document(config).agents
    return {
        name: origin_of(config.origins, ("agents", name, "enabled")).source
        for name, agent in agents.items()
        if agent.enabled == MISSING
    }


def read_document(config: ResolvedConfig) -> Document:
    """The document as a value. Raises `ConfigError` with every fault of its shape."""
    try:
        return msgspec.convert(config.document, Document)
    except msgspec.ValidationError as error:
        problems = check(config) or [ConfigProblem(f"{shorten(str(error))}.")]
        raise ConfigError(problems) from error


def _sense_faults(document: Document) -> Iterable[Fault]:
    faults = Faults()
    compiler = _compiler(document, NO_OPTIONS, faults, is_to_run=False)
    for name in document.workflows:
        compiler.make(name)
    default = document.settings.default_workflow
    if document.workflows and default not in document.workflows:
        known = known_names(document.workflows, default)
        faults.add(("settings", "default_workflow"), f"no workflow '{default}'. {known}")
    return faults.found


def _compiler(
    document: Document, options: RunOptions, faults: Faults, *, is_to_run: bool
) -> WorkflowCompiler:
    agents = agent_table(document, options.only_agents, faults, is_to_run=is_to_run)
    prompts = prompt_table(document, faults)
    again = review_again(document, faults)
    return WorkflowCompiler(document, agents, prompts, again, options, faults)


def _unknown_agents(document: Document, options: RunOptions) -> list[Fault]:
    return [
        Fault(("--agents",), f"no agent '{name}'. {known_names(document.agents, name)}")
        for name in options.only_agents
        if name not in document.agents
    ]


def _no_workflow(
    name: str, document: Document, config: ResolvedConfig, *, is_default: bool
) -> ConfigProblem:
    message = f"no workflow '{shorten(name)}'. {known_names(document.workflows, name)}"
    if not is_default:
        return ConfigProblem(message)
    return as_problems([Fault(("settings", "default_workflow"), message)], config)[0]


def _is_around(one: Fault, other: Fault) -> bool:
    """One of the two places holds the other, so that the first may follow from the second."""
    length = min(len(one.keys), len(other.keys))
    return one.keys[:length] == other.keys[:length]
