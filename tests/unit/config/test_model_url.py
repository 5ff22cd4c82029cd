"""The address of the built-in agent's model is checked where it is written."""

from __future__ import annotations

import pytest
from tests.unit.config.conftest import MakeEnvironment

from ai_orchestrator.config.environment_layer import environment_layer
from ai_orchestrator.config.model_url import model_url_problem
from ai_orchestrator.config.yaml_source import parse_yaml

WRONG = [
    "foo",
    "localhost:11434/v1",
    "ftp://host/v1",
    "http://",
    "http:///v1",
    "https://:8080",
    "http://host:port/v1",
    "http://host:99999/v1",
    "http://[::1/v1",
    "http://a b/v1",
]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_url_with_a_host_is_refused(
    make_environment: MakeEnvironment, text: str
) -> None:
    """With the variable's name, what was found and how it is written."""
    environment = make_environment(AI_ORCHESTRATOR_MODEL_URL=text)
    _, problems = environment_layer(environment, parse_yaml(b"{}", "built-in"))
    (problem,) = problems
    assert str(problem).startswith("environment AI_ORCHESTRATOR_MODEL_URL: '")
    assert "http://127.0.0.1:11434/v1" in str(problem)


@pytest.mark.parametrize(
    "text",
    ["http://127.0.0.1:11434/v1", "https://api.openai.com/v1", "http://[::1]:8080", "HTTP://a/"],
)
def test_an_address_is_taken(text: str) -> None:
    """Whether anybody answers there only the task finds out."""
    assert model_url_problem(text) == ""
