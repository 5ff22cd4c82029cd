"""Whether a request asks again for a task that was accepted under its idempotency key. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ai_orchestrator.model.task import RepositorySource, RunOptions, TaskRequest
from ai_orchestrator.model.workflow import WorkflowSpec
from ai_orchestrator.store.texts import storable
from ai_orchestrator.store.views import FrozenTask
from ai_orchestrator.workflows.graph import agent_steps, loops


def difference(request: TaskRequest, earlier: FrozenTask) -> str:
    """What the earlier task was asked for instead, for people; empty where it is the same.

    Configuration and agents may have changed since: whoever asks again does not mean them. Of the
    flags those that are given count, by what they made of the earlier workflow.
    """
    if storable(request.task) != earlier.task:
        return "another text"
    if request.repository != earlier.source:
        return f"another start: {repository_name(earlier.source)}"
    if request.workflow not in (None, earlier.workflow):
        return f"another workflow: {earlier.workflow}"
    flag = next(_other_flags(request.options, earlier.spec), None)
    return "" if flag is None else f"another {flag}"


def repository_name(source: RepositorySource) -> str:
    """The source as people know it."""
    return source.path or source.url or source.new_directory or ""


def _other_flags(options: RunOptions, spec: WorkflowSpec) -> Iterator[str]:
    """The flags that the workflow was not frozen with."""
    same = {
        "--sandbox": options.sandbox in (None, spec.sandbox),
        "--fail-on": options.fail_on in (None, spec.fail_on),
        "--max-cost": options.max_cost_usd in (None, spec.max_cost_usd),
        "--max-tokens": options.max_tokens in (None, spec.max_tokens),
        "--allow-red-base": spec.allow_red_base or not options.allow_red_base,
        "--allow-unverified": spec.allow_unverified or not options.allow_unverified,
        "--max-iterations": _is_of_all(
            options.max_iterations, [loop.max_iterations for loop in loops(spec.steps)]
        ),
        "--model": _is_of_all(options.model, [step.model for step in agent_steps(spec.steps)]),
        "--agents": not options.only_agents
        or {step.agent for step in agent_steps(spec.steps)} <= set(options.only_agents),
    }
    return (flag for flag, is_same in same.items() if not is_same)


def _is_of_all(value: object, values: list[object]) -> bool:
    return value is None or all(value == one for one in values)
