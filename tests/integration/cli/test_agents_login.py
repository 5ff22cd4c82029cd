"""`agents login`, typed by a person whose vendor's program is a script."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.commands import Person, Typed
from tests.support.vendor_login import LOGIN_FILE, claude_agent, claude_program, log_in

from ai_orchestrator.agents.vendor_home import lock_of
from ai_orchestrator.base.lockfile import acquire

LIMIT_S = 60.0
TOKEN = "sk-ant-oat01-0123456789abcdef"
READS_TOKEN = 'read -r token; write_token "$token"; echo "args: $*"'
NEXT = "ai-orchestrator agents login claude"


def types(person: Person, *words: str, stdin: str = "") -> Typed:
    """A command with something on its standard input, which the vendor's login reads."""
    done = subprocess.run(
        [sys.executable, "-m", "ai_orchestrator.cli", *words],
        cwd=person.home,
        env=person.environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return Typed(done.returncode, done.stdout, done.stderr)


def has_claude(person: Person, login: str = READS_TOKEN, **more: Any) -> Path:
    """The person has the program and an agent for it."""
    program = claude_program(person.home / "bin", login=login)
    person.writes({"agents": {"claude": claude_agent(program)}, **more})
    return program


def account(person: Person, name: str = "claude") -> Path:
    """The directory of an account."""
    return person.data / "accounts" / name


def names_in(folder: Path) -> list[str]:
    """Names of what lies in it."""
    return sorted(path.name for path in folder.iterdir())


def claude_of(person: Person) -> dict[str, object]:
    """What `agents` says of it."""
    (agents,) = person.types("agents", "--json").json_lines
    return next(agent for agent in agents if agent["name"] == "claude")


def test_a_login_makes_the_agent_ready(person: Person) -> None:
    """Before: what to type. After: kind and readiness; only the owner can look."""
    has_claude(person)
    before = claude_of(person)
    assert (before["is_ready"], before["next_command"]) == (False, NEXT)
    done = types(person, *NEXT.split()[1:], "--", "--sso", "a b", stdin=f"{TOKEN}\n")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "args: --sso a b",
        "claude is logged in: account claude (vendor-home).",
    ]
    assert TOKEN not in done.out + done.err
    assert names_in(account(person)) == [LOGIN_FILE]
    assert account(person).stat().st_mode & 0o777 == 0o700
    assert account(person).parent.stat().st_mode & 0o777 == 0o700
    after = claude_of(person)
    assert (after["is_ready"], after["account"]) == (True, "claude (vendor-home)")
    assert (after["next_command"], after["detail"]) == (
        "",
        f"found at {person.home}/bin/claude",
    )


def test_an_account_of_the_configuration_has_its_own(person: Person) -> None:
    """By its name, or by that of the agent that uses it."""
    work = {"work": {"agent": "claude", "kind": "vendor-home"}}
    has_claude(person, accounts=work)
    assert claude_of(person)["next_command"] == "ai-orchestrator agents login work"
    assert types(person, "agents", "login", "work", stdin="one-0123456789\n").code == 0
    assert claude_of(person)["account"] == "work (vendor-home)"
    assert types(person, "agents", "login", "claude", stdin="two-0123456789\n").code == 0
    assert names_in(account(person).parent) == ["work", "work.lock"]
    assert "two-0123456789" in (account(person, "work") / LOGIN_FILE).read_text()


def test_the_vendors_login_sees_no_key_and_nothing_of_the_old_state(person: Person) -> None:
    """An agent may have left a trap there, which must not run outside of its sandbox."""
    has_claude(person, "env > $HOME/seen; ls -A $state > $HOME/listed; pwd >> $HOME/listed; exit 9")
    state = log_in(account(person).parent, "claude", TOKEN)
    (state / "settings.json").write_text('{"hooks": {"SessionStart": "touch /pwned"}}')
    keys = {"ANTHROPIC_API_KEY": "k", "CLAUDE_CONFIG_DIR": "/x", "LANG": "C.UTF-8"}
    person.variables.update({**keys, "PYTHONPATH": "/x"})
    assert types(person, *NEXT.split()[1:]).code == 1
    seen = dict(line.split("=", 1) for line in (person.home / "seen").read_text().splitlines())
    shell = {"PWD", "OLDPWD", "SHLVL", "_"}
    assert set(seen) - shell == {"PATH", "HOME", "LANG", "CLAUDE_CONFIG_DIR"}
    fresh = f"{state}.new"
    assert seen["CLAUDE_CONFIG_DIR"] == fresh
    assert (person.home / "listed").read_text() == f"{fresh}\n"


