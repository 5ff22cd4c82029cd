"""`agents` tells what `run` will do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.commands import Person
from tests.support.configuration import shell_agent

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
