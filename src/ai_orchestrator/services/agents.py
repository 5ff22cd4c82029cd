"""Which agents of a configuration could start now, by which login, and what the others lack."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from ai_orchestrator.agents.accounts import Account, LoginPlaces, account_of
from ai_orchestrator.agents.registry import driver
from ai_orchestrator.agents.survey import AgentStatus, survey
from ai_orchestrator.base.process import DirectSpawner
from ai_orchestrator.config.agents_found import BUILT_IN_DRIVER, MODEL_VARIABLE
from ai_orchestrator.config.credentials import is_secret, pick_credentials
from ai_orchestrator.config.environment import Environment
from ai_orchestrator.model.task import ResolvedConfig, TaskRequest
from ai_orchestrator.model.workflow import AccountSpec, AgentSpec, WorkflowSpec
from ai_orchestrator.workflows.loading.load import agent_specs, missing_agents

NO_HOME = "/nonexistent"


def login_places(home: str, kept: Path) -> LoginPlaces:
    """Where logins are looked for. `home`: the user's; empty where nobody said it."""
    return LoginPlaces(Path(home or NO_HOME), kept)


def chosen_account(
    agent: AgentSpec,
    accounts: Sequence[AccountSpec],
    credentials: Mapping[str, str],
    places: LoginPlaces,
) -> Account:
    """The account that the agent works with. Looks at the disk for logins."""
    return account_of(agent, accounts, driver(agent.driver).login, credentials, places)


def open_variables(agent: AgentSpec, credentials: Mapping[str, str]) -> dict[str, str]:
    """What was sent of the variables that say where the agent's login is valid; no secret."""
    sent = [name for name in driver(agent.driver).login.key_variables if name in credentials]
    return {name: credentials[name] for name in sent if not is_secret(name)}


async def survey_configured(
    config: ResolvedConfig, environment: Environment, places: LoginPlaces
) -> Sequence[AgentStatus]:
    """Every agent of the configuration, installed or not; each is asked for its version.

    One that a run would take for no step is not ready, whatever else is there.
    """
    agents, accounts = agent_specs(config)
    missing = missing_agents(config)
    statuses = await _survey(
        agents,
        accounts,
        path_env=environment.get("PATH") or "",
        places=places,
        credentials=pick_credentials(environment, config),
    )
    return [
        _not_taken(status, missing[status.name]) if status.name in missing else status
        for status in statuses
    ]


def _not_taken(status: AgentStatus, why: str) -> AgentStatus:
    """The status of an agent that is not there; a driver that misses its program says it best."""
    if status.driver == BUILT_IN_DRIVER:
        remedy = f"export {MODEL_VARIABLE}=..."
        return replace(status, is_ready=False, account="", detail=why, next_command=remedy)
    return replace(status, is_ready=False, detail=why) if status.is_ready else status


async def survey_spec(
    spec: WorkflowSpec, used: Collection[str], request: TaskRequest, places: LoginPlaces
) -> Sequence[AgentStatus]:
    """The agents that a workflow uses, in its order."""
    return await _survey(
        [agent for name, agent in spec.agents.items() if name in used],
        list(spec.accounts.values()),
        path_env=request.path,
        places=places,
        credentials=request.credentials,
    )


async def _survey(
    agents: Sequence[AgentSpec],
    accounts: Sequence[AccountSpec],
    *,
    path_env: str,
    places: LoginPlaces,
    credentials: dict[str, str],
) -> Sequence[AgentStatus]:
    return await survey(
        agents,
        accounts,
        path_env=path_env,
        places=places,
        credentials=credentials,
        spawner=DirectSpawner(),
    )
