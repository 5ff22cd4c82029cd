"""Which agents count as enabled on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ai_orchestrator.config.agents_found import find_program, may_lack_programs, with_agents_found
from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.yaml_source import origins, parse_yaml, plain

MakeEnvironment = Callable[..., Environment]


def install(folder: Path, name: str) -> Path:
    """A program in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def enabled(agent: str, environment: Environment) -> tuple[object, str]:
    """What `enabled` of the one agent becomes, and why."""
    document = parse_yaml(f"agents: {{x: {agent}}}".encode(), "f")
    found = with_agents_found(document, environment)
    data = plain(found)
    assert isinstance(data, dict)
    agents = data["agents"]
    assert isinstance(agents, dict)
    one = agents["x"]
    assert isinstance(one, dict)
    return one.get("enabled"), dict(origins(found))["agents.x.enabled"].source


@pytest.mark.parametrize(
    ("agent", "may_lack"),
    [
        pytest.param("{enabled: true, command: [tool, --x]}", False, id="installed"),
        pytest.param("{command: tool --x}", False, id="installed-as-a-line"),
        pytest.param("{enabled: true, command: nope}", True, id="not-installed"),
        pytest.param("{enabled: missing, command: nope}", False, id="known-to-be-missing"),
        pytest.param("{enabled: false, command: nope}", False, id="off"),
        pytest.param("{enabled: true, driver: builtin}", False, id="comes-with-the-program"),
        pytest.param("{enabled: true, command: 'a \"'}", True, id="no-command"),
        pytest.param("{enabled: true}", True, id="without-a-command"),
        pytest.param("3", True, id="nonsense"),
    ],
)
def test_a_program_that_may_be_missing_is_told_without_a_workflow(
    make_environment: MakeEnvironment, tmp_path: Path, agent: str, *, may_lack: bool
) -> None:
    """Only then has anybody to look who needs it."""
    install(tmp_path / "bin", "tool")
    environment = make_environment(PATH=str(tmp_path / "bin"))
    document = plain(parse_yaml(f"agents: {{x: {agent}}}".encode(), "f"))
    assert isinstance(document, dict)
    assert may_lack_programs(document, environment) is may_lack


def test_installed_agent_is_enabled_and_says_where(make_environment: MakeEnvironment) -> None:
    """`auto` becomes true, and its origin is the program."""
    environment = make_environment()
    program = install(environment.home / "bin", "claude")
    assert enabled("{enabled: auto, command: claude -x}", environment) == (True, f"found {program}")


@pytest.mark.parametrize("command", ["claude", "[claude, -x]", "/opt/none/claude"])
def test_agent_that_is_not_installed_is_missing(
    make_environment: MakeEnvironment, command: str
) -> None:
    """`auto` becomes `missing`, so that the reason can be told."""
    value, origin = enabled(f"{{enabled: auto, command: {command}}}", make_environment())
    assert value == "missing"
    assert "on the PATH" in origin


@pytest.mark.parametrize("value", ["true", "false"])
def test_what_is_not_auto_stays(make_environment: MakeEnvironment, value: str) -> None:
    """A person's word is not looked up."""
    found, origin = enabled(f"{{enabled: {value}, command: none}}", make_environment())
    assert (found, origin) == (value == "true", "f")


@pytest.mark.parametrize(
    ("variables", "options", "expected"),
    [
        ({}, "", "missing"),
        ({"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY_FILE": "/f"}, "", "missing"),
        ({"AI_ORCHESTRATOR_MODEL_URL": "http://x"}, "", True),
        ({}, ", options: {url: 'http://x'}", True),
    ],
)
def test_built_in_agent_is_there_when_a_url_is(
    make_environment: MakeEnvironment, variables: dict[str, str], options: str, expected: object
) -> None:
    """It has no program to look for; a key that is there for others does not enable it."""
    agent = f"{{enabled: auto, driver: builtin{options}}}"
    assert enabled(agent, make_environment(**variables))[0] == expected


@pytest.mark.parametrize("command", ["'\"'", "[]", "[1]", "3", "''"])
def test_command_that_cannot_be_read_is_left_to_the_check(
    make_environment: MakeEnvironment, command: str
) -> None:
    """No error here: the check of the document says what is wrong."""
    assert enabled(f"{{enabled: auto, command: {command}}}", make_environment())[0] == "auto"


def test_words_with_spaces_in_a_list_are_one_program(make_environment: MakeEnvironment) -> None:
    """A list is not split again."""
    environment = make_environment()
    program = install(environment.home / "my bin", "agent")
    assert enabled(f"{{enabled: auto, command: ['{program}']}}", environment)[0] is True


def test_program_is_found_in_the_order_of_the_path(make_environment: MakeEnvironment) -> None:
    """The first one that may be run wins; a plain file of that name does not."""
    environment = make_environment(PATH="first::second")
    (environment.working_directory / "first").mkdir()
    (environment.working_directory / "first" / "tool").touch()
    second = install(environment.working_directory / "second", "tool")
    assert find_program("tool", environment) == second


@pytest.mark.parametrize("text", ["{}", "agents: 3", "agents: {x: 3}", "agents: [1]"])
def test_document_of_another_shape_is_left_alone(
    make_environment: MakeEnvironment, text: str
) -> None:
    """The check of the shape tells what is wrong with it."""
    document = parse_yaml(text.encode(), "f")
    assert plain(with_agents_found(document, make_environment())) == plain(document)
