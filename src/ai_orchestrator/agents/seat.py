"""Where an agent sits: its directories as it sees them, and the sandbox that shows them so.

Inside the sandbox every path is the same on every host, so that a conversation can be resumed on
another; without it everything is where it is on the host. Used by the host only. Pure, but for
`lay_out`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from ai_orchestrator.agents.base import Driver, FoundProgram, Login, Seat
from ai_orchestrator.agents.command import more_prefixes
from ai_orchestrator.agents.files import make_below
from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError
from ai_orchestrator.base.sandbox import (
    HOME_DIR,
    PROGRAM_DIRS,
    TMP_DIR,
    WORK_DIR,
    Bind,
    Sandbox,
)
from ai_orchestrator.model.orders import AgentOrder

CONVERSATION_DIR = HOME_DIR / ".conversation"
ACCOUNT_DIR = HOME_DIR / ".account"
INSTALL_DIR = PurePosixPath("/opt/agents")
CACHE_DIR = PurePosixPath("/opt/agent-cache")
STATE_FOLDER = "state"
"""What the agent sees as `CONVERSATION_DIR`; of what lies beside it, the sessions alone."""
SESSIONS_FOLDER = "sessions"
"""Beside the state and not in it. What the agent can write it can replace by a link, and what is
bound next time would be what the link names. Seen at its place in the account and nowhere else."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A seat, and the sandbox around it; None: it is not sandboxed."""

    seat: Seat
    sandbox: Sandbox | None
    cwd: Path


def account_directory(order: AgentOrder, login: Login) -> Path | None:
    """The vendor's state directory, where the account is a directory and not a key."""
    if login.state_variable is None or login.state_variable not in order.account_env:
        return None
    return Path(order.account_env[login.state_variable])


def on_host(order: AgentOrder, driver: Driver, found: FoundProgram) -> Placement:
    """The seat of an agent that is not sandboxed."""
    paths = order.paths
    seat = Seat(
        program=found.argv,
        work=paths.work,
        home=paths.home,
        tmp=paths.tmp,
        conversation=paths.conversation / STATE_FOLDER,
        account=account_directory(order, driver.login),
        is_sandboxed=False,
    )
    return Placement(seat, None, paths.work)


def in_sandbox(
    order: AgentOrder, driver: Driver, found: FoundProgram, cache: Path | None
) -> Placement:
    """The seat of a sandboxed agent. Raises `EnvironmentProblemError` for what cannot be shown."""
    paths, account = order.paths, account_directory(order, driver.login)
    programs = _programs(order, found)
    moves = {bind.source: bind.target for bind in programs}
    seat = Seat(
        program=tuple(_moved(argument, moves) for argument in found.argv),
        work=Path(WORK_DIR),
        home=Path(HOME_DIR),
        tmp=Path(TMP_DIR),
        conversation=Path(CONVERSATION_DIR),
        account=None if account is None else Path(ACCOUNT_DIR),
        is_sandboxed=True,
    )
    conversation = Bind(paths.conversation / STATE_FOLDER, CONVERSATION_DIR)
    shared = () if cache is None else (Bind(cache, CACHE_DIR),)
    borrowed = tuple(Bind.at_same_path(path) for path in paths.read_only)
    sandbox = Sandbox(
        work=paths.work,
        home=paths.home,
        tmp=paths.tmp,
        is_work_read_only=order.containment.permission == "read-only",
        network=_network(order),
        read_only_binds=(*programs, *shared, *borrowed),
        binds=(conversation, *_account_binds(order, driver, account)),
    )
    return Placement(seat, sandbox, Path("/"))


def _programs(order: AgentOrder, found: FoundProgram) -> tuple[Bind, ...]:
    if found.is_movable:
        return tuple(
            Bind(prefix, INSTALL_DIR / str(index) / prefix.name)
            for index, prefix in enumerate(found.prefixes)
            if not _is_shown(prefix)
        )
    own = (inner for prefix in found.prefixes for inner in _without_data(order, found, prefix))
    wanted = dict.fromkeys((*own, *more_prefixes(order)))
    return tuple(_fixed(order, prefix) for prefix in wanted if not _is_shown(prefix))


def _without_data(order: AgentOrder, found: FoundProgram, prefix: Path) -> tuple[Path, ...]:
    """The directory; only the program in it where it is above our data, and so other tasks'."""
    places = (order.paths.work, order.paths.home, order.paths.conversation)
    if not any(place.is_relative_to(prefix) for place in places):
        return (prefix,)
    program = Path(found.argv[0])
    return (program, program.resolve())


def _fixed(order: AgentOrder, prefix: Path) -> Bind:
    """A directory that must be seen where it is; in the work tree it would become a part of it."""
    if PurePosixPath(prefix).is_relative_to(WORK_DIR):
        raise EnvironmentProblemError(
            f"agent {order.agent.name}: {prefix} cannot be shown in the sandbox, where "
            f"{WORK_DIR} is the work tree.",
            hint="Install the program somewhere else, for instance below /opt.",
        )
    return Bind.at_same_path(prefix)


def _account_binds(order: AgentOrder, driver: Driver, account: Path | None) -> tuple[Bind, ...]:
    """The account's directory, writable for tokens that rotate; this task's sessions over it."""
    if account is None:
        return ()
    folder, sessions = driver.login.sessions_folder, sessions_folder(order, driver.login)
    if folder is None or sessions is None:
        keys = " or ".join(driver.login.sufficient)
        raise EnvironmentProblemError(
            f"agent {order.agent.name}: a login of {driver.name} in {account} has not been shown "
            "to work in the sandbox.",
            hint=f"Set {keys}, or run with --sandbox off.",
        )
    return (Bind(account, ACCOUNT_DIR), Bind(sessions, ACCOUNT_DIR / folder))


def _network(order: AgentOrder) -> Literal["open", "none"]:
    match order.containment.network:
        case "open":
            return "open"
        case "none":
            return "none"
        case other:
            raise BadInputError(f"no network {other!r} for agents. Known: open, none.")


def _is_shown(prefix: Path) -> bool:
    return any(PurePosixPath(prefix).is_relative_to(shown) for shown in PROGRAM_DIRS)


def _moved(argument: str, moves: dict[Path, PurePosixPath]) -> str:
    for source, target in moves.items():
        if argument == str(source) or argument.startswith(f"{source}/"):
            return str(target) + argument[len(str(source)) :]
    return argument


def sessions_folder(order: AgentOrder, login: Login) -> Path | None:
    """Where this task's conversations with an account that is a directory are kept."""
    if login.sessions_folder is None:
        return None
    return order.paths.conversation / SESSIONS_FOLDER / login.sessions_folder


def lay_out(placement: Placement, order: AgentOrder, login: Login) -> None:
    """The directories of the host that must exist before the start; blocking.

    Whatever an agent may have left in their place, a link above all, is removed: see `files`.
    """
    paths = order.paths
    make_below(paths.conversation, Path(STATE_FOLDER))
    has_account = placement.seat.account is not None
    if has_account and login.sessions_folder is not None:
        make_below(paths.conversation, Path(SESSIONS_FOLDER) / login.sessions_folder)
    if placement.sandbox is not None:
        for place in (CONVERSATION_DIR, *((ACCOUNT_DIR,) if has_account else ())):
            make_below(paths.home, Path(place.relative_to(HOME_DIR)))
