"""What of the configured agents is there, in which version and with which account.

For `agents`, `doctor` and `run --dry-run`. Starts each program once, for its version, all at the
same time; asks no model.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from ai_orchestrator.agents.accounts import Account, LoginPlaces, account_of
from ai_orchestrator.agents.base import AgentMissingError, Driver, FoundProgram
from ai_orchestrator.agents.registry import driver
from ai_orchestrator.base.command import Command, Spawner
from ai_orchestrator.base.errors import BadInputError, OrchestratorError, shorten
from ai_orchestrator.base.running import run
from ai_orchestrator.model.workflow import AccountSpec, AgentSpec

VERSION_TIMEOUT_S = 30.0
"""A guess: the slowest program took 3 s for its version on an idle machine, unpacking itself."""
_LIMIT_BYTES = 4000
_VERSION = re.compile(r"\d+(?:\.\d+)+(?:[.+-][0-9A-Za-z]+)*|\d+")
_QUIET = {"GEMINI_CLI_NO_RELAUNCH": "true", "COPILOT_AUTO_UPDATE": "false", "NO_COLOR": "1"}


class AgentStatus(msgspec.Struct, frozen=True):
    """Whether a step that names this agent of the configuration could start now."""

    name: str
    driver: str
    is_ready: bool
    version: str | None
    """What the program says of itself; None when it was not found or does not tell."""
    account: str
    """Name and kind of the account that would be used, empty when there is none."""
    detail: str
    """One sentence: why it is ready or not."""
    next_command: str
    """What to type to make it ready, empty when nothing is to be done."""
    found: str | None = None
    """Where the program is."""
    is_tested: bool = False
    """The parser was tested with this very version."""


async def survey(
    agents: Sequence[AgentSpec],
    accounts: Sequence[AccountSpec],
    *,
    path_env: str,
    places: LoginPlaces,
    credentials: Mapping[str, str],
    spawner: Spawner,
) -> list[AgentStatus]:
    """The agents' states, in the order given. Never raises for what one of them lacks."""
    look = _Look(tuple(accounts), path_env, places, credentials, spawner)
    return list(await asyncio.gather(*(look.at(agent) for agent in agents)))


class _Look:
    """Where to look."""

    def __init__(
        self,
        accounts: Sequence[AccountSpec],
        path_env: str,
        places: LoginPlaces,
        credentials: Mapping[str, str],
        spawner: Spawner,
    ) -> None:
        self._accounts = accounts
        self._path_env = path_env
        self._places = places
        self._credentials = credentials
        self._spawner = spawner

    async def at(self, agent: AgentSpec) -> AgentStatus:
        """The agent's state."""
        try:
            chosen = driver(agent.driver)
            found = await asyncio.to_thread(chosen.find, agent.command, self._path_env)
        except AgentMissingError as error:
            return _absent(agent, str(error), driver(agent.driver).install_command)
        except BadInputError as error:
            return _absent(agent, str(error), "")
        version = await self._version(chosen, found)
        account = await asyncio.to_thread(
            account_of, agent, self._accounts, chosen.login, self._credentials, self._places
        )
        return _present(agent, chosen, found, version, account)

    async def _version(self, chosen: Driver, found: FoundProgram) -> str | None:
        if chosen.version_arguments is None:
            return None
        command = Command(
            argv=(*found.argv, *chosen.version_arguments),
            cwd=Path("/"),
            env={"PATH": self._path_env, "HOME": str(self._places.user), **_QUIET},
            tree=f"version-{chosen.name}-{os.urandom(6).hex()}",
        )
        try:
            done = await run(
                self._spawner, command, timeout_s=VERSION_TIMEOUT_S, limit_bytes=_LIMIT_BYTES
            )
        except OrchestratorError:
            return None  # told by `_present`: a program that cannot say its version is not ready
        told = _VERSION.search(done.stdout.decode("utf-8", "replace"))
        return told[0] if told is not None and done.exit.is_success else None


def _absent(agent: AgentSpec, why: str, next_command: str) -> AgentStatus:
    return AgentStatus(
        name=agent.name,
        driver=agent.driver,
        is_ready=False,
        version=None,
        account="",
        detail=shorten(why),
        next_command=next_command,
    )


def _present(
    agent: AgentSpec,
    chosen: Driver,
    found: FoundProgram,
    version: str | None,
    account: Account,
) -> AgentStatus:
    is_silent = chosen.version_arguments is not None and version is None
    is_tested = not chosen.tested_versions or version in chosen.tested_versions
    problem, remedy = account.problem, account.remedy
    if is_silent:
        problem = f"{found.named} does not tell its version, so it would not run either"
        remedy = chosen.install_command
    return AgentStatus(
        name=agent.name,
        driver=agent.driver,
        is_ready=not problem,
        version=version,
        account=account.label,
        detail=problem or _ready(found, chosen, is_tested=is_tested),
        next_command=remedy if problem else "",
        found=found.named,
        is_tested=is_tested,
    )


def _ready(found: FoundProgram, chosen: Driver, *, is_tested: bool) -> str:
    where = f"found at {found.named}" if found.named.startswith("/") else found.named
    if is_tested:
        return where
    tested = ", ".join(chosen.tested_versions)
    return f"{where}; tested with {tested}, not with this version"
