"""The one way to run a program: what is asked for, what comes back, and who owns the children.

Callers describe a `Command` and hand it to a `Spawner`. Every command belongs to a named process
tree; when its first process ends, or its owner does, the whole tree ends with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


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
    pass_fds: Mapping[int, int] = field(default_factory=dict)
    """Descriptors for the child: its number -> ours. Ours stays open and ours to close."""


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
        """How the command ended; by then no process of its tree is left."""
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
