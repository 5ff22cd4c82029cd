"""`agents login`: runs a vendor's own login once and keeps what it leaves, see `vendor_home`.

    prepared = prepare_login(name, agents, accounts, machine)
    done = prepared.run(arguments)

A login is made in a new directory that takes the old one's place when it is complete: nothing that
an agent left there is read outside of its sandbox, and a login that fails leaves the old one alone.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.agents.accounts import LoginPlaces, account_of, account_spec_of
from ai_orchestrator.agents.base import FoundProgram, Login
from ai_orchestrator.agents.registry import driver
from ai_orchestrator.agents.vendor_home import is_login, keep_only_login, lock_of
from ai_orchestrator.base.attached import run_attached
from ai_orchestrator.base.errors import BadInputError, NotFoundError, TemporaryError
from ai_orchestrator.base.lockfile import acquire
from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.problems import known_names
from ai_orchestrator.model.workflow import AccountSpec, AgentSpec
from ai_orchestrator.workspace.removal import Trash

PASSED_VARIABLES = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LC_ALL", "LC_CTYPE"),
    *("TERM", "COLORTERM", "NO_COLOR"),
    # to open a browser, or to know that there is none
    *("BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS"),
    *("XDG_RUNTIME_DIR", "XDG_SESSION_TYPE", "XDG_CURRENT_DESKTOP", "XDG_DATA_DIRS"),
    *("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "WSL_DISTRO_NAME", "WSL_INTEROP"),
    # the way to the vendor
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
)
"""All that a vendor's login gets of the person's environment: no key, which it might prefer, and
none of the vendor's settings."""
BUSY_DELAY_S = 60.0


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the login is made, and by whom."""

    environment: Environment
    data_dir: Path
    places: LoginPlaces
    credentials: Mapping[str, str]
    """The keys that a task would be sent with from here."""


@dataclass(frozen=True, slots=True)
class LoginResult:
    """What came of it."""

    is_ready: bool
    problem: str = ""
    """One sentence, where it is not."""
    note: str = ""
    """What keeps the login from being used, where something does."""


@dataclass(frozen=True, slots=True)
class PreparedLogin:
    """A login that can be made: the program is there, and its vendor's logins are known to work."""

    account: str
    agent: AgentSpec
    login: Login
    found: FoundProgram
    accounts: tuple[AccountSpec, ...]
    machine: Machine

    @property
    def agent_name(self) -> str:
        """The agent that logs in."""
        return self.agent.name

    @property
    def command(self) -> str:
        """What will be run, for people."""
        return shlex.join((*self.found.argv, *self.login.login_arguments))

    @property
    def directory(self) -> Path:
        """Where the login will be."""
        return self.machine.places.kept / self.account

    def run(self, arguments: Sequence[str]) -> LoginResult:
        """Runs it with further arguments of the vendor's, at this terminal.

        Raises `TemporaryError` while a task works with the account or somebody logs in to it, and
        `SpawnError`.
        """
        self.machine.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.parent.mkdir(mode=0o700, exist_ok=True)
        with self._held(), _emptied(self.machine.data_dir / "trash") as trash:
            fresh = self.directory.with_name(f"{self.account}.new")
            trash.discard(fresh)
            fresh.mkdir(mode=0o700)
            try:
                problem = self._problem(fresh, arguments)
                if problem:
                    return LoginResult(is_ready=False, problem=problem)
                keep_only_login(fresh, self.login, trash.discard)
                trash.discard(self.directory)
                fresh.rename(self.directory)
            finally:
                trash.discard(fresh)
        return LoginResult(is_ready=True, note=self._note())

    def _problem(self, fresh: Path, arguments: Sequence[str]) -> str:
        """Runs the vendor's login; why there is none afterwards, empty when there is."""
        argv = (*self.found.argv, *self.login.login_arguments, *arguments)
        code = run_attached(argv, self._variables(fresh), fresh)
        what = f"the login of {self.agent.name}"
        if code != 0:
            how = f"exit code {code}" if code > 0 else f"signal {-code}"
            return f"{what} ended with {how}."
        if not any(is_login(fresh / name) for name in self.login.login_files):
            wanted = " or ".join(self.login.login_files)
            return f"{what} ended well and left no {wanted}: in a keyring it is of no use here."
        return ""

    def _variables(self, state: Path) -> dict[str, str]:
        assert self.login.state_variable is not None, "can_be_kept says so"
        environment = self.machine.environment
        sent = {name: environment.get(name) for name in PASSED_VARIABLES}
        known = {name: value for name, value in sent.items() if value is not None}
        return {**known, "HOME": str(environment.home), self.login.state_variable: str(state)}

    def _note(self) -> str:
        machine = self.machine
        used = account_of(
            self.agent, self.accounts, self.login, machine.credentials, machine.places
        )
        if used.kind == "vendor-home" and used.name == self.account:
            return ""
        if used.name is not None:
            return f"{self.agent.name} uses its account {used.label} where a step names no other."
        keys = [name for name in self.login.sufficient if name in machine.credentials]
        return (
            f"{' and '.join(keys)} comes first where the configuration does not name the account: "
            f"accounts: {{{self.account}: {{agent: {self.agent.name}, kind: vendor-home}}}}"
        )

    @contextmanager
    def _held(self) -> Iterator[None]:
        """No task works with the account meanwhile, and nobody else logs in to it."""
        held = acquire(lock_of(self.directory))
        if held is None:
            raise TemporaryError(
                f"a task works with the account {self.account!r}, or somebody logs in to it.",
                delay_s=BUSY_DELAY_S,
                hint="Wait for its end; `ai-orchestrator tasks` shows what runs.",
            )
        try:
            yield
        finally:
            held.release()


