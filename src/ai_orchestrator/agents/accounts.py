"""Which account an agent would use, and the variables by which it reaches the agent.

    account_env = account_of(agent, accounts, driver(agent.driver).login, credentials, places).env

An account is named by the configuration, or found: keys that were sent come first, then a login
that the orchestrator keeps under the agent's name, then the vendor's own in the user's directory.
Looks at the disk for login files; blocking, but short.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from ai_orchestrator.agents.base import Login
from ai_orchestrator.agents.vendor_home import is_login
from ai_orchestrator.model.agent import AccountKind
from ai_orchestrator.model.workflow import AccountSpec, AgentSpec


@dataclass(frozen=True, slots=True)
class LoginPlaces:
    """Where logins are looked for."""

    user: Path
    """The user's HOME."""
    kept: Path
    """The directory of the logins that the orchestrator keeps, see `vendor_home`."""
    command: str = "ai-orchestrator agents login"
    """What a person types, followed by a name, to fill one of them."""


@dataclass(frozen=True, slots=True)
class Account:
    """How a login reaches an agent."""

    kind: AccountKind
    name: str | None
    """Its name in the configuration; None: it was found."""
    env: Mapping[str, str]
    """Variables for the agent; a directory stands in the vendor's own variable for it."""
    problem: str = ""
    """Why it cannot be used, one sentence; empty when it can."""
    remedy: str = ""
    """What to type or do then."""

    @property
    def label(self) -> str:
        """Name and kind for people; empty when there is no account."""
        if self.kind == "none":
            return self.name or ""
        return f"{self.name} ({self.kind})" if self.name else self.kind


def account_of(
    agent: AgentSpec,
    accounts: Iterable[AccountSpec],
    login: Login,
    credentials: Mapping[str, str],
    places: LoginPlaces,
) -> Account:
    """The agent's account: the one it names, else its only one, else what is found."""
    spec = account_spec_of(agent, accounts)
    if spec is None:
        return _found(agent, login, credentials, places)
    return _configured(spec, login, credentials, places)


def account_spec_of(agent: AgentSpec, accounts: Iterable[AccountSpec]) -> AccountSpec | None:
    """The account of the configuration that the agent names, else its only one; None: neither."""
    own = [account for account in accounts if account.agent == agent.name]
    named = [account for account in own if account.name == agent.account]
    chosen = named or (own if len(own) == 1 and agent.account is None else [])
    return chosen[0] if chosen else None


def _configured(
    spec: AccountSpec, login: Login, credentials: Mapping[str, str], places: LoginPlaces
) -> Account:
    match spec.kind:
        case "env":
            sent = {name: credentials[name] for name in spec.variables if name in credentials}
            missing = [name for name in spec.variables if name not in credentials]
            problem = f"{' and '.join(missing)} not set" if missing else ""
            remedy = f"export {missing[0]}=..." if missing else ""
            return Account("env", spec.name, sent, problem, remedy)
        case "vendor-home":
            return _kept(spec.name, login, places)
        case "user-home":
            return _directory(spec, login, places.user)
        case "none":
            return Account("none", spec.name, {})
        case _:
            assert_never(spec.kind)


def _kept(name: str, login: Login, places: LoginPlaces, **open_env: str) -> Account:
    """A login that the orchestrator keeps."""
    if login.state_variable is None or not login.can_be_kept:
        problem = "no login of this agent has been shown to work in the sandbox"
        remedy = f"export {login.sufficient[0]}=..." if login.sufficient else ""
        return Account("vendor-home", name, {}, problem, remedy)
    state = places.kept / name
    env = {**open_env, login.state_variable: str(state)}
    if any(is_login(state / file) for file in login.login_files):
        return Account("vendor-home", name, env)
    return Account("vendor-home", name, env, "nobody has logged in yet", f"{places.command} {name}")


def _directory(spec: AccountSpec, login: Login, home: Path) -> Account:
    """A login of the user's own."""
    if login.state_variable is None:
        return Account(spec.kind, spec.name, {}, "this agent keeps no login in a directory")
    state = home / login.home_folder if spec.directory is None else Path(spec.directory)
    env = {login.state_variable: str(state)}
    if _has_login(login, state):
        return Account(spec.kind, spec.name, env)
    return Account(spec.kind, spec.name, env, f"no login in {state}", login.login_command)


def _found(
    agent: AgentSpec, login: Login, credentials: Mapping[str, str], places: LoginPlaces
) -> Account:
    sent = {name: credentials[name] for name in login.key_variables if name in credentials}
    if any(name in sent for name in login.sufficient):
        return Account("env", None, sent)
    if not login.sufficient or "url" in agent.options:
        return Account("none", None, sent)
    kept = _kept(agent.name, login, places, **sent)
    if not kept.problem:
        return kept
    state = places.user / login.home_folder
    if login.state_variable is not None and _has_login(login, state):
        if login.sessions_folder is not None:
            return Account("user-home", None, {**sent, login.state_variable: str(state)})
        problem = f"the login in {state} has not been shown to work in the sandbox"
        return Account("user-home", None, sent, problem, f"export {login.sufficient[0]}=...")
    keys = " nor ".join(login.sufficient)
    where = f", and no login in {state}" if login.state_variable is not None else ""
    problem = f"neither {keys} is set{where}"
    return Account("none", None, sent, problem, _way_in(agent, login, places))


def _way_in(agent: AgentSpec, login: Login, places: LoginPlaces) -> str:
    if login.can_be_kept:
        return f"{places.command} {agent.name}"
    return login.login_command or f"export {login.sufficient[0]}=..."


def _has_login(login: Login, state: Path) -> bool:
    return any((state / name).is_file() for name in login.login_files)
