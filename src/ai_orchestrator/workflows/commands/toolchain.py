"""Which directories of the machine hold the tools on a PATH, so that a sandbox can show them.

`enclosure.py` is handed the answer by whoever runs verifiers and other commands of a repository. A
folder of programs alone is seldom enough: an interpreter needs its libraries. What is shown is
read-only and chosen narrowly, since a prefix may be somebody's HOME, or a checkout with a `.env`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ai_orchestrator.base.sandbox import PROGRAM_DIRS

_INTERPRETERS = ("python3", "python", "node", "java", "ruby", "perl", "go", "cargo", "php")
"""Links to these are followed in every folder of programs: other tools call them by name."""
_PROGRAM_FOLDERS = frozenset({"bin", "sbin", "shims", "condabin", ".bin"})
_MANAGERS = {".pyenv": "PYENV_ROOT", ".rbenv": "RBENV_ROOT", ".volta": "VOLTA_HOME"}
"""Version managers whose folder is shown whole, and the variable that says where it is."""
_LIBRARIES = ("lib", "lib64", "libexec", "pyvenv.cfg", "include")
"""At least one of these makes the parent of a folder of programs an installation."""
_PRIVATE = (
    *(".ssh", ".gnupg", ".aws", ".kube", ".docker", ".config", ".netrc", ".bashrc", ".profile"),
    *(".bash_history", ".git-credentials", ".git", ".env"),
)
"""Any of these makes it a HOME or a checkout, of which only the programs are shown."""
_HOPS = 40  # as many links as Linux itself follows


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What to show of the machine for the tools of a PATH."""

    paths: tuple[Path, ...]
    """Absolute, existing, none below another, none that every sandbox shows anyway."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Where version managers are, since HOME is another one inside."""


def find_toolchain(path_env: str, programs: Sequence[str]) -> Toolchain:
    """The folders that the programs, and what they call from the PATH, need."""
    parts = (part for part in path_env.split(os.pathsep) if part.startswith("/"))
    folders = [Path(os.path.normpath(part)) for part in parts]
    for program in programs:
        found = shutil.which(program, path=path_env)
        if found is not None:
            folders += [hop.parent for hop in _hops(Path(found))]
    paths: dict[Path, None] = {}
    env: dict[str, str] = {}
    for folder in _with_interpreters(folders):
        for path in _shown(folder, env):
            paths.setdefault(path)
    return Toolchain(_outermost(tuple(paths)), env)


def _with_interpreters(folders: Sequence[Path]) -> Iterator[Path]:
    """The folders and those that the interpreters in them are linked from, each once."""
    waiting, seen = list(folders), set[Path]()
    while waiting:
        folder = waiting.pop(0)
        if folder in seen or _is_system(folder) or not folder.is_dir():
            continue
        seen.add(folder)
        yield folder
        links = (folder / name for name in _INTERPRETERS)
        waiting += [hop.parent for link in links if link.is_symlink() for hop in _hops(link)]
        waiting.append(folder.resolve())


def _hops(link: Path) -> Iterator[Path]:
    """The path and every path that its links lead over, as the links say it."""
    for _ in range(_HOPS):
        yield link
        if not link.is_symlink():
            return
        link = Path(os.path.normpath(link.parent / link.readlink()))


def _is_system(folder: Path) -> bool:
    """Below what every sandbox shows."""
    return any(folder.is_relative_to(PurePosixPath(top)) for top in PROGRAM_DIRS)


def _shown(folder: Path, env: dict[str, str]) -> Iterator[Path]:
    """What to show for one folder of programs; adds the variables that go with it."""
    yield folder
    prefix = folder.parent
    if folder.name not in _PROGRAM_FOLDERS:
        return
    if prefix.name in _MANAGERS:
        env[_MANAGERS[prefix.name]] = str(prefix)
        yield prefix
    elif prefix.name == ".cargo" and (rustup := prefix.parent / ".rustup").is_dir():
        env["RUSTUP_HOME"] = str(rustup)
        yield rustup
    elif prefix.name == ".local" and (prefix / "lib").is_dir():
        env["PYTHONUSERBASE"] = str(prefix)
        yield prefix / "lib"
    elif _is_installation(prefix):
        yield prefix


def _is_installation(prefix: Path) -> bool:
    if prefix.name in {".cargo", ".local"} or len(prefix.parts) <= 2:
        return False
    if prefix.name == "node_modules":
        return True
    is_private = any((prefix / name).exists() for name in _PRIVATE)
    return not is_private and any((prefix / name).exists() for name in _LIBRARIES)


def _outermost(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Without those that lie below another, where no link on the way makes it another place."""
    return tuple(
        path
        for path in paths
        if not any(path != other and path.is_relative_to(other) for other in paths)
    )
