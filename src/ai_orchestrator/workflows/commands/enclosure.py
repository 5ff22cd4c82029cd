"""How a command of a repository (a verifier, setup, a script step) is fenced in on this machine.

Such commands run what strangers or agents wrote. Their environment is built here from nothing, so
that no variable of the orchestrator, and no credential, can be in it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.base.process import Command
from ai_orchestrator.base.sandbox import (
    HOME_DIR,
    TMP_DIR,
    Bind,
    HostLayout,
    Sandbox,
    bubblewrap_argv,
)
from ai_orchestrator.model.agent import SandboxMode
from ai_orchestrator.workflows.commands.toolchain import Toolchain


@dataclass(frozen=True, slots=True)
class RepositoryCommand:
    """A command to run in a tree. Every directory is the host's and exists."""

    argv: tuple[str, ...]
    tree: str
    """Name of the process tree, unique among those alive."""
    work: Path
    home: Path
    tmp: Path
    path_env: str
    sandbox: SandboxMode
    network: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    """Beside the fixed variables; nothing secret."""
    read_only: tuple[Path, ...] = ()
    """Seen at the same path."""


TryOut = Callable[[], Awaitable[tuple[Path | None, str]]]
"""The bubblewrap program that works here; or None, and why not."""


@dataclass(slots=True)
class Enclosure:
    """What this machine offers. `bubblewrap` is None where it does not work: `why_not` says why.

    One for the whole server: repository commands, agents and prompts must agree whether there is a
    sandbox. A success is believed from then on, a failure only until somebody looks again.
    """

    bubblewrap: Path | None
    host: HostLayout
    why_not: str = ""
    try_out: TryOut | None = None

    async def look_again(self) -> Path | None:
        """The program, tried out where it did not work so far: a task begins, or a server."""
        if self.bubblewrap is None and self.try_out is not None:
            self.bubblewrap, self.why_not = await self.try_out()
        return self.bubblewrap

    def is_sandboxed(self, mode: SandboxMode) -> bool:
        """Whether commands run in the sandbox under the mode.

        Raises `EnvironmentProblemError` where the sandbox is required and does not work.
        """
        if mode == "required" and self.bubblewrap is None:
            raise EnvironmentProblemError(
                f"The sandbox is required, but bubblewrap does not work here: {self.why_not}",
                hint="Install bubblewrap, or accept the risk with --sandbox best-effort or off.",
            )
        return mode != "off" and self.bubblewrap is not None

    async def shortfall(self, mode: SandboxMode, agent_network: str) -> str | None:
        """What a task has to be told because it runs without a sandbox; None: nothing.

        Asked when a task begins, so it looks again. Raises `EnvironmentProblemError` where it must
        not begin: the sandbox is required, or the agents' network is to be cut off, which nothing
        else does, and nobody said `off`.
        """
        if mode != "off":
            await self.look_again()
        if self.is_sandboxed(mode):
            return None
        is_open = "" if agent_network == "open" else f" `network: {agent_network}` does not hold."
        if mode == "off":
            return f"Agents run without a sandbox.{is_open}" if is_open else None
        if is_open:
            raise EnvironmentProblemError(
                f"network: {agent_network} needs the sandbox, and bubblewrap does not work here: "
                f"{self.why_not}",
                hint="Install bubblewrap, or accept an open network with --sandbox off.",
            )
        return (
            "There is no sandbox: agents, setup, steps and verifiers run as you and with network, "
            f"since bubblewrap does not work here: {self.why_not}"
        )

    def enclose(self, request: RepositoryCommand, toolchain: Toolchain) -> Command:
        """The command to spawn. What it prints comes in order on its standard output.

        Standard error is left to the sandbox and to the shell that looks for the program: text
        there, with a status other than 0, means that the program was not started.
        """
        shell = ("/bin/sh", "-c", _START, request.argv[0], *request.argv)
        if not self.is_sandboxed(request.sandbox) or self.bubblewrap is None:
            env = _environment(request, toolchain, home=str(request.home), tmp=str(request.tmp))
            return Command(shell, request.work, env, request.tree)
        argv = bubblewrap_argv(
            _sandbox(request, toolchain), shell, bubblewrap=self.bubblewrap, host=self.host
        )
        env = _environment(request, toolchain, home=str(HOME_DIR), tmp=str(TMP_DIR))
        return Command(argv, request.work, env, request.tree)


_START = (
    'case "$0" in */*) ;; *) command -v -- "$0" >/dev/null 2>&1 || '
    '{ echo "there is no $0 in the sandbox" >&2; exit 127; } ;; esac; exec 2>&1; exec "$@"'
)
"""A bare name must be found; a path belongs to the repository, and its lack is the work's fault."""

_FIXED = {
    "LANG": "C.UTF-8",
    "CI": "true",
    "NO_COLOR": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


def absolute_entries(path_env: str) -> str:
    """A PATH without the entries that mean the current directory: it is the repository's."""
    return os.pathsep.join(part for part in path_env.split(os.pathsep) if part.startswith("/"))


def _sandbox(request: RepositoryCommand, toolchain: Toolchain) -> Sandbox:
    shown = dict.fromkeys((*toolchain.paths, *request.read_only))
    return Sandbox(
        work=request.work,
        home=request.home,
        tmp=request.tmp,
        network="open" if request.network else "none",
        read_only_binds=tuple(Bind.at_same_path(path) for path in shown),
    )


def _environment(
    request: RepositoryCommand, toolchain: Toolchain, *, home: str, tmp: str
) -> dict[str, str]:
    return {
        **request.env,
        **toolchain.env,
        **_FIXED,
        "PATH": absolute_entries(request.path_env),
        "HOME": home,
        "TMPDIR": tmp,
    }
