"""Programs behind launchers, links and package managers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ai_orchestrator.agents.base import AgentMissingError
from ai_orchestrator.agents.find import look_up, node_arch
from ai_orchestrator.agents.registry import driver

ELF = b"\x7fELF\x02"
ARCH = node_arch()
LAUNCHERS = {
    "claude": (
        "@anthropic-ai/claude-code/bin/claude.exe",
        f"@anthropic-ai/claude-code-linux-{ARCH}/claude",
    ),
    "codex": ("@openai/codex/bin/codex.js", f"@openai/codex-linux-{ARCH}/vendor/triple/bin/codex"),
    "copilot": ("@github/copilot/npm-loader.js", f"@github/copilot-linux-{ARCH}/copilot"),
}


def put(path: Path, content: bytes = b"#!/bin/sh\n") -> Path:
    """An executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def installed(root: Path, agent: str, *, with_binary: bool = True) -> Path:
    """An npm installation; the folder that is on PATH."""
    launcher, binary = LAUNCHERS[agent]
    modules = root / "lib" / "node_modules"
    put(modules / launcher)
    if with_binary:
        put(modules / binary, ELF)
    (root / "bin").mkdir()
    (root / "bin" / agent).symlink_to(modules / launcher)
    return root / "bin"


@pytest.mark.parametrize("agent", sorted(LAUNCHERS))
def test_the_binary_behind_the_launcher_is_run(agent: str, tmp_path: Path) -> None:
    """A signal to the launcher would not reach it."""
    path = installed(tmp_path, agent)
    found = driver(agent).find((), str(path))
    binary = tmp_path / "lib" / "node_modules" / LAUNCHERS[agent][1]
    assert found.argv == (str(binary),)
    assert found.named == str(path / agent)
    assert any(binary == one or one in binary.parents for one in found.prefixes)


@pytest.mark.parametrize("agent", sorted(LAUNCHERS))
def test_an_unknown_installation_is_run_as_it_is(agent: str, tmp_path: Path) -> None:
    """Another packaging may have no launcher at all."""
    path = installed(tmp_path, agent, with_binary=False)
    found = driver(agent).find((), str(path))
    assert found.argv == (str(tmp_path / "lib" / "node_modules" / LAUNCHERS[agent][0]),)


def test_codex_brings_the_tools_of_its_package(tmp_path: Path) -> None:
    """They lie beside its bin folder."""
    found = driver("codex").find((), str(installed(tmp_path, "codex")))
    assert [one.name for one in found.prefixes] == ["triple"]


def test_arguments_of_the_configured_command_stay(tmp_path: Path) -> None:
    """Before those of the driver."""
    path = installed(tmp_path, "claude")
    found = driver("claude").find((str(path / "claude"), "--debug"), "/nowhere")
    assert found.argv[1:] == ("--debug",)


def test_gemini_is_run_by_node(tmp_path: Path) -> None:
    """Its script, and the node that is on PATH with links resolved."""
    script = put(tmp_path / "lib" / "gemini-cli" / "bundle" / "gemini.js")
    node = put(tmp_path / "versions" / "22" / "node", ELF)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gemini").symlink_to(script)
    (tmp_path / "bin" / "node").symlink_to(node)
    found = driver("gemini").find((), str(tmp_path / "bin"))
    assert found.argv == (str(node), str(script))
    assert found.prefixes == (node, tmp_path / "lib" / "gemini-cli")


@pytest.mark.parametrize("agent", ["claude", "codex", "copilot", "gemini"])
def test_what_is_not_there_is_missing(agent: str, tmp_path: Path) -> None:
    """Under its own code."""
    with pytest.raises(AgentMissingError, match="not on PATH") as raised:
        driver(agent).find((), str(tmp_path))
    assert raised.value.code == "agent-missing"


@pytest.mark.parametrize("name", ["./tool", "/no/such/tool"])
def test_a_path_must_be_absolute_and_there(name: str) -> None:
    """A relative one would mean another file in each directory."""
    with pytest.raises(AgentMissingError, match="no program at"):
        look_up((name,), "", "/usr/bin")


def test_a_file_that_is_not_executable_is_passed_over(tmp_path: Path) -> None:
    """As a shell does."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "tool").write_text("")
    right = put(tmp_path / "b" / "tool")
    path_env = os.pathsep.join([str(tmp_path / "a"), "", str(tmp_path / "b")])
    assert look_up(("tool",), "", path_env) == right


def test_the_built_in_agent_needs_nothing(tmp_path: Path) -> None:
    """Its Python is outside of any virtual environment."""
    found = driver("builtin").find((), str(tmp_path))
    assert Path(found.argv[0]).is_file()
    assert not any((prefix / "pyvenv.cfg").exists() for prefix in found.prefixes)


@pytest.mark.parametrize(
    ("where", "shows"),
    [
        ("home", "home/agent.sh"),
        (".", "agent.sh"),
        ("checkout", "checkout/agent.sh"),
        ("home/bin", "home/bin"),
        ("checkout/bin", "checkout/bin"),
    ],
    ids=["home", "above-home", "top-of-a-checkout", "its-own", "its-own-in-a-checkout"],
)
def test_a_command_is_shown_with_its_directory_where_that_is_its_own(
    where: str, shows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person's HOME is never a program's directory."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "checkout" / ".git").mkdir(parents=True)
    program = tmp_path / where / "agent.sh"
    program.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "home").mkdir(exist_ok=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    found = driver("command").find((str(program),), "/usr/bin")
    assert found.prefixes == (tmp_path / shows,)
