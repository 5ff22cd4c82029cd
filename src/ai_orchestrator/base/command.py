"""The vocabulary of running programs: what is asked for, what comes back, and what goes wrong.

Callers import these names from `base/process.py`, the one door; they live here so that the parts
behind that door can share them without a circle.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, get_args

from ai_orchestrator.base.errors import EnvironmentProblemError, InternalError, TemporaryError

TREE_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")

PASSED_FDS_LIMIT = 200
"""SCM_RIGHTS carries 253 descriptors in one message; five of them are ours."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run. Nothing is inherited: environment and directory are given whole."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    tree: str
    """Name of the process tree, `[A-Za-z0-9._-]{1,100}`, unique among those alive."""
    stdin: bytes = b""
    """What the program reads from standard input, then end of file."""
    is_output_private: bool = False
    """Standard output is a socket: unlike a pipe it cannot be opened anew by way of /proc, so that
    other processes of the tree do not write to it. A program that opens /dev/stdout cannot either.
    """
    pass_fds: Mapping[int, int] = field(default_factory=dict)
    """Descriptors for the child: its number -> ours. Ours stays open and ours to close."""

    def __post_init__(self) -> None:
        """Raise `InternalError` for what no caller may ask for: these are defects, not input."""
        if not self.argv or not self.argv[0]:
            raise InternalError(f"tree {self.tree!r}: a command needs a program")
        if not TREE_NAME.fullmatch(self.tree):
            raise InternalError(f"tree name {self.tree!r} is not of {TREE_NAME.pattern}")
        if any("\0" in text for text in self._texts()):
            raise InternalError(f"tree {self.tree!r}: a NUL in a command's argv, env or directory")
        if any("=" in name for name in self.env):
            raise InternalError(f"tree {self.tree!r}: an '=' in the name of a variable")
        if min(self.pass_fds, default=3) < 3 or len(self.pass_fds) > PASSED_FDS_LIMIT:
            raise InternalError(
                f"tree {self.tree!r}: descriptors go from 3 up, {PASSED_FDS_LIMIT} at most"
            )

    def _texts(self) -> tuple[str, ...]:
        return (*self.argv, str(self.cwd), *self.env, *self.env.values())


@dataclass(frozen=True, slots=True)
class Exit:
    """How the first process of a tree ended."""

    code: int | None
    """Exit status, or None when a signal ended it."""
    signal: int | None
    """The signal's number, or None when it exited by itself."""
    leftovers: int = 0
    """Processes of the tree that were still alive then and were killed."""

    @property
    def is_success(self) -> bool:
        """It exited by itself with status 0."""
        return self.code == 0

    @classmethod
    def of_returncode(cls, returncode: int, leftovers: int) -> Exit:
        """The exit that `subprocess` tells as `returncode`: a signal is negative."""
        if returncode < 0:
            return cls(code=None, signal=-returncode, leftovers=leftovers)
        return cls(code=returncode, signal=None, leftovers=leftovers)


class Process(Protocol):
    """A running command."""

    @property
    def pid(self) -> int:
        """Process id of the first process of the tree."""
        ...

    def stdout(self) -> AsyncIterator[bytes]:
        """Chunks of standard output as they come, until end of file. To be iterated once."""
        ...

    def stderr(self) -> AsyncIterator[bytes]:
        """Chunks of standard error as they come, until end of file. To be iterated once."""
        ...

    async def wait(self) -> Exit:
        """How the command ended; by then no process of its tree is left.

        Raises `GuardianLostError` when its guardian ended first (the tree is gone all the same),
        `StuckTreeError` when a process of the tree could not be killed.
        """
        ...

    async def stop(self, grace_s: float) -> Exit:
        """TERM to the whole tree, KILL to what is left after `grace_s`, reaped. Idempotent."""
        ...


class Spawner(Protocol):
    """Starts commands. Usable from any event loop and any thread."""

    async def start(self, command: Command) -> Process:
        """The running command. Raises `SpawnError` where it cannot be started."""
        ...


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ran to its end, with what it printed (each stream cut at the limit)."""

    exit: Exit
    stdout: bytes
    stderr: bytes
    is_truncated: bool
    is_timed_out: bool
    duration_s: float


@dataclass(frozen=True, slots=True)
class Containment:
    """How the processes of a tree are held together on this machine."""

    kind: Literal["cgroup", "walk"]
    """cgroup: the kernel kills the tree at once. walk: its descendants are found in /proc."""
    path: Path | None
    """The cgroup 2 directory under which trees get theirs, or None with `walk`."""
    reason: str
    """One sentence for people: why it is this kind."""


class SpawnError(EnvironmentProblemError):
    """The command could not be started; nothing of it is running."""

    code = "spawn-failed"


class GuardianLostError(TemporaryError):
    """The guardian ended while the tree was alive; every process of the tree is gone."""

    code = "guardian-lost"


class StuckTreeError(EnvironmentProblemError):
    """Processes of the tree outlived SIGKILL: they hang in the kernel or belong to another user."""

    code = "tree-stuck"


Stage = Literal["containment", "descriptors", "directory", "program"]
"""Where a start failed, in the order in which it is done."""

STAGES: tuple[Stage, ...] = get_args(Stage)
"""The same as `guardian_wire.STAGES`, by which a guardian names them."""


def spawn_error(command: Command, stage: Stage, number: int) -> SpawnError:
    """The `SpawnError` for errno `number` at `stage`, saying what to do about it."""
    hint = _program_hint(command, number) if stage == "program" else _HINTS[stage]
    where = str(command.cwd) if stage == "directory" else command.argv[0]
    return SpawnError(
        f"cannot start {command.argv[0]!r} for tree {command.tree!r}: "
        f"{stage} {where!r}: {os.strerror(number)}.",
        hint=hint,
    )


_HINTS: Mapping[Stage, str] = {
    "containment": "The cgroup of the tree could not be joined; see `ai-orchestrator doctor`.",
    "descriptors": "A descriptor to be passed is not open, or the limit of open files is reached.",
    "directory": "The directory must exist and be open to this user before the command starts.",
}


def _program_hint(command: Command, number: int) -> str:
    program = command.argv[0]
    if number == errno.ENOENT and "/" not in program:
        return f"It is not on the command's PATH ({command.env.get('PATH', 'not set')})."
    if number == errno.ENOENT and os.path.lexists(command.cwd / program):
        return "The file exists: the interpreter in its first line or its link target does not."
    if number == errno.E2BIG:
        return "Arguments and environment are too long; pass long text on standard input."
    if number == errno.ENOEXEC:
        return "It is neither a binary of this machine nor a script with a `#!` line."
    if number == errno.EACCES and _is_file_without_execute(command.cwd / program):
        return "It is not marked executable (`chmod +x`)."
    return "Check the path, its permissions and the mount options (noexec)."


def _is_file_without_execute(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and not mode & 0o111
