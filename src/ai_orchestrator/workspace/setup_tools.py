"""What the machine adds to the result of set-up commands: its kind, and the versions of its tools.

A program's version is taken from where its links end, its time and its size: asking each program
would cost more than a restored set-up. A version manager's shim stands for whatever the files of
the repository say (`.nvmrc`, `.tool-versions`), and those count as manifests.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from ai_orchestrator.workspace.setup_key import Tool, words_of

_ALWAYS = (
    *("python3", "python", "node", "npm", "java", "ruby", "perl", "php", "go", "cargo", "rustc"),
    *("cc", "gcc", "c++", "make"),
)
"""Installers start these by themselves, whatever the command line says."""
_BARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


def machine() -> str:
    """Kind of processor and system, for example `Linux x86_64 glibc`."""
    return " ".join((platform.system(), platform.machine(), platform.libc_ver()[0]))


def find_tools(path_env: str, commands: Sequence[Sequence[str]]) -> tuple[Tool, ...]:
    """The programs on the PATH that the commands name, or that installers start."""
    folders = os.pathsep.join(part for part in path_env.split(os.pathsep) if part.startswith("/"))
    words = {word for word in words_of(commands) if _BARE.fullmatch(word)}
    found = ((name, shutil.which(name, path=folders)) for name in sorted(words | {*_ALWAYS}))
    return tuple(_tool(name, Path(place)) for name, place in found if place is not None)


def _tool(name: str, place: Path) -> Tool:
    real = place.resolve()
    status = real.stat()
    return Tool(name, str(real), status.st_mtime_ns, status.st_size)


def furnished_state(tree: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """How the files that `copy:` and `link:` brought look now, without reading them."""
    return tuple(line for path in sorted(paths) for line in _looks(tree, path))


def _looks(tree: Path, path: str) -> Iterator[str]:
    waiting = [path]
    while waiting:
        path = waiting.pop()
        place = tree / path
        if not os.path.lexists(place):
            yield f"{path}: nothing"
            continue
        status = place.lstat()
        if stat.S_ISLNK(status.st_mode):
            yield f"{path} -> {place.readlink()}"
        elif stat.S_ISDIR(status.st_mode):
            yield f"{path}/"
            with os.scandir(place) as entries:
                waiting += sorted(f"{path}/{entry.name}" for entry in entries)
        else:
            yield f"{path}: {status.st_size} {status.st_mtime_ns} {status.st_mode:o}"
