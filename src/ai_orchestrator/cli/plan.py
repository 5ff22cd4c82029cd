"""A workflow and a plan as lines and as JSON: `run --dry-run` and `workflows NAME`. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, assert_never

import msgspec

from ai_orchestrator.cli import figures
from ai_orchestrator.cli.lines import Line, Span, line, table
from ai_orchestrator.cli.terminal import clean_line
from ai_orchestrator.model.workflow import AgentStep, LoopStep, ParallelStep, ScriptStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_orchestrator.cli.needs import AgentStatus, Plan
    from ai_orchestrator.model.review import Verifier
    from ai_orchestrator.model.workflow import Step, WorkflowSpec


def plan_lines(plan: Plan) -> list[Line]:
    """What `run` would do, for people."""
    base = f" at {figures.short_commit(plan.base_commit)}" if plan.base_commit else ""
    return [
        _fact("repository", f"{plan.repository}{base}"),
        *workflow_lines(plan.spec),
        _head("agents"),
        *(line("  ", *row) for row in table([agent_row(agent) for agent in plan.agents])),
        _head("verifiers"),
        *_verifiers(plan.verifiers),
        line(),
        line(Span("Nothing was started.", "strong")),
    ]


def workflow_lines(spec: WorkflowSpec) -> list[Line]:
    """A workflow's steps and limits."""
    return [
        _fact("workflow", f"{spec.name}: {spec.description}" if spec.description else spec.name),
        _fact("done when", spec.success.value.replace("+", " and ")),
        _fact("sandbox", f"{spec.sandbox}; network of agents: {spec.agent_network}"),
        _fact("limits", _limits(spec)),
        _head("steps"),
        *_steps(spec.steps, ""),
    ]


def plan_json(plan: Plan) -> dict[str, object]:
    """The plan for programs; the workflow as it would be frozen."""
    return {
        "type": "plan",
        "repository": plan.repository,
        "base_commit": plan.base_commit,
        "workflow": msgspec.to_builtins(plan.spec),
        "verifiers": None if plan.verifiers is None else msgspec.to_builtins(list(plan.verifiers)),
        "agents": [agent_json(agent) for agent in plan.agents],
    }


def agent_row(agent: AgentStatus) -> list[Span]:
    """One line of a table: name, readiness, version, account, why."""
    return [
        Span(agent.name, "strong"),
        Span("ready", "good") if agent.is_ready else Span("not ready", "bad"),
        Span(clean_line(agent.version or "-")),
        Span(clean_line(agent.account or "no account"), "accent"),
        Span(clean_line(agent.detail), "dim"),
    ]


def agent_json(agent: AgentStatus) -> dict[str, object]:
    """An agent for programs."""
    return {
        "name": agent.name,
        "driver": agent.driver,
        "is_ready": agent.is_ready,
        "version": agent.version,
        "account": agent.account,
        "detail": agent.detail,
        "next_command": agent.next_command,
    }


def _steps(steps: Sequence[Step], above: str) -> list[Line]:
    lines: list[Line] = []
    for number, step in enumerate(steps, start=1):
        lines += _step(step, f"{above}{number}.")
    return lines


def _step(step: Step, number: str) -> list[Line]:
    head = f"{'  ' * number.count('.')}{number} {step.path}  "
    match step:
        case AgentStep():
            return [line(head, *_agent(step))]
        case ScriptStep():
            return [line(head, Span(shlex.join(step.argv), "accent"))]
        case ParallelStep():
            return [line(head, "side by side"), *_steps(step.steps, number)]
        case LoopStep():
            rounds = figures.counted(step.max_iterations, "round")
            told = f"until {step.until}, at most {rounds}"
            return [line(head, told), *_steps(step.steps, number)]
        case _ as never:
            assert_never(never)


def _agent(step: AgentStep) -> tuple[Span, ...]:
    model = f" ({step.model})" if step.model else ""
    facts = [step.asks, step.permission, f"at most {figures.duration(step.limits.timeout_s)}"]
    facts += [f"when {step.when}"] if step.when else []
    facts += ["optional"] if step.is_optional else []
    return (Span(f"{step.agent}{model}", "accent"), Span(f"  {', '.join(facts)}", "dim"))


def _verifiers(verifiers: Sequence[Verifier] | None) -> list[Line]:
    if verifiers is None:
        return [line("  looked for once the task has started")]
    if not verifiers:
        return [line(Span("  none: nothing can be verified", "warn"))]
    return [
        line("  ", *row)
        for row in table(
            [
                [
                    Span(verifier.name),
                    Span(shlex.join(verifier.argv), "accent"),
                    Span("found in the repository" if verifier.is_detected else "", "dim"),
                ]
                for verifier in verifiers
            ]
        )
    ]


def _limits(spec: WorkflowSpec) -> str:
    tokens = "tokens unlimited" if spec.max_tokens is None else f"{spec.max_tokens:,} tokens"
    cost = "cost unlimited" if spec.max_cost_usd is None else figures.money(spec.max_cost_usd)
    return f"{figures.duration(spec.max_duration_s)}, {tokens}, {cost}"


def _fact(name: str, value: str) -> Line:
    return line(Span(f"{name:<11}", "dim"), clean_line(value))


def _head(title: str) -> Line:
    return line(Span(title, "dim"))
