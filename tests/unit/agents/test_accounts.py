"""Which account an agent would use, and how it reaches it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_orchestrator.agents.accounts import Account, LoginPlaces, account_of
from ai_orchestrator.agents.registry import DRIVERS, driver
from ai_orchestrator.model.agent import LOGIN_DRIVERS
from ai_orchestrator.model.workflow import AccountSpec, AgentSpec


def account(
    name: str, home: Path, *specs: AccountSpec, account_name: str | None = None, **keys: str
) -> Account:
    """The account of an agent of that driver."""
    agent = AgentSpec(name, name, (), account=account_name)
    return account_of(agent, specs, driver(name).login, keys, places(home))


def places(home: Path) -> LoginPlaces:
    """Where logins of a user are."""
    return LoginPlaces(home, home / "data" / "accounts")


def with_login(home: Path, name: str) -> Path:
    """A vendor's login in the user's directory."""
    login = driver(name).login
    path = home / login.home_folder / login.login_files[0]
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    return home / login.home_folder


def test_a_key_that_is_set_is_used(tmp_path: Path) -> None:
    """With what belongs to it, and nothing else."""
    got = account("claude", tmp_path, ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL="u", OTHER="x")
    assert (got.kind, got.label, got.problem) == ("env", "env", "")
    assert got.env == {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "u"}


@pytest.mark.parametrize("name", ["claude", "codex"])
def test_a_login_is_used_where_no_key_is_set(name: str, tmp_path: Path) -> None:
    """The default on a laptop: the directory stands in the vendor's own variable."""
    state = with_login(tmp_path, name)
    got = account(name, tmp_path)
    assert (got.kind, got.problem) == ("user-home", "")
    assert got.env == {driver(name).login.state_variable: str(state)}


def test_a_key_comes_before_a_login(tmp_path: Path) -> None:
    """Who sets one means it."""
    with_login(tmp_path, "claude")
    assert account("claude", tmp_path, ANTHROPIC_API_KEY="k").kind == "env"


@pytest.mark.parametrize("name", ["gemini", "copilot"])
def test_a_login_that_was_not_shown_to_work_is_a_problem(name: str, tmp_path: Path) -> None:
    """With what to do instead."""
    with_login(tmp_path, name)
    got = account(name, tmp_path)
    assert "not been shown to work" in got.problem
    assert got.remedy.startswith("export ")


def test_nothing_found_says_what_was_looked_for(tmp_path: Path) -> None:
    """And what to type."""
    got = account("codex", tmp_path)
    assert got.problem == (
        f"neither OPENAI_API_KEY nor CODEX_API_KEY is set, and no login in {tmp_path}/.codex"
    )
    assert got.remedy == "ai-orchestrator agents login codex"


def test_a_command_needs_no_account(tmp_path: Path) -> None:
    """Nobody knows which it would be."""
    got = account("command", tmp_path)
    assert (got.kind, got.problem, got.label) == ("none", "", "")


def test_the_built_in_agent_needs_none_with_an_endpoint_of_its_own(tmp_path: Path) -> None:
    """A model on the same machine takes no key."""
    agent = AgentSpec("b", "builtin", (), options={"url": "http://127.0.0.1:1/v1"})
    assert account_of(agent, (), driver("builtin").login, {}, places(tmp_path)).problem == ""
    assert account("builtin", tmp_path).problem != ""


def test_a_named_account_is_the_one(tmp_path: Path) -> None:
    """Also when another of the agent's would be ready."""
    work = AccountSpec("work", "claude", "env", ("WORK_KEY",))
    home = AccountSpec("home", "claude", "env", ("HOME_KEY",))
    keys = {"WORK_KEY": "w", "HOME_KEY": "h"}
    got = account("claude", tmp_path, work, home, account_name="work", **keys)
    assert (got.name, got.label, got.env) == ("work", "work (env)", {"WORK_KEY": "w"})


