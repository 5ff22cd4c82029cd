"""The configuration that a repository carries, read whole and once.

`resolve` takes its layer from here and `trust` its digest: what is trusted is what is used.
Nothing outside the repository is read on its word.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ai_orchestrator.base.errors import BadInputError, NotFoundError
from ai_orchestrator.config.files import read_small_file
from ai_orchestrator.config.paths import repository_config_file
from ai_orchestrator.config.references import references
from ai_orchestrator.config.yaml_source import Node, parse_yaml

MAX_FILES = 200  # a guess: prompts and workflows that one configuration may name


@dataclass(frozen=True, slots=True)
class RepositoryConfig:
    """The files of one repository's configuration, as they were when they were read."""

    root: Path
    """Top of the repository, links resolved."""
    files: Mapping[str, bytes]
    """Path in the repository, with slashes -> content; the configuration file comes first."""
    document: Node

    @property
    def digest(self) -> str:
        """SHA-256 over the names and contents of all files, as hexadecimal digits."""
        import hashlib  # noqa: PLC0415  # 3 ms of every command, where few look at the digest

        whole = hashlib.sha256(b"ai-orchestrator trust 1\0")
        for name, data in sorted(self.files.items()):
            whole.update(hashlib.sha256(name.encode()).digest())
            whole.update(hashlib.sha256(data).digest())
        return whole.hexdigest()

    def read(self, reference: str) -> bytes:
        """A file that the configuration names, as it was when it was read."""
        return self.files[_inside(reference)]


def read_repository_config(
    repository: Path, *, called: str | None = None
) -> RepositoryConfig | None:
    """What the repository carries now; None when it carries no configuration.

    `called`: what errors and origins call the file; its path in the repository when left out.
    Raises `ConfigError` for a file that cannot be parsed and `BadInputError` for one that cannot
    be read, does not exist, or lies outside the repository.
    """
    root = Path(os.path.realpath(repository))
    name = repository_config_file(Path()).as_posix()
    if not (root / name).exists():
        return None
    files = {name: _read(root, name)}
    document = parse_yaml(files[name], called or name)
    for reference in references(document):
        inside = _inside(reference.file)
        if len(files) >= MAX_FILES:
            raise BadInputError(f"{name} names more than {MAX_FILES} files.")
        files[inside] = _read(root, inside)
    return RepositoryConfig(root, files, document)


def _inside(reference: str) -> str:
    """The referenced file's path in the repository."""
    if "\\" in reference or "\0" in reference:
        raise BadInputError(f"'{reference!r}' is no path of a file in the repository.")
    directory = repository_config_file(Path()).parent
    path = os.path.normpath(PurePosixPath(directory.as_posix()) / reference)
    if path.startswith(("/", "../")) or path in ("..", "."):
        raise BadInputError(f"'{reference}' leaves the repository.")
    return path


def _read(root: Path, name: str) -> bytes:
    path = root / name
    if not Path(os.path.realpath(path)).is_relative_to(root):
        raise BadInputError(f"'{name}' is a link that leaves the repository.")
    try:
        return read_small_file(path)
    except NotFoundError as error:
        raise BadInputError(f"'{name}' does not exist in the repository.") from error
