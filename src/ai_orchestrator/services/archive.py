"""What acceptance froze, as a run reads it; and the credentials, decrypted for one run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.config.credentials import is_secret
from ai_orchestrator.model.ids import workflow_id
from ai_orchestrator.model.workflow import AgentSpec
from ai_orchestrator.security.vault import Vault
from ai_orchestrator.services.agents import chosen_account, login_places, open_variables
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.tasks import load_credentials
from ai_orchestrator.store.views import frozen_task
from ai_orchestrator.workflows.running.world import TaskFacts


class SecretKeeper(Protocol):
    """The redactor: it must know a secret before anything could print it."""

    def add(self, owner: str, secrets: Mapping[str, str], /) -> None:
        """Redacts these values from now on."""
        ...

    def remove(self, owner: str, /) -> None:
        """Forgets the values of an owner."""
        ...


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """`TaskArchive` over the database and the vault."""

    database: Database
    vault: Vault
    redactor: SecretKeeper
    kept_logins: Path
    """The directory of the logins that the orchestrator keeps."""

    async def facts(self, task_id: str, task_attempt: int) -> TaskFacts:
        """The frozen facts. Raises `NotFoundError`."""
        facts, credentials = await asyncio.to_thread(self._facts, task_id, task_attempt)
        self._learn(task_id, task_attempt, credentials)  # known to the redactor from here on
        return facts

    def _facts(self, task_id: str, task_attempt: int) -> tuple[TaskFacts, dict[str, str]]:
        frozen = self.database.read(lambda c: frozen_task(c, task_id))
        if frozen.base_commit is None:
            raise EnvironmentProblemError(f"task {task_id}: has no base commit.")
        facts = TaskFacts(
            task_id=task_id,
            task_attempt=task_attempt,
            task=frozen.task,
            spec=frozen.spec,
            source=frozen.source,
            base=frozen.base_commit,
            path_env=frozen.context.path_env,
            home=frozen.context.home,
            principal=frozen.principal,
        )
        return facts, self._credentials(task_id)

    async def account_env(self, facts: TaskFacts, agent: AgentSpec) -> Mapping[str, str]:
        """The variables of the agent's account, and those that say where its login is valid.

        Only what was sent with the task. An account that is a directory is one variable, the
        vendor's own for it.
        """
        credentials, env = await asyncio.to_thread(self._account_env, facts, agent)
        self._learn(facts.task_id, facts.task_attempt, credentials)
        return env

    def _account_env(
        self, facts: TaskFacts, agent: AgentSpec
    ) -> tuple[dict[str, str], Mapping[str, str]]:
        credentials = self._credentials(facts.task_id)
        accounts = tuple(facts.spec.accounts.values())
        places = login_places(facts.home, self.kept_logins)
        account = chosen_account(agent, accounts, credentials, places)
        return credentials, {**open_variables(agent, credentials), **account.env}

    def _credentials(self, task_id: str) -> dict[str, str]:
        sealed = self.database.read(lambda c: load_credentials(c, task_id))
        return {} if sealed is None else self.vault.decrypt(task_id, sealed)

    def _learn(self, task_id: str, task_attempt: int, credentials: Mapping[str, str]) -> None:
        """Not to be done in a thread, which a cancellation does not stop: `forget` is the last."""
        secrets = {name: value for name, value in credentials.items() if is_secret(name)}
        if secrets:
            self.redactor.add(workflow_id(task_id, task_attempt), secrets)

    def forget(self, task_id: str, task_attempt: int) -> None:
        """Takes the attempt's secrets out of memory; their row goes with the final state.

        By attempt: the next one may have brought its own before this one is heard of last.
        """
        self.redactor.remove(workflow_id(task_id, task_attempt))