def test_the_only_account_is_taken_unnamed(tmp_path: Path) -> None:
    """Two of them need a choice."""
    one = AccountSpec("one", "claude", "env", ("A",))
    two = AccountSpec("two", "claude", "env", ("B",))
    assert account("claude", tmp_path, one, A="a").name == "one"
    assert account("claude", tmp_path, one, two, A="a", B="b").name is None


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    """And how to set it."""
    got = account("claude", tmp_path, AccountSpec("one", "claude", "env", ("A", "B")), A="a")
    assert (got.problem, got.remedy) == ("B not set", "export B=...")


def test_an_account_may_be_another_directory(tmp_path: Path) -> None:
    """It has to hold a login."""
    spec = AccountSpec("two", "claude", "user-home", directory=str(tmp_path / "second"))
    assert "no login in" in account("claude", tmp_path, spec).problem
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / ".credentials.json").write_text("{}")
    got = account("claude", tmp_path, spec)
    assert (got.problem, got.env) == ("", {"CLAUDE_CONFIG_DIR": str(tmp_path / "second")})


def kept_login(home: Path, account_name: str, agent: str) -> Path:
    """A login that the orchestrator keeps."""
    state = places(home).kept / account_name
    state.mkdir(parents=True)
    (state / driver(agent).login.login_files[0]).write_text("{}")
    return state


def test_a_directory_of_ours_is_not_there_yet(tmp_path: Path) -> None:
    """Said, with the command that fills it."""
    got = account("claude", tmp_path, AccountSpec("v", "claude", "vendor-home"))
    assert got.problem == "nobody has logged in yet"
    assert got.remedy == "ai-orchestrator agents login v"


@pytest.mark.parametrize("name", ["claude", "codex"])
def test_a_kept_login_is_a_directory(name: str, tmp_path: Path) -> None:
    """In the vendor's variable, and nothing of the keys that were sent."""
    state = kept_login(tmp_path, "work", name)
    got = account(name, tmp_path, AccountSpec("work", name, "vendor-home"), OPENAI_API_KEY="k")
    assert (got.label, got.problem) == ("work (vendor-home)", "")
    assert got.env == {driver(name).login.state_variable: str(state)}


def test_a_kept_login_of_the_agents_name_is_found(tmp_path: Path) -> None:
    """Before the user's own, after a key; with where it is valid."""
    with_login(tmp_path, "claude")
    state = kept_login(tmp_path, "claude", "claude")
    got = account("claude", tmp_path, ANTHROPIC_BASE_URL="u")
    assert (got.label, got.problem) == ("claude (vendor-home)", "")
    assert got.env == {"CLAUDE_CONFIG_DIR": str(state), "ANTHROPIC_BASE_URL": "u"}
    assert account("claude", tmp_path, ANTHROPIC_API_KEY="k").kind == "env"


def test_the_configuration_offers_what_the_drivers_can() -> None:
    """Validation asks a list, since it knows no driver."""
    assert [name for name in DRIVERS if driver(name).login.can_be_kept] == list(LOGIN_DRIVERS)


@pytest.mark.parametrize("name", sorted(set(DRIVERS) - set(LOGIN_DRIVERS)))
def test_a_login_of_a_vendor_that_was_not_shown_to_work_is_not_kept(
    name: str, tmp_path: Path
) -> None:
    """With the way out, where there is one."""
    got = account(name, tmp_path, AccountSpec("v", name, "vendor-home"))
    assert "shown to work" in got.problem
    assert got.env == {}
    assert got.remedy.startswith("export ") or not driver(name).login.sufficient


def test_a_link_is_no_login(tmp_path: Path) -> None:
    """An agent may have left it in the place of the file."""
    state = kept_login(tmp_path, "v", "claude")
    (state / ".credentials.json").rename(tmp_path / "elsewhere")
    (state / ".credentials.json").symlink_to(tmp_path / "elsewhere")
    got = account("claude", tmp_path, AccountSpec("v", "claude", "vendor-home"))
    assert got.problem == "nobody has logged in yet"
