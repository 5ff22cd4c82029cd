"""A frozen workflow looked at as a graph."""

from __future__ import annotations

from ai_orchestrator.model.workflow import AgentStep, LoopStep, ParallelStep, ScriptStep, Step
from ai_orchestrator.workflows.graph import (
    agents_used,
    find_cycle,
    has_verdict,
    has_writer,
    loops,
    walk,
)


def review(path: str, agent: str) -> AgentStep:
    """A reviewing step."""
    return AgentStep(path, "review", agent, "reviewer", "verdict", "read-only", "review")


SCRIPT = ScriptStep("fmt", ("fmt",))
GROUP = ParallelStep("l/p", (review("l/p/a", "codex"), review("l/p/b", "claude")))
STEPS: tuple[Step, ...] = (
    SCRIPT,
    LoopStep("l", (GROUP, review("l/r", "codex")), "true", 3),
)


def test_walk_gives_groups_before_what_they_hold() -> None:
    """Every step once, in the order of the document."""
    assert [step.path for step in walk(STEPS)] == ["fmt", "l", "l/p", "l/p/a", "l/p/b", "l/r"]


def test_agents_are_named_once_in_order() -> None:
    """The order is that of their first steps."""
    assert agents_used(STEPS) == ("codex", "claude")


def test_what_a_workflow_has() -> None:
    """A script writes; a review alone does not."""
    assert [loop.path for loop in loops(STEPS)] == ["l"]
    assert has_writer(STEPS)
    assert not has_writer(STEPS[1:])
    assert has_verdict(STEPS)
    assert not has_verdict(STEPS[:1])


def test_cycle_is_told_as_a_way_round() -> None:
    """The name at which the way closes stands at both ends."""
    edges = {"a": ["b"], "b": ["d", "c"], "c": ["b"], "d": []}
    assert find_cycle(edges, "a") == ("b", "c", "b")
    assert find_cycle(edges, "d") is None
    assert find_cycle({"a": ["a"]}, "a") == ("a", "a")
    assert find_cycle({"a": ["gone"]}, "a") is None


def test_long_chain_is_no_cycle_and_no_recursion() -> None:
    """A chain longer than Python's stack is followed to its end."""
    edges = {str(n): [str(n + 1)] for n in range(5_000)}
    assert find_cycle(edges, "0") is None
    assert find_cycle({**edges, "5000": ["0"]}, "0") == (*map(str, range(5_001)), "0")
