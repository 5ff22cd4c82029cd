"""What acceptance froze, as a run reads it; and the credentials, decrypted for one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.model.workflow import AgentSpec
from ai_orchestrator.security.vault import Vault
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.tasks import delete_credentials, load_credentials
from ai_orchestrator.store.views import frozen_task
from ai_orchestrator.workflows.world import TaskFacts


class SecretKeeper(Protocol):
    """The redactor: it must know a secret before anything could print it."""

    def add(self, task_id: str, secrets: Mapping[str, str]) -> None:
        """Redacts these values from now on."""
        ...

    def remove(self, task_id: str) -> None:
        """Forgets a task's values."""
        ...


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """`TaskArchive` over the database and the vault."""

    database: Database
    vault: Vault
    redactor: SecretKeeper
    variables_of: Callable[[str], Sequence[str]]
    """Driver name -> variables that its vendor reads, where no account names them."""

    async def facts(self, task_id: str, task_attempt: int) -> TaskFacts:
        """The frozen facts. Raises `NotFoundError`."""
        frozen = await self.database.read_async(lambda c: frozen_task(c, task_id))
        if frozen.base_commit is None:
            raise EnvironmentProblemError(f"task {task_id}: has no base commit.")
        await self._credentials(task_id)  # the redactor knows them from here on
        return TaskFacts(
            task_id=task_id,
            task_attempt=task_attempt,
            task=frozen.task,
            spec=frozen.spec,
            source=frozen.source,
            base=frozen.base_commit,
            path_env=frozen.context.path_env,
            principal=frozen.principal,
        )

    async def account_env(self, task_id: str, agent: AgentSpec) -> Mapping[str, str]:
        """The variables of the agent's account with their values; those that were not sent lack."""
        frozen = await self.database.read_async(lambda c: frozen_task(c, task_id))
        credentials = await self._credentials(task_id)
        account = frozen.spec.accounts.get(agent.account) if agent.account else None
        wanted = account.variables if account is not None else self.variables_of(agent.driver)
        return {name: credentials[name] for name in wanted if name in credentials}

    async def _credentials(self, task_id: str) -> dict[str, str]:
        sealed = await self.database.read_async(lambda c: load_credentials(c, task_id))
        if sealed is None:
            return {}
        credentials = self.vault.decrypt(task_id, sealed)
        self.redactor.add(task_id, credentials)
        return credentials

    async def forget_credentials(self, task_id: str) -> None:
        """Deletes the task's encrypted credentials."""
        await self.database.write_async(lambda c: delete_credentials(c, task_id))
