"""Where an agent sits, inside the sandbox and without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from tests.unit.agents.orders import HOST, order

from ai_orchestrator.agents.base import FoundProgram
from ai_orchestrator.agents.registry import driver
from ai_orchestrator.agents.seat import in_sandbox, lay_out, on_host
from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError
from ai_orchestrator.base.sandbox import Bind
from ai_orchestrator.model.orders import AttemptPaths, Containment
from ai_orchestrator.model.workflow import AgentSpec

INSTALLED = FoundProgram(
    ("/home/u/node/bin/node", "/home/u/lib/gemini-cli/bundle/gemini.js", "--flag"),
    (Path("/home/u/node/bin/node"), Path("/home/u/lib/gemini-cli")),
    "/home/u/bin/gemini",
)
SYSTEM = FoundProgram(("/usr/bin/tool",), (Path("/usr/bin/tool"),), "/usr/bin/tool")


def test_a_program_of_the_user_is_moved_where_the_sandbox_has_room() -> None:
    """Its own path may lie below /work or HOME."""
    placed = in_sandbox(order("claude"), driver("claude"), INSTALLED, None)
    assert placed.seat.program == (
        "/opt/agents/0/node",
        "/opt/agents/1/gemini-cli/bundle/gemini.js",
        "--flag",
    )
    assert placed.sandbox is not None
    assert placed.sandbox.read_only_binds == (
        Bind(Path("/home/u/node/bin/node"), PurePosixPath("/opt/agents/0/node")),
        Bind(Path("/home/u/lib/gemini-cli"), PurePosixPath("/opt/agents/1/gemini-cli")),
    )


def test_a_program_of_the_system_is_there_already() -> None:
    """At its own path."""
    placed = in_sandbox(order("claude"), driver("claude"), SYSTEM, None)
    assert placed.seat.program == ("/usr/bin/tool",)
    assert placed.sandbox is not None
    assert placed.sandbox.read_only_binds == ()


def test_the_agent_sees_the_state_and_not_what_we_keep_beside_it() -> None:
    """The stored figures are ours."""
    placed = in_sandbox(order("claude"), driver("claude"), SYSTEM, None)
    assert placed.sandbox is not None
    (state,) = placed.sandbox.binds
    assert state.source == HOST / "conversation" / "state"
    assert placed.seat.conversation == Path(state.target)


def test_a_reviewer_cannot_write_the_tree() -> None:
    """The mount holds, whatever its tools are."""
    containment = Containment("required", "read-only", "none")
    placed = in_sandbox(order("claude", containment=containment), driver("claude"), SYSTEM, None)
    assert placed.sandbox is not None
    assert placed.sandbox.is_work_read_only
    assert placed.sandbox.network == "none"


def test_an_unknown_network_is_refused() -> None:
    """Never silently more."""
    containment = Containment("required", "write", "model-only")
    with pytest.raises(BadInputError, match="model-only"):
        in_sandbox(order("claude", containment=containment), driver("claude"), SYSTEM, None)


def test_a_script_that_cannot_be_moved_stays_at_its_path() -> None:
    """With the further directories that the configuration names."""
    found = FoundProgram(("/opt/a/bin/aider",), (Path("/opt/a/bin"),), "x", is_movable=False)
    spec = AgentSpec("aider", "command", ("aider",), options={"prefixes": "/opt/a/lib:/usr/lib/x"})
    placed = in_sandbox(order("command", agent=spec), driver("command"), found, None)
    assert placed.sandbox is not None
    assert placed.sandbox.read_only_binds == (
        Bind.at_same_path(Path("/opt/a/bin")),
        Bind.at_same_path(Path("/opt/a/lib")),
    )
    assert placed.seat.program == ("/opt/a/bin/aider",)


def test_a_directory_above_the_data_is_not_shown() -> None:
    """Nor with it what other tasks keep there: the program is shown alone."""
    program = HOST / "agent.sh"
    found = FoundProgram((str(program),), (HOST,), "x", is_movable=False)
    placed = in_sandbox(order("command"), driver("command"), found, None)
    assert placed.sandbox is not None
    assert placed.sandbox.read_only_binds == (Bind.at_same_path(program),)


def test_a_script_where_the_work_tree_is_is_refused() -> None:
    """With the way out."""
    found = FoundProgram(("/work/bin/a",), (Path("/work/bin"),), "x", is_movable=False)
    with pytest.raises(EnvironmentProblemError, match="somewhere else"):
        in_sandbox(order("command"), driver("command"), found, None)


def test_an_account_is_seen_with_this_tasks_sessions_over_its_own() -> None:
    """No task sees another's transcripts."""
    account = {"CLAUDE_CONFIG_DIR": "/home/u/.claude"}
    placed = in_sandbox(order("claude", account_env=account), driver("claude"), SYSTEM, None)
    assert placed.sandbox is not None
    assert placed.sandbox.binds[1:] == (
        Bind(Path("/home/u/.claude"), PurePosixPath("/home/agent/.account")),
        Bind(
            HOST / "conversation" / "sessions" / "projects",
            PurePosixPath("/home/agent/.account/projects"),
        ),
    )


