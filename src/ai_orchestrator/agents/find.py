"""Where an agent's program really is, behind links, launchers and package managers.

A launcher script that starts the real program as its child is a trap: signals and deaths reach
only the launcher (measured with Copilot, Codex and Gemini). Used by the drivers; blocking.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ai_orchestrator.agents.base import AgentMissingError, FoundProgram

_ELF = b"\x7fELF"
_NODE_ARCH = {"x86_64": "x64", "aarch64": "arm64"}


def look_up(command: Sequence[str], program: str, path_env: str) -> Path:
    """The file that the command names, or else `program` on the search path.

    Raises `AgentMissingError`.
    """
    name = command[0] if command else program
    if "/" in name:
        path = Path(name).expanduser()
        if path.is_absolute() and _is_program(path):
            return path
        raise AgentMissingError(
            f"no program at {name!r}.", hint="Give an absolute path or a name on PATH."
        )
    for directory in filter(None, path_env.split(os.pathsep)):
        path = Path(directory) / name
        if _is_program(path):
            return path
    raise AgentMissingError(
        f"{name!r} is not on PATH.",
        hint="Install it, or set agents.<name>.command to where it is.",
    )


def native(command: Sequence[str], named: Path, packages: Iterable[str]) -> FoundProgram:
    """The program's binary, run without its launcher.

    `packages`: globs relative to a `node_modules` directory that lead to the binary. Where none
    fits, what was named is run as it is.
    """
    real = named.resolve()
    binary = next(_platform_binaries(real, packages), real)
    return FoundProgram((str(binary), *command[1:]), (binary,), str(named))


def is_native(path: Path) -> bool:
    """The file is a binary of this kind of machine, not a script."""
    with path.open("rb") as file:
        return file.read(4) == _ELF


def node_arch() -> str:
    """This machine's processor as npm packages call it."""
    machine = platform.machine()
    return _NODE_ARCH.get(machine, machine)


def _platform_binaries(real: Path, packages: Iterable[str]) -> Iterator[Path]:
    if is_native(real):
        return
    for directory in real.parents:
        if directory.name == "node_modules":
            for pattern in packages:
                yield from (path for path in sorted(directory.glob(pattern)) if is_native(path))


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
