"""A vendor's login reaches its agent, in the sandbox and without it.

In the user's own directory, and in one that the orchestrator keeps.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.agents.bench import NODE_BIN, Bench, command_of

from ai_orchestrator.agents.registry import driver
from ai_orchestrator.model.agent import SandboxMode

pytestmark = pytest.mark.agents
PATH = f"{NODE_BIN}:/usr/bin:/bin"


def claude_login(home: Path, url: str) -> dict[str, str]:
    """A subscription's token that does not run out during the test."""
    token = {
        "accessToken": "sk-ant-oat01-dummy",
        "refreshToken": "sk-ant-ort01-dummy",
        "expiresAt": 4_000_000_000_000,
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
    }
    (home / ".credentials.json").write_text(json.dumps({"claudeAiOauth": token}))
    return {"CLAUDE_CONFIG_DIR": str(home), "ANTHROPIC_BASE_URL": url}


def codex_login(home: Path, url: str) -> dict[str, str]:
    """A key that `codex login` wrote, and the user's own provider."""
    (home / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": "sk-dummy"}))
    (home / "config.toml").write_text(
        'model_provider = "mine"\n[model_providers.mine]\nname = "mine"\n'
        f'base_url = "{url}/v1"\nwire_api = "responses"\nrequires_openai_auth = true\n'
    )
    return {"CODEX_HOME": str(home)}


LOGINS = {"claude": claude_login, "codex": codex_login}


@pytest.mark.parametrize("agent", sorted(LOGINS), indirect=True)
@pytest.mark.parametrize("sandbox", ["required", "off"])
async def test_a_login_of_the_user_works(
    make_bench: Callable[[SandboxMode], Bench], sandbox: SandboxMode, tmp_path: Path
) -> None:
    """Two attempts of one conversation; the sandboxed transcript is not in the user's directory."""
    bench = make_bench(sandbox)
    home = tmp_path / "vendor"
    home.mkdir()
    account = LOGINS[bench.agent](home, bench.url)
    first = await bench.run("[[plain:one]]", account_env=account)
    assert first.error_kind is None, first.message
    second = await bench.run("[[plain:two]]", account_env=account, resume_session=first.session_id)
    assert second.error_kind is None, second.message
    assert second.session_id == first.session_id
    transcripts = [path for path in home.rglob("*.jsonl") if path.stat().st_size > 0]
    assert (sandbox == "off") == bool(transcripts), transcripts


def claude_kept(state: Path, url: str) -> dict[str, str]:
    """The same login in a directory of ours, which holds nothing else."""
    return claude_login(state, url)


def codex_kept(state: Path, url: str) -> dict[str, str]:
    """No settings of the user's: the address comes as a variable."""
    account = codex_login(state, url)
    (state / "config.toml").unlink()
    return {**account, "OPENAI_BASE_URL": f"{url}/v1"}


KEPT = {"claude": claude_kept, "codex": codex_kept}


@pytest.mark.parametrize("agent", sorted(KEPT), indirect=True)
@pytest.mark.parametrize("sandbox", ["required", "off"])
async def test_a_kept_login_works(
    make_bench: Callable[[SandboxMode], Bench], sandbox: SandboxMode, tmp_path: Path
) -> None:
    """Two attempts of one conversation; between them nothing but the login is there."""
    bench = make_bench(sandbox)
    state = tmp_path / "accounts" / "mine"
    state.mkdir(parents=True)
    account = KEPT[bench.agent](state, bench.url)
    left = sorted(path.name for path in state.iterdir())
    first = await bench.run("[[plain:one]]", account_env=account)
    assert first.error_kind is None, first.message
    assert sorted(path.name for path in state.iterdir()) == left
    second = await bench.run("[[plain:two]]", account_env=account, resume_session=first.session_id)
    assert second.error_kind is None, second.message
    assert second.session_id == first.session_id
    assert sorted(path.name for path in state.iterdir()) == left
    transcripts = list((bench.root / "conversation").rglob("*.jsonl"))
    assert transcripts, "the task keeps its conversation"


def types(home: Path, *words: str, keys: str = "") -> subprocess.CompletedProcess[str]:
    """A command of a person who has nothing set, with something on its standard input."""
    return subprocess.run(
        words,
        env={"PATH": PATH, "HOME": str(home)},
        cwd=home,
        input=keys,
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )


@pytest.mark.parametrize("agent", sorted(KEPT), indirect=True)
def test_the_vendors_login_is_called_as_it_is(agent: str, tmp_path: Path) -> None:
    """The pinned program knows the command that `agents login` runs."""
    found = driver(agent).find(command_of(agent), PATH)
    done = types(tmp_path, *found.argv, *driver(agent).login.login_arguments, "--help")
    assert done.returncode == 0, done.stderr
    assert " ".join(driver(agent).login.login_arguments) in done.stdout


@pytest.mark.parametrize("agent", ["codex"], indirect=True)
async def test_a_login_that_the_program_made_works(
    make_bench: Callable[[SandboxMode], Bench], tmp_path: Path
) -> None:
    """By `agents login`; of the vendors' logins this one needs no network."""
    bench = make_bench("required")
    config = tmp_path / "agents.yaml"
    config.write_text(json.dumps({"agents": {"codex": {"command": list(command_of("codex"))}}}))
    words = ("--data-dir", str(bench.root), "agents", "login", "codex", "-c", str(config))
    program = (sys.executable, "-m", "ai_orchestrator.cli", *words, "--", "--with-api-key")
    done = await asyncio.to_thread(types, tmp_path, *program, keys="sk-dummy-0123456789")
    assert done.returncode == 0, done.stderr
    state = bench.root / "accounts" / "codex"
    assert [path.name for path in state.iterdir()] == ["auth.json"]
    account = {"CODEX_HOME": str(state), "OPENAI_BASE_URL": f"{bench.url}/v1"}
    result = await bench.run("[[plain:one]]", account_env=account)
    assert result.error_kind is None, result.message
