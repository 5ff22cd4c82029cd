"""What a driver is: the knowledge about one agent program, without running anything.

`host` asks a driver how to start its program and how to read what it prints; `survey` asks it where
the program is and which account it finds. A driver decides nothing about a run: `conclude` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ai_orchestrator.base.clock import Clock
from ai_orchestrator.base.command import Exit
from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError
from ai_orchestrator.model.agent import AgentEvent, ErrorKind, Usage
from ai_orchestrator.model.orders import AgentOrder


class AgentMissingError(EnvironmentProblemError):
    """The agent's program is not installed, or not where its command says."""

    code = "agent-missing"


@dataclass(frozen=True, slots=True)
class FoundProgram:
    """An installed agent, with every symbolic link and launcher script resolved."""

    argv: tuple[str, ...]
    """What starts it: an absolute program and its leading arguments."""
    prefixes: tuple[Path, ...]
    """Directories that hold all of it, to be seen read-only in a sandbox."""
    named: str
    """The path at which it was found, for people."""
    is_movable: bool = True
    """It works at another path than its own; scripts that name their interpreter do not."""


@dataclass(frozen=True, slots=True)
class Seat:
    """The directories of a run as the agent sees them: inside the sandbox, or on the host."""

    program: tuple[str, ...]
    work: Path
    home: Path
    tmp: Path
    conversation: Path
    account: Path | None
    """The vendor's state directory of the account, where the account is a directory."""
    is_sandboxed: bool


@dataclass(frozen=True, slots=True)
class Preparation:
    """A command that fills a cache shared by all runs of one installed program, once."""

    arguments: tuple[str, ...]
    env: Mapping[str, str]
    variable: str
    """The variable that names the cache to the program, then and in every run."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one run. Nothing in it depends on the machine beyond the order and the seat."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    """Beside what every agent gets (PATH, HOME, TMPDIR, LANG, account, ports)."""
    stdin: bytes = b""
    home_files: Mapping[Path, bytes] = field(default_factory=dict)
    """Written before the start: path below HOME -> content."""
    state_files: Mapping[Path, bytes] = field(default_factory=dict)
    """The same below the conversation's state, where earlier attempts may have left traps."""
    result_files: Mapping[str, Path] = field(default_factory=dict)
    """Read after the end: name -> host path. A missing one is left out."""


@dataclass(frozen=True, slots=True)
class Listening:
    """What a parser may need to know of its run."""

    order: AgentOrder
    clock: Clock
    earlier: Usage | None
    """The conversation's figures at the end of its last run; None: unknown, or there was none."""


class StreamParser(Protocol):
    """Reads what one run prints. Chunks may be cut anywhere; the events are the same."""

    def feed(self, chunk: bytes) -> list[AgentEvent]:
        """The events that standard output completed with this chunk. Never raises."""
        ...

    def feed_stderr(self, chunk: bytes) -> list[AgentEvent]:
        """The same for standard error, where a program tells there what it does not tell here."""
        ...

    def finish(self, files: Mapping[str, bytes], how: Exit) -> list[AgentEvent]:
        """The events still due at the end of the run, given the launch's result files."""
        ...

    @property
    def thread_usage(self) -> Usage | None:
        """Figures that this program counts over its whole conversation, to be stored; or None."""
        ...


@dataclass(frozen=True, slots=True)
class Login:
    """How a vendor's account reaches its agent, for `survey` and the host."""

    key_variables: tuple[str, ...]
    """Variables that an account may consist of: keys, and where they are valid."""
    sufficient: tuple[str, ...]
    """Those of them each of which makes the agent ready by itself."""
    state_variable: str | None
    """The variable that moves the vendor's state directory; None: it has none."""
    home_folder: str = ""
    """The state directory when that variable is not set, below the user's HOME."""
    login_files: tuple[str, ...] = ()
    """Files of the state directory one of which is there after the vendor's own login."""
    login_command: str = ""
    """The vendor's own login, what a person types."""
    login_arguments: tuple[str, ...] = ()
    """The same for the program itself: its arguments after those of the agent's command."""
    sessions_folder: str | None = None
    """Folder of the state directory that holds conversations; None: a directory account of this
    vendor has not been shown to work in the sandbox."""

    @property
    def can_be_kept(self) -> bool:
        """The orchestrator can hold a login of this vendor in a directory of its own."""
        return self.state_variable is not None and self.sessions_folder is not None


class Driver(Protocol):
    """One agent program."""

    @property
    def name(self) -> str:
        """Its name in the registry."""
        ...

    @property
    def program(self) -> str:
        """The name to look up on PATH when the configuration gives no command."""
        ...

    @property
    def tested_versions(self) -> tuple[str, ...]:
        """Versions whose streams the parser was tested with."""
        ...

    @property
    def version_arguments(self) -> tuple[str, ...] | None:
        """What makes the program print its version; None: nobody knows."""
        ...

    @property
    def preparation(self) -> Preparation | None:
        """What to run once before the first run; None: nothing."""
        ...

    @property
    def known_options(self) -> frozenset[str]:
        """Options of the agent's table entry that it understands."""
        ...

    @property
    def exit_kinds(self) -> Mapping[int, ErrorKind]:
        """Exit codes that it uses for one kind of failure only."""
        ...

    @property
    def install_command(self) -> str:
        """What a person types to install it, or the empty string."""
        ...

    @property
    def login(self) -> Login:
        """How an account reaches it."""
        ...

    def find(self, command: tuple[str, ...], path_env: str) -> FoundProgram:
        """The program on this machine. Raises `AgentMissingError`."""
        ...

    def launch(self, order: AgentOrder, seat: Seat) -> Launch:
        """How to start the order. Raises `BadInputError` for what it cannot express."""
        ...

    def parser(self, run: Listening) -> StreamParser:
        """A fresh parser."""
        ...


def prompt_bytes(order: AgentOrder) -> bytes:
    """The prompt as UTF-8. Raises `BadInputError` where it is empty or holds half a character."""
    if not order.prompt.strip():
        raise BadInputError(f"step {order.key.step}: the prompt for {order.agent.name} is empty.")
    try:
        return order.prompt.encode()
    except UnicodeEncodeError as error:
        raise BadInputError(
            f"step {order.key.step}: the prompt for {order.agent.name} holds a lone surrogate "
            f"(U+{ord(order.prompt[error.start]):04X} at character {error.start}).",
            hint="It was read from bytes that are not UTF-8; decode them before submitting.",
        ) from error


def option(order: AgentOrder, name: str, default: str) -> str:
    """An option of the agent's table entry."""
    return order.agent.options.get(name, default)


def model_of(order: AgentOrder) -> str | None:
    """The model that the step or else the agent asks for; None: the program's own default."""
    return order.model or order.agent.model
