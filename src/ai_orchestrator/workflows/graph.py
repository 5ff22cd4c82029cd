"""A frozen workflow as a graph: its steps, its loops, its agents. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import assert_never

from ai_orchestrator.model.workflow import (
    AgentStep,
    LoopStep,
    ParallelStep,
    ScriptStep,
    Step,
    WorkflowSpec,
)


def walk(steps: Iterable[Step]) -> Iterator[Step]:
    """All steps in the order of the document, each group before what it holds."""
    for step in steps:
        yield step
        match step:
            case LoopStep() | ParallelStep():
                yield from walk(step.steps)
            case AgentStep() | ScriptStep():
                pass
            case _:
                assert_never(step)


def agent_steps(steps: Iterable[Step]) -> tuple[AgentStep, ...]:
    """The agent steps, in order."""
    return tuple(step for step in walk(steps) if isinstance(step, AgentStep))


def loops(steps: Iterable[Step]) -> tuple[LoopStep, ...]:
    """The loops, in order."""
    return tuple(step for step in walk(steps) if isinstance(step, LoopStep))


def agents_used(steps: Iterable[Step]) -> tuple[str, ...]:
    """Names of the agents that steps name, each once, in order."""
    return tuple(dict.fromkeys(step.agent for step in agent_steps(steps)))


def has_writer(steps: Iterable[Step]) -> bool:
    """Some step may change the tree."""
    return any(
        isinstance(step, ScriptStep) or (isinstance(step, AgentStep) and step.permission == "write")
        for step in walk(steps)
    )


def has_verdict(steps: Iterable[Step]) -> bool:
    """Some step asks for a verdict."""
    return any(step.asks == "verdict" for step in agent_steps(steps))


def step_at(spec: WorkflowSpec, path: str) -> Step | None:
    """The step with that path, None where there is none."""
    return next((step for step in walk(spec.steps) if step.path == path), None)


def find_cycle(edges: Mapping[str, Iterable[str]], start: str) -> tuple[str, ...] | None:
    """A way from `start` back to a name that was met on it, that name first and last.

    None when there is no cycle that can be reached from `start`. Names without an entry lead
    nowhere.
    """
    done: set[str] = set()
    way: dict[str, Iterator[str]] = {start: iter(edges.get(start, ()))}
    while way:
        name = next(reversed(way))
        following = next(way[name], None)
        if following is None:
            done.add(name)
            del way[name]
        elif following in way:
            met = list(way)
            return (*met[met.index(following) :], following)
        elif following not in done:
            way[following] = iter(edges.get(following, ()))
    return None
