"""Agents and accounts of a document: who may work, as what, and who takes which task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ai_orchestrator.config.agents_found import BUILT_IN_DRIVER, MODEL_VARIABLE
from ai_orchestrator.config.document_path import Keys
from ai_orchestrator.config.model_url import model_url_problem
from ai_orchestrator.config.problems import known_names
from ai_orchestrator.model.agent import LOGIN_DRIVERS, Permission
from ai_orchestrator.model.workflow import AccountSpec, AgentSpec
from ai_orchestrator.workflows.loading.document import (
    AccountDoc,
    AgentDoc,
    AgentRole,
    Document,
    Driver,
)
from ai_orchestrator.workflows.loading.faults import Faults
from ai_orchestrator.workflows.loading.words import argv

Standing = Literal["ready", "missing", "disabled", "left-out"]
"""missing: not installed on this machine; left-out: not among those that the run may use."""

DRIVERS: tuple[str, ...] = get_args(Driver)
DRIVER_OPTIONS: Mapping[str, frozenset[str]] = {
    "claude": frozenset({"effort", "max_retries"}),
    "codex": frozenset({"effort"}),
    "copilot": frozenset({"effort"}),
    "gemini": frozenset(),
    "builtin": frozenset({"url", "api"}),
    "command": frozenset({"prefixes"}),
}
"""What each driver understands in `options:`; a test holds that the drivers say the same."""


@dataclass(frozen=True, slots=True)
class AgentTable:
    """The agents of a document, and which of them a run may use."""

    docs: Mapping[str, AgentDoc]
    specs: Mapping[str, AgentSpec]
    standings: Mapping[str, Standing]

    def choose(self, roles: Iterable[AgentRole], permission: Permission) -> str | None:
        """The first ready agent with one of the roles, best role first, else the first ready one.

        Only agents that may do what the step does. None when there is no such agent.
        """
        able = [name for name in self.docs if self._is_able(name, permission)]
        for role in roles:
            for name in able:
                if self.docs[name].role == role:
                    return name
        return able[0] if able else None

    def may(self, name: str, permission: Permission) -> bool:
        """The agent is allowed what the step does."""
        return permission == "read-only" or self.docs[name].permission != "read-only"

    def ready(self) -> tuple[str, ...]:
        """Names of the agents that a run may use."""
        return tuple(name for name, standing in self.standings.items() if standing == "ready")

    def missing(self) -> tuple[str, ...]:
        """Names of the agents that would be used if they were installed."""
        return tuple(name for name, standing in self.standings.items() if standing == "missing")

    def lack(self) -> str:
        """What the machine lacks for any of the missing agents to work, in one sentence."""
        programs = [name for name in self.missing() if not self._is_built_in(name)]
        models = [name for name in self.missing() if self._is_built_in(name)]
        if not programs:
            return self.lack_of(models[0])
        told = f"None of the agents {', '.join(programs)} is installed"
        if not models:
            return f"{told}."
        return f"{told}; without any of them, set {MODEL_VARIABLE} to a model for '{models[0]}'."

    def lack_of(self, name: str) -> str:
        """What a missing agent lacks, in one sentence."""
        if self._is_built_in(name):
            return f"The agent '{name}' has no model: set {MODEL_VARIABLE}, or its `options.url`."
        return f"The agent '{name}' is not installed."

    def _is_built_in(self, name: str) -> bool:
        return self.specs[name].driver == BUILT_IN_DRIVER

    def _is_able(self, name: str, permission: Permission) -> bool:
        return self.standings[name] == "ready" and self.may(name, permission)


def agent_table(
    document: Document, only: tuple[str, ...], faults: Faults, *, is_to_run: bool
) -> AgentTable:
    """The table of a document. Faults in agents and accounts are added.

    `only`: the agents that a run is restricted to; naming one enables it. With `is_to_run` False
    the document alone is judged, and every agent counts as installed.
    """
    specs = {name: _spec(name, doc, document, faults) for name, doc in document.agents.items()}
    standings = {
        name: _standing(name, doc, only, is_to_run=is_to_run)
        for name, doc in document.agents.items()
    }
    for name, account in document.accounts.items():
        _check_account(("accounts", name), account, document, faults)
    return AgentTable(document.agents, specs, standings)


def account_specs(document: Document, agents: Iterable[str]) -> dict[str, AccountSpec]:
    """The accounts of these agents, by name."""
    wanted = frozenset(agents)
    return {
        name: AccountSpec(name, doc.agent, doc.kind, tuple(doc.variables), doc.directory)
        for name, doc in document.accounts.items()
        if doc.agent in wanted
    }


def check_account_of(
    keys: Keys, account: str | None, agent: str, document: Document, faults: Faults
) -> None:
    """Adds a fault when the account does not exist or belongs to another agent."""
    if account is None:
        return
    if account not in document.accounts:
        known = known_names(document.accounts, account)
        faults.add(keys, f"no account '{account}'. {known}")
    elif document.accounts[account].agent != agent:
        owner = document.accounts[account].agent
        faults.add(keys, f"the account '{account}' is of the agent '{owner}', not of '{agent}'.")


def _standing(name: str, doc: AgentDoc, only: tuple[str, ...], *, is_to_run: bool) -> Standing:
    if only:
        return "ready" if name in only else "left-out"
    if doc.enabled == "missing":
        return "missing" if is_to_run else "ready"
    return "disabled" if doc.enabled is False else "ready"


def _spec(name: str, doc: AgentDoc, document: Document, faults: Faults) -> AgentSpec:
    keys: Keys = ("agents", name)
    driver = _driver(name, doc)
    if driver is None:
        faults.add(keys, f"it needs a `driver`, one of {', '.join(DRIVERS)}.")
    check_account_of((*keys, "account"), doc.account, name, document, faults)
    _check_options((*keys, "options"), doc, driver, faults)
    if driver == BUILT_IN_DRIVER and "url" in doc.options:
        problem = model_url_problem(_option(doc.options["url"]))
        if problem:
            faults.add((*keys, "options", "url"), problem)
    return AgentSpec(
        name=name,
        driver=driver or "command",
        command=_command(keys, doc, driver, faults),
        model=doc.model,
        account=doc.account,
        description=doc.description,
        options={key: _option(value) for key, value in doc.options.items()},
        max_retries=doc.max_retries,
    )


def _check_options(keys: Keys, doc: AgentDoc, driver: str | None, faults: Faults) -> None:
    """A misspelt option would be found when the agent is to start, and one may hold a key."""
    known = DRIVER_OPTIONS.get(driver or "", frozenset())
    for name in doc.options:
        if driver is not None and name not in known:
            told = known_names(known, name) if known else "It has none."
            faults.add((*keys, name), f"the driver `{driver}` has no option '{name}'. {told}")


def _driver(name: str, doc: AgentDoc) -> str | None:
    """What the agent says, else its own name; None where that is no driver."""
    return doc.driver or (name if name in DRIVERS and name != "command" else None)


def _command(keys: Keys, doc: AgentDoc, driver: str | None, faults: Faults) -> tuple[str, ...]:
    """Program and leading arguments; none for the agent that comes with the program."""
    if doc.command is None:
        if driver == "command":
            faults.add(keys, "it needs a `command`, since its driver is `command`.")
        return () if driver in (None, "builtin", "command") else (driver,)
    if driver == "builtin":
        faults.add((*keys, "command"), "an agent with the driver `builtin` has no command.")
        return ()
    try:
        words = argv(doc.command)
    except ValueError as error:
        faults.add((*keys, "command"), f"{error}.")
        return ()
    if isinstance(doc.command, str) and words[:2] == ("sh", "-c"):
        faults.add(
            (*keys, "command"),
            "an agent is started without a shell. Write program and arguments, as a list if "
            "they hold special characters.",
        )
    return words


def _option(value: str | float | bool) -> str:  # noqa: FBT001 - a value of the document
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _check_account(keys: Keys, doc: AccountDoc, document: Document, faults: Faults) -> None:
    if doc.agent not in document.agents:
        known = known_names(document.agents, doc.agent)
        faults.add((*keys, "agent"), f"no agent '{doc.agent}'. {known}")
    elif doc.kind == "vendor-home":
        _check_login(keys, doc.agent, document.agents[doc.agent], faults)
    if doc.kind == "env" and not doc.variables:
        faults.add(keys, "an account of the kind `env` names its `variables`.")
    if doc.kind != "env" and doc.variables:
        faults.add((*keys, "variables"), f"only the kind `env` has variables, not `{doc.kind}`.")
    if doc.kind != "user-home" and doc.directory is not None:
        faults.add(
            (*keys, "directory"), f"only the kind `user-home` has a directory, not `{doc.kind}`."
        )


def _check_login(keys: Keys, name: str, agent: AgentDoc, faults: Faults) -> None:
    """A login that was not shown to work in the sandbox is not offered."""
    driver = _driver(name, agent)
    if driver is not None and driver not in LOGIN_DRIVERS:
        faults.add(
            (*keys, "kind"),
            f"no login of an agent with the driver `{driver}` has been shown to work in the "
            f"sandbox, only of {' and '.join(LOGIN_DRIVERS)}. Use the kind `env`.",
        )