@pytest.mark.parametrize(
    ("login", "told"),
    [
        ("exit 7", "ended with exit code 7"),
        ("kill -9 $$", "ended with signal 9"),
        ("exit 0", "left no .credentials.json"),
        ("echo x > $HOME/a; ln -s $HOME/a $state/.credentials.json", "left no .credentials.json"),
    ],
    ids=["exit", "signal", "nothing", "link"],
)
def test_a_login_that_fails_changes_nothing(person: Person, login: str, told: str) -> None:
    """Exit 1, the reason, and the login from before."""
    has_claude(person, login)
    state = log_in(account(person).parent, "claude", TOKEN)
    done = types(person, *NEXT.split()[1:])
    assert (done.code, done.out) == (1, "")
    assert told in done.err
    assert TOKEN in (state / LOGIN_FILE).read_text()
    assert names_in(state.parent) == ["claude", "claude.lock"]


def test_an_account_in_use_is_left_alone(person: Person) -> None:
    """Neither the task's login nor its own is lost."""
    has_claude(person)
    held = acquire(lock_of(log_in(account(person).parent, "claude", TOKEN)))
    assert held is not None
    done = types(person, *NEXT.split()[1:], stdin="other-0123456789\n")
    held.release()
    assert done.code == 1
    assert "a task works with the account 'claude'" in done.err
    assert TOKEN in (account(person) / LOGIN_FILE).read_text()


def test_a_key_that_comes_first_is_told(person: Person) -> None:
    """The login is there, and the person learns why it is not used, and how it would be."""
    has_claude(person)
    person.variables["ANTHROPIC_API_KEY"] = "sk-key"
    done = types(person, *NEXT.split()[1:], stdin=f"{TOKEN}\n")
    assert done.code == 0
    assert "ANTHROPIC_API_KEY comes first" in done.err
    assert "accounts: {claude: {agent: claude, kind: vendor-home}}" in done.err
    has_claude(person, accounts={"claude": {"agent": "claude", "kind": "vendor-home"}})
    assert claude_of(person)["account"] == "claude (vendor-home)"


KEYED = {"accounts": {"key": {"agent": "claude", "kind": "env", "variables": ["K"]}}}


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("cluade", 2, "Did you mean 'claude'?"),
        ("gemini", 2, "Use a key: export GEMINI_API_KEY=..."),
        ("mine", 2, "an account of the kind env"),
        ("key", 2, "is of the kind env, which has no login to make"),
        ("claude", 2, "uses its account 'key' of the kind env"),
        ("codex", 3, "is not on PATH"),
    ],
)
def test_what_has_no_login_to_make_is_refused(
    person: Person, name: str, code: int, told: str
) -> None:
    """With the way out, and nothing is made."""
    program = claude_program(person.home / "bin", login=READS_TOKEN)
    others = {
        "gemini": {"enabled": True},
        "codex": {"enabled": True, "command": "no-such-codex"},
        "mine": {"driver": "command", "command": "cat"},
    }
    person.writes({"agents": {"claude": claude_agent(program), **others}, **KEYED})
    done = types(person, "agents", "login", name)
    assert (done.code, done.out) == (code, ""), done.err
    assert told in done.err
    assert not account(person).parent.exists()


def test_another_data_directory_has_other_logins(person: Person, tmp_path: Path) -> None:
    """And the command to type next names it."""
    has_claude(person)
    data = ("--data-dir", str(tmp_path / "other"))
    (agents,) = person.types(*data, "agents", "--json").json_lines
    told = [agent["next_command"] for agent in agents if agent["name"] == "claude"]
    assert told == [f"ai-orchestrator --data-dir {tmp_path}/other agents login claude"]
    done = types(person, *told[0].split()[1:], stdin=f"{TOKEN}\n")
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "other" / "accounts" / "claude" / LOGIN_FILE).read_text())
    assert claude_of(person)["is_ready"] is False