def test_no_writable_bind_lies_within_another() -> None:
    """What an agent can write it can replace by a link, for the next run to bind."""
    account = {"CLAUDE_CONFIG_DIR": "/home/u/.claude"}
    placed = in_sandbox(order("claude", account_env=account), driver("claude"), SYSTEM, None)
    assert placed.sandbox is not None
    box = placed.sandbox
    sources = [box.work, box.home, box.tmp, *(bind.source for bind in box.binds)]
    for one in sources:
        assert not any(one != other and one.is_relative_to(other) for other in sources), one


@pytest.mark.parametrize("place", ["conversation/state", "home/.conversation", "home/.account"])
def test_a_link_in_place_of_a_directory_is_replaced(place: str, tmp_path: Path) -> None:
    """Wherever one could have been left, it is not what is bound or written."""
    victim = tmp_path / "victim"
    victim.mkdir()
    names = ("work", "home", "tmp", "conversation")
    work, home, tmp, conversation = (tmp_path / name for name in names)
    paths = AttemptPaths(work, home, tmp, conversation)
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / place).symlink_to(victim)
    asked = order("claude", paths=paths, account_env={"CLAUDE_CONFIG_DIR": str(tmp_path / "u")})
    placed = in_sandbox(asked, driver("claude"), SYSTEM, None)
    lay_out(placed, asked, driver("claude").login)
    assert not (tmp_path / place).is_symlink()
    assert (tmp_path / place).is_dir()
    assert (tmp_path / "conversation" / "sessions" / "projects").is_dir()


@pytest.mark.parametrize("agent", ["gemini", "copilot"])
def test_a_login_that_was_not_shown_to_work_is_refused(agent: str) -> None:
    """With the way out."""
    variable = driver(agent).login.state_variable
    assert variable is not None
    asked = order(agent, account_env={variable: "/home/u/.vendor"})
    with pytest.raises(EnvironmentProblemError, match=r"Set .* or run with --sandbox off"):
        in_sandbox(asked, driver(agent), SYSTEM, None)


def test_without_the_sandbox_all_is_where_it_is() -> None:
    """Also the account."""
    asked = order("codex", account_env={"CODEX_HOME": "/home/u/.codex"})
    placed = on_host(asked, driver("codex"), INSTALLED)
    assert placed.sandbox is None
    assert placed.cwd == HOST / "work"
    assert placed.seat.program == INSTALLED.argv
    assert placed.seat.account == Path("/home/u/.codex")


def test_objects_that_the_tree_borrows_are_shown_at_their_path() -> None:
    """Its .git names them so."""
    asked = order("claude")
    asked = replace(asked, paths=replace(asked.paths, read_only=(Path("/data/mirror/objects"),)))
    placed = in_sandbox(asked, driver("claude"), SYSTEM, None)
    assert placed.sandbox is not None
    assert Bind.at_same_path(Path("/data/mirror/objects")) in placed.sandbox.read_only_binds
