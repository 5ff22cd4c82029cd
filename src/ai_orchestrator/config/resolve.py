"""The configuration of one command: every layer found, merged, with the origin of every value.

    built-in < /etc < user < repository (when trusted) < -c FILE < environment < flags

`-c` and AI_ORCHESTRATOR_CONFIG replace the search for files. The client resolves and sends the
result with a task; nothing is checked here beyond what merging needs (`workflows/loading` does).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

from ai_orchestrator.base.errors import BadInputError, NotFoundError
from ai_orchestrator.config.agents_found import with_agents_found
from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.environment_layer import environment_layer
from ai_orchestrator.config.files import read_small_file
from ai_orchestrator.config.layers import Setting, as_layer, merge_all
from ai_orchestrator.config.older_keys import with_todays_keys
from ai_orchestrator.config.paths import (
    CONFIG_VARIABLE,
    data_directory,
    repository_config_file,
    system_config_file,
    trust_file,
    user_config_file,
)
from ai_orchestrator.config.problems import ConfigError, ConfigProblem
from ai_orchestrator.config.references import ReferenceReader, with_files
from ai_orchestrator.config.repository_config import RepositoryConfig, read_repository_config
from ai_orchestrator.config.trust import TrustStore
from ai_orchestrator.config.yaml_source import Node, origins, parse_yaml, plain
from ai_orchestrator.model.task import ResolvedConfig

BUILT_IN = "built-in"
_TRUST = "Read it, then run `{command}`."


@dataclass(frozen=True, slots=True)
class ResolveRequest:
    """What decides the configuration of a command."""

    environment: Environment
    built_in: str
    """The document that comes with the program, as YAML."""
    repository: Path | None = None
    """Top of the repository that the command works on; None when there is none on this machine."""
    config_file: Path | None = None
    """`-c`; it replaces the search, and is the user's own word wherever it lies."""
    data_directory: Path | None = None
    """Where trust is recorded; None: the one that the environment says."""
    flags: tuple[Setting, ...] = ()
    """Values from the command line, with `flag --name` as their origin."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """A configuration, and what a person should know about how it came about."""

    config: ResolvedConfig
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Gathered:
    """The files' layers so far, lowest first, with notes and problems."""

    layers: list[Node] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[ConfigProblem] = field(default_factory=list)

    def take(self, document: Node, read: ReferenceReader) -> None:
        """Adds a parsed file: with the files it names put in, and with today's keys."""
        if not isinstance(document.value, dict):
            message = "The document must be a map with keys such as `agents` and `workflows`."
            self.problems.append(ConfigProblem.at(document.origin, "", message))
            return
        with_content, problems = with_files(document, read)
        renaming = with_todays_keys(with_content)
        self.layers.append(renaming.node)
        self.notes.extend(renaming.notes)
        self.problems.extend([*problems, *renaming.problems])


def resolve(request: ResolveRequest) -> Resolution:
    """The merged configuration. Raises `ConfigError` with every problem of the layers at once.

    Raises `NotFoundError` when a file that was named does not exist.
    """
    gathered = _Gathered()
    gathered.take(parse_yaml(request.built_in.encode(), BUILT_IN), _no_files)
    _gather_files(request, gathered)
    files = merge_all(gathered.layers)
    variables, problems = environment_layer(request.environment, files)
    flags, conflicts = as_layer(request.flags)
    problems = (*gathered.problems, *problems, *conflicts)
    if problems:
        raise ConfigError(problems)
    whole = merge_all([files, variables, flags])
    return Resolution(
        _resolved(with_agents_found(whole, request.environment)), tuple(gathered.notes)
    )


def _resolved(node: Node) -> ResolvedConfig:
    document = plain(node)
    assert isinstance(document, dict)
    return ResolvedConfig(document, dict(origins(node)))


def _gather_files(request: ResolveRequest, gathered: _Gathered) -> None:
    environment = request.environment
    named = _named_file(request)
    if named is not None:
        _gather_file(named, environment, gathered)
        return
    for path in (system_config_file(), user_config_file(environment)):
        if _is_there(path):
            _gather_file(path, environment, gathered)
    repository = request.repository
    if repository is not None and _is_there(repository_config_file(repository)):
        _gather_repository(request, repository, gathered)


def _is_there(path: Path) -> bool:
    """Something is there. What may not be looked at is, so that reading it says why."""
    try:
        return path.exists()
    except PermissionError:
        return True


def _named_file(request: ResolveRequest) -> Path | None:
    """The file that replaces the search, None for a search. `-c` beats the variable."""
    environment = request.environment
    by = "-c" if request.config_file is not None else CONFIG_VARIABLE
    path = request.config_file or environment.path(CONFIG_VARIABLE)
    if path is not None and not _is_there(path):
        raise NotFoundError(f"There is no file {shown(path, environment)} ({by}).")
    return path


def _gather_file(path: Path, environment: Environment, gathered: _Gathered) -> None:
    """Adds one file of the machine. What it names may lie anywhere: its owner is trusted."""
    source = shown(path, environment)

    def read(reference: str) -> bytes:
        return read_small_file(path.parent / reference)

    try:
        gathered.take(parse_yaml(read_small_file(path), source), read)
    except ConfigError as error:
        gathered.problems.extend(error.problems)
    except BadInputError as error:
        gathered.problems.append(ConfigProblem(str(error), "", source))


def _gather_repository(request: ResolveRequest, repository: Path, gathered: _Gathered) -> None:
    """Adds what the repository carries if it is trusted; says so if it is not."""
    source = shown(repository_config_file(repository), request.environment)
    directory = request.data_directory or data_directory(request.environment)
    store = TrustStore(trust_file(directory))
    if store.record(repository) is None:
        gathered.notes.append(
            f"{source} is not used: the repository is not trusted. {_how(request)}"
        )
        return
    config = _readable(repository, source)
    if config is None or not store.is_trusted(config):
        gathered.notes.append(
            f"{source} is not used: it changed since it was trusted. {_how(request)}"
        )
        return
    gathered.take(config.document, config.read)


def _how(request: ResolveRequest) -> str:
    """What to do, in the data directory where this command looks for trust."""
    own = request.data_directory
    words = ["ai-orchestrator", *(() if own is None else ("--data-dir", str(own))), "trust"]
    return _TRUST.format(command=shlex.join(words))


def _readable(repository: Path, source: str) -> RepositoryConfig | None:
    """What the repository carries; None for what cannot be read, which nobody can have trusted."""
    try:
        return read_repository_config(repository, called=source)
    except BadInputError:
        return None


def shown(path: Path, environment: Environment) -> str:
    """What messages call a file: relative where it lies below the working directory."""
    try:
        return str(path.relative_to(environment.working_directory))
    except ValueError:
        return str(path)


def _no_files(reference: str) -> bytes:
    raise BadInputError(f"'{reference}': the built-in configuration names no files.")
