"""`agents` tells what `run` will do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.commands import Person

URL = "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(
    ("variables", "is_taken"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"OPENAI_API_KEY": "sk-1"}, False, id="key-alone"),
        pytest.param({"AI_ORCHESTRATOR_MODEL_URL": URL}, True, id="url"),
    ],
)
def test_built_in_agent_is_ready_where_a_run_takes_it(
    person: Person, repository: Path, variables: dict[str, str], *, is_taken: bool
) -> None:
    """A key may be there for another program: it does not enable the agent, and both say so."""
    person.writes({})  # none of the vendors' programs
    person.variables.update(variables)
    (listed,) = person.types("agents", "--json").json_lines
    (builtin,) = [agent for agent in listed if agent["name"] == "builtin"]
    planned = person.types("run", "Do it", "--dry-run", cwd=repository)
    assert builtin["is_ready"] is is_taken
    assert planned.code == (0 if is_taken else 3)
    if not is_taken:
        assert "AI_ORCHESTRATOR_MODEL_URL" in builtin["detail"]
        assert builtin["next_command"] == "export AI_ORCHESTRATOR_MODEL_URL=..."
        assert "AI_ORCHESTRATOR_MODEL_URL" in planned.err


@pytest.mark.parametrize("words", [("--agents", "gone"), ()], ids=["named", "by-role"])
def test_an_agent_that_is_not_installed_is_refused_before_acceptance(
    person: Person, repository: Path, words: tuple[str, ...]
) -> None:
    """Exit 3 with what to do; no runner was started for it, and no task is left."""
    gone = {"driver": "command", "command": "no-such-program-anywhere"}
    person.writes({"agents": {"gone": gone}})
    done = person.types("run", "Do it", "-w", "quick", *words, cwd=repository)
    assert done.code == 3
    assert "The agent 'gone' is not installed: 'no-such-program-anywhere'" in done.err
    assert "agents.<name>.command" in done.err
    assert person.runner_pid is None


def test_a_workflow_is_shown_with_the_agent_that_a_run_would_choose(
    person: Person, repository: Path
) -> None:
    """As `run --dry-run` shows it; where there is none, what lacks is told."""
    person.writes({})
    lacking = person.types("workflows", "quick", cwd=repository)
    assert "AI_ORCHESTRATOR_MODEL_URL" in lacking.err
    person.variables["AI_ORCHESTRATOR_MODEL_URL"] = URL
    shown = person.types("workflows", "quick", cwd=repository)
    planned = person.types("run", "Do it", "-w", "quick", "--dry-run", cwd=repository)
    assert (shown.code, shown.err) == (0, "")
    assert "builtin" in shown.out
    assert shown.out.rstrip() in planned.out


def test_an_agent_that_no_step_takes_may_be_missing(person: Person, repository: Path) -> None:
    """Only those that would work have to be there."""
    gone = {"driver": "command", "command": "no-such-program-anywhere"}
    path = person.has_agent("echo hi > out.txt", others={"gone": gone})
    assert "gone" in json.loads(path.read_text())["agents"]
    done = person.types("run", "Do it", "-w", "quick", cwd=repository)
    assert done.code == 0, done.err