def prepare_login(
    name: str, agents: Sequence[AgentSpec], accounts: Sequence[AccountSpec], machine: Machine
) -> PreparedLogin:
    """The login of an account of the kind vendor-home, or of an agent.

    Raises `NotFoundError` for an unknown name, `BadInputError` for what needs no login or cannot
    have one, each with the way out, and `AgentMissingError`.
    """
    account, agent = _target(name, agents, accounts)
    login = driver(agent.driver).login
    if not login.can_be_kept:
        way = f"Use a key: export {login.sufficient[0]}=..." if login.sufficient else ""
        raise BadInputError(
            f"agent {agent.name!r}: no login of an agent with the driver {agent.driver!r} has been "
            "shown to work in the sandbox.",
            hint=way or "Name variables of its own: an account of the kind env.",
        )
    found = driver(agent.driver).find(agent.command, machine.environment.get("PATH") or "")
    return PreparedLogin(account, agent, login, found, tuple(accounts), machine)


def _target(
    name: str, agents: Sequence[AgentSpec], accounts: Sequence[AccountSpec]
) -> tuple[str, AgentSpec]:
    """The account to log in to, and its agent. Pure."""
    by_name = {agent.name: agent for agent in agents}
    kept = {account.name: account for account in accounts if account.kind == "vendor-home"}
    if name in kept:
        return name, by_name[kept[name].agent]
    if name in by_name:
        return _account_of(by_name[name], accounts), by_name[name]
    others = {account.name: account.kind for account in accounts}
    if name in others:
        raise BadInputError(
            f"account {name!r} is of the kind {others[name]}, which has no login to make.",
            hint="Only the kind vendor-home has.",
        )
    raise NotFoundError(f"no agent or account {name!r}. {known_names({*by_name, *kept}, name)}")


def _account_of(agent: AgentSpec, accounts: Sequence[AccountSpec]) -> str:
    """The one the agent uses, where it is kept; one of its own name, where it uses none."""
    spec = account_spec_of(agent, accounts)
    if spec is None:
        return agent.name
    if spec.kind == "vendor-home":
        return spec.name
    raise BadInputError(
        f"agent {agent.name!r} uses its account {spec.name!r} of the kind {spec.kind}, "
        "so that a login would never be used.",
        hint=f"Add one of the kind vendor-home to the configuration, name it in "
        f"agents.{agent.name}.account, and log in to that.",
    )


@contextmanager
def _emptied(directory: Path) -> Iterator[Trash]:
    """A trash from which everything that was thrown into it is gone afterwards."""
    trash = Trash(directory)
    try:
        yield trash
        trash.settle()
    finally:
        trash.close()
