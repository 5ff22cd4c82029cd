"""Who plays in the demo: the built-in agent, or installed ones by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.commands import Person

from ai_orchestrator.config.layers import merge_all
from ai_orchestrator.config.yaml_source import origins, parse_yaml, plain
from ai_orchestrator.model.task import ResolvedConfig
from ai_orchestrator.services.demo_configuration import demo_document
from ai_orchestrator.workflows.graph import agent_steps
from ai_orchestrator.workflows.loading.load import freeze


@pytest.mark.parametrize(
    ("named", "code", "words"),
    [
        pytest.param("claude,cursor", 2, "no part for cursor. Known: claude, codex", id="unknown"),
        pytest.param("claude,,codex", 2, "has an empty name", id="empty"),
        pytest.param("gemini", 3, "gemini is not on the PATH", id="not-installed"),
    ],
)
def test_agent_that_cannot_play_is_refused(
    person: Person, named: str, code: int, words: str
) -> None:
    """Nobody steps in for an agent that was named, and nothing is made for the demo."""
    person.variables["PATH"] = "/usr/bin:/bin"
    done = person.types("demo", "--agents", named, "--directory", "d")
    assert done.code == code
    assert words in done.err
    assert not Path(person.home, "d").exists()


@pytest.mark.parametrize(
    ("agents", "players"),
    [
        ((), ("builtin", "builtin", "builtin")),
        (("codex",), ("codex", "codex", "codex")),
        (("claude", "codex"), ("claude", "claude", "codex")),
        (("claude", "codex", "gemini"), ("claude", "gemini", "codex")),
        (("claude", "codex", "gemini", "copilot"), ("claude", "gemini", "codex")),
    ],
    ids=lambda value: ",".join(value) or "none",
)
def test_named_agents_take_the_parts_in_turn(
    agents: tuple[str, ...], players: tuple[str, ...]
) -> None:
    """Who implements, who refines and who reviews."""
    whole = merge_all([parse_yaml(demo_document("http://x", agents).encode(), "demo")])
    document = plain(whole)
    assert isinstance(document, dict)
    steps = agent_steps(freeze(ResolvedConfig(document, dict(origins(whole)))).steps)
    assert tuple(step.agent for step in steps) == players
