"""Where the data directory, the socket and the configuration files are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError
from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.paths import (
    SOCKET_LIMIT_BYTES,
    data_directory,
    socket_path,
    user_config_file,
)

HOME = Path("/home/ada")
WORK = Path("/home/ada/project")


def environment(**variables: str) -> Environment:
    """Ada's environment with these variables."""
    return Environment(variables, WORK, HOME)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "/home/ada/.local/share/ai-orchestrator"),
        ({"XDG_DATA_HOME": "/data"}, "/data/ai-orchestrator"),
        ({"XDG_DATA_HOME": "relative"}, "/home/ada/.local/share/ai-orchestrator"),
        ({"XDG_DATA_HOME": ""}, "/home/ada/.local/share/ai-orchestrator"),
        ({"AI_ORCHESTRATOR_HOME": "/own", "XDG_DATA_HOME": "/data"}, "/own"),
        ({"AI_ORCHESTRATOR_HOME": "/state/../own"}, "/own"),
        ({"AI_ORCHESTRATOR_HOME": "~/own"}, "/home/ada/own"),
        ({"AI_ORCHESTRATOR_HOME": ""}, "/home/ada/.local/share/ai-orchestrator"),
    ],
)
def test_data_directory(variables: dict[str, str], expected: str) -> None:
    """The own variable beats XDG, a relative XDG directory is ignored as its standard says."""
    assert data_directory(environment(**variables)) == Path(expected)


@pytest.mark.parametrize("value", ["state", "../own", "~bob/own"])
def test_a_relative_data_directory_is_refused(value: str) -> None:
    """Each folder would have its own; the whole path is there to be copied."""
    with pytest.raises(BadInputError, match="relative path") as caught:
        data_directory(environment(AI_ORCHESTRATOR_HOME=value))
    assert "AI_ORCHESTRATOR_HOME=/home/ada/" in caught.value.hint.replace("'", "")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "/home/ada/.config/ai-orchestrator/agents.yaml"),
        ({"XDG_CONFIG_HOME": "/etc/ada"}, "/etc/ada/ai-orchestrator/agents.yaml"),
    ],
)
def test_user_config_file(variables: dict[str, str], expected: str) -> None:
    """The user's file lies in the XDG configuration directory."""
    assert user_config_file(environment(**variables)) == Path(expected)


def directory_with_socket_of(length_bytes: int) -> Path:
    """A data directory whose own socket's path has that length."""
    rest = length_bytes - len("/runner.sock") - 1
    return Path("/" + "x" * rest)


def test_socket_lies_in_the_data_directory_up_to_the_last_byte() -> None:
    """107 bytes fit into a socket's address."""
    directory = directory_with_socket_of(SOCKET_LIMIT_BYTES)
    assert socket_path(directory, environment()) == directory / "runner.sock"


def test_socket_of_a_deep_directory_lies_in_the_runtime_directory() -> None:
    """One byte more, and the socket moves; two directories never share one."""
    deep = directory_with_socket_of(SOCKET_LIMIT_BYTES + 1)
    user = environment(XDG_RUNTIME_DIR="/run/user/1000")
    path = socket_path(deep, user)
    assert path.parent == Path("/run/user/1000/ai-orchestrator")
    assert socket_path(deep, user) == path
    assert socket_path(deep / "other", user) != path


@pytest.mark.parametrize(
    "runtime", [{}, {"XDG_RUNTIME_DIR": "relative"}, {"XDG_RUNTIME_DIR": "/" + "y" * 100}]
)
def test_socket_that_fits_nowhere_is_refused_with_the_way_out(runtime: dict[str, str]) -> None:
    """No fall back to a directory that other users can write."""
    deep = directory_with_socket_of(SOCKET_LIMIT_BYTES + 1)
    with pytest.raises(EnvironmentProblemError, match="XDG_RUNTIME_DIR"):
        socket_path(deep, environment(**runtime))


def test_length_counts_bytes_and_not_characters() -> None:
    """A name in another script is longer than it looks."""
    directory = Path("/" + "é" * 50)
    assert len(str(directory / "runner.sock")) < SOCKET_LIMIT_BYTES
    with pytest.raises(EnvironmentProblemError):
        socket_path(directory, environment())


def test_environment_of_process_is_a_snapshot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Later changes of the process's variables do not reach what was read."""
    monkeypatch.setenv("AI_ORCHESTRATOR_HOME", "/before")
    monkeypatch.chdir(tmp_path)
    before = Environment.of_process()
    monkeypatch.setenv("AI_ORCHESTRATOR_HOME", "/after")
    assert before.get("AI_ORCHESTRATOR_HOME") == "/before"
    assert before.working_directory == tmp_path


def test_deleted_working_directory_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shell that stands in a directory somebody removed gets a sentence, not a traceback."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(EnvironmentProblemError, match="does not exist any more"):
        Environment.of_process()
    os.chdir(tmp_path)
