"""Any program by configuration: its output is its answer, its exit code says whether it worked.

    agents:
      aider:
        driver: command
        command: [aider, --yes-always, --no-auto-commits, --message-file, "{prompt_file}"]

The prompt goes to standard input unless an argument holds `{prompt_file}`. See
docs/reference/agents.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from ai_orchestrator.agents.base import (
    FoundProgram,
    Launch,
    Listening,
    Login,
    Preparation,
    Seat,
    StreamParser,
    model_of,
    prompt_bytes,
)
from ai_orchestrator.agents.find import look_up
from ai_orchestrator.agents.text import TextStream
from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.model.agent import ErrorKind
from ai_orchestrator.model.orders import AgentOrder

PROMPT_FILE = "{prompt_file}"
MODEL = "{model}"
_FILE_NAME = "prompt.txt"


class CommandDriver:
    """See `base.Driver`."""

    name: ClassVar[str] = "command"
    program: ClassVar[str] = ""
    tested_versions: ClassVar[tuple[str, ...]] = ()
    version_arguments: ClassVar[tuple[str, ...] | None] = None
    preparation: ClassVar[Preparation | None] = None
    known_options: ClassVar[frozenset[str]] = frozenset({"prefixes"})
    exit_kinds: ClassVar[Mapping[int, ErrorKind]] = {}
    install_command: ClassVar[str] = ""
    login: ClassVar[Login] = Login(key_variables=(), sufficient=(), state_variable=None)

    def find(self, command: tuple[str, ...], path_env: str) -> FoundProgram:
        """What the configuration names; what is shown of it in a sandbox says `_shown`."""
        if not command:
            raise BadInputError(
                "an agent with driver 'command' has no command.",
                hint="Set agents.<name>.command to a list: program and arguments.",
            )
        named = look_up(command, self.program, path_env)
        prefixes = dict.fromkeys((_shown(named), _shown(named.resolve())))
        argv = (str(named), *command[1:])
        return FoundProgram(argv, tuple(prefixes), str(named), is_movable=False)

    def launch(self, order: AgentOrder, seat: Seat) -> Launch:
        """See `Driver.launch`."""
        prompt = prompt_bytes(order)
        if order.resume_session is not None:
            raise BadInputError(
                f"step {order.key.step}: agent {order.agent.name} (driver 'command') has no "
                f"conversations, but session {order.resume_session} was to be continued."
            )
        values = {PROMPT_FILE: str(seat.home / _FILE_NAME), MODEL: model_of(order) or ""}
        argv = tuple(_filled(argument, values) for argument in seat.program)
        if not any(PROMPT_FILE in argument for argument in seat.program):
            return Launch(argv, {}, stdin=prompt)
        return Launch(argv, {}, home_files={Path(_FILE_NAME): prompt})

    def parser(self, run: Listening) -> StreamParser:  # noqa: ARG002  it needs nothing
        """See `Driver.parser`."""
        return TextStream()


def more_prefixes(order: AgentOrder) -> tuple[Path, ...]:
    """Further directories that the option `prefixes` names, separated by colons."""
    listed = order.agent.options.get("prefixes", "")
    return tuple(Path(part) for part in listed.split(os.pathsep) if part)


def _shown(program: Path) -> Path:
    """Its directory, for what it brings along; itself alone where that holds a person's things.

    HOME, what is above it, and the top of a checkout hold keys and settings of all kinds.
    """
    folder = program.parent
    is_personal = Path.home().resolve().is_relative_to(folder.resolve())
    return program if is_personal or (folder / ".git").exists() else folder


def _filled(argument: str, values: Mapping[str, str]) -> str:
    for placeholder, value in values.items():
        argument = argument.replace(placeholder, value)
    return argument
