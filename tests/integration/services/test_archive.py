"""What of a task's credentials reaches which agent."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from tests.integration.services.conftest import START, DataDirectory, a_spec

from ai_orchestrator.model.ids import new_task_id
from ai_orchestrator.model.workflow import AccountSpec, AgentSpec
from ai_orchestrator.security.vault import Vault
from ai_orchestrator.services.archive import StoredArchive
from ai_orchestrator.store.tables import TaskContext

VAULT = Vault(bytes(32))
KEPT = Path("/nonexistent/accounts")
CREDENTIALS = {
    "ANTHROPIC_API_KEY": "a-key",
    "ANTHROPIC_BASE_URL": "http://a",
    "OPENAI_API_KEY": "o-key",
    "OPENAI_BASE_URL": "http://o",
    "WORK_KEY": "w-key",
    "AI_ORCHESTRATOR_MODEL_URL": "http://m",
    "AI_ORCHESTRATOR_MODEL_API": "openai",
    "AI_ORCHESTRATOR_MODEL_KEY": "m-key",
}
WORK = AccountSpec("work", "claude", "env", ("WORK_KEY", "NOT_SENT"))


class SlowVault(Vault):
    """One that is cancelled while it decrypts; its thread goes on."""

    def __init__(self) -> None:
        super().__init__(bytes(32))
        self.began, self.may_end, self.ended = (threading.Event() for _ in range(3))

    def decrypt(self, task_id: str, sealed: bytes) -> dict[str, str]:
        """After a while."""
        self.began.set()
        assert self.may_end.wait(30)
        try:
            return super().decrypt(task_id, sealed)
        finally:
            self.ended.set()


async def account_env(
    data: DataDirectory,
    agent: AgentSpec,
    account: AccountSpec | None = None,
    home: Path = Path("/home/me"),
    credentials: dict[str, str] = CREDENTIALS,
) -> dict[str, str]:
    """What the agent gets in a task that was accepted with these credentials."""
    task_id = new_task_id(START)
    accounts = {} if account is None else {account.name: account}
    data.accept(
        id=task_id,
        spec=a_spec(agents={agent.name: agent}, accounts=accounts),
        context=TaskContext("/usr/bin", str(home)),
        base_commit="0" * 40,
        credentials=VAULT.encrypt(task_id, credentials),
    )
    archive = StoredArchive(data.database, VAULT, data.redactor, KEPT)
    return dict(await archive.account_env(await archive.facts(task_id, 1), agent))


async def test_agent_gets_its_vendors_key_and_where_it_is_valid(data: DataDirectory) -> None:
    """And nobody else's."""
    got = await account_env(data, AgentSpec("claude", "claude", ()))
    assert got == {"ANTHROPIC_API_KEY": "a-key", "ANTHROPIC_BASE_URL": "http://a"}


async def test_account_by_name_brings_its_variables_and_the_open_ones(data: DataDirectory) -> None:
    """A key of a gateway is of no use without the gateway's address; the vendor's key stays."""
    got = await account_env(data, AgentSpec("claude", "claude", (), account="work"), WORK)
    assert got == {"WORK_KEY": "w-key", "ANTHROPIC_BASE_URL": "http://a"}


async def test_built_in_agent_gets_its_model(data: DataDirectory) -> None:
    """Address, dialect and key, and the vendors' that it can do with as well."""
    got = await account_env(data, AgentSpec("builtin", "builtin", ()))
    assert got == {name: value for name, value in CREDENTIALS.items() if name != "WORK_KEY"}


async def test_login_of_the_vendor_is_a_directory(data: DataDirectory, tmp_path: Path) -> None:
    """Where no key was sent, the user's own login is used in its place."""
    login = tmp_path / "home" / ".claude" / ".credentials.json"
    login.parent.mkdir(parents=True)
    login.write_text("{}")
    got = await account_env(
        data, AgentSpec("claude", "claude", ()), home=tmp_path / "home", credentials={"X": "y"}
    )
    assert got == {"CLAUDE_CONFIG_DIR": str(login.parent)}


@pytest.mark.parametrize("home", ["", "/home/me"])
async def test_program_of_ones_own_gets_nothing_unasked(data: DataDirectory, home: str) -> None:
    """No key reaches a program whose account nobody named."""
    agent = AgentSpec("mine", "command", ("my-agent",))
    assert await account_env(data, agent, home=Path(home)) == {}


async def test_what_is_forgotten_is_not_learnt_by_a_thread_that_is_late(
    data: DataDirectory,
) -> None:
    """A cancellation does not stop it."""
    task_id, vault = new_task_id(START), SlowVault()
    data.accept(
        id=task_id,
        base_commit="0" * 40,
        credentials=VAULT.encrypt(task_id, {"ANTHROPIC_API_KEY": "a-key-to-forget"}),
    )
    archive = StoredArchive(data.database, vault, data.redactor, KEPT)
    asked = asyncio.create_task(archive.facts(task_id, 1))
    await asyncio.to_thread(vault.began.wait, 30)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    archive.forget(task_id, 1)
    vault.may_end.set()
    await asyncio.to_thread(vault.ended.wait, 30)
    assert data.redactor.redact("a-key-to-forget") == "a-key-to-forget"
