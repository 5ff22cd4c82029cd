"""Where things lie in the data directory. Pure: names only, nothing is made or read here.

repos/<digest>.git                      private mirror of a repository
repos/<digest>.snapshots/<commit>/      uncommitted changes from which a task starts
work/<task-id>/repo.git                 the task's own repository, borrows from the mirror
work/<task-id>/a<n>/tree, index         the agent's tree and our index of it
work/<task-id>/a<n>/clean, clean.index  the verifiers' tree
work/<task-id>/a<n>/attempts/<key>/     HOME and TMPDIR of one execution of a step
agents/<task-id>/a<n>/<who>/            conversations
setup/<digest>-<commit>/                what set-up commands made, for the next tree
trash/                                  what is being removed
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.base.errors import BadInputError, InternalError
from ai_orchestrator.model.task import RepositorySource

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_NEW = "new"


@dataclass(frozen=True, slots=True)
class DataLayout:
    """The directories of this package in a data directory."""

    root: Path

    def __post_init__(self) -> None:
        """Refuse a directory whose path git could not take as a line of a file."""
        if not self.root.is_absolute() or "\n" in str(self.root):
            raise BadInputError(
                f"data directory {str(self.root)!r}: must be absolute and on one line."
            )

    @property
    def mirrors(self) -> Path:
        """All private mirrors."""
        return self.root / "repos"

    @property
    def tasks(self) -> Path:
        """One directory per task, with its repository and its trees."""
        return self.root / "work"

    @property
    def conversations(self) -> Path:
        """One directory per task, with its agents' conversations."""
        return self.root / "agents"

    @property
    def setups(self) -> Path:
        """One directory per set-up that is kept."""
        return self.root / "setup"

    @property
    def trash(self) -> Path:
        """What is being removed."""
        return self.root / "trash"

    @property
    def port_claims(self) -> Path:
        """One file per reserved range of ports."""
        return self.root / "work" / ".ports"

    def mirror(self, source: RepositorySource) -> Path:
        """The mirror of a source; the same for every spelling of the same source."""
        digest = hashlib.sha256(source_key(source).encode(errors="surrogateescape")).hexdigest()
        return self.mirrors / f"{digest[:32]}.git"

    def task(self, task_id: str) -> Path:
        """Everything of a task but its conversations."""
        return self.tasks / safe_name(task_id)

    def attempt(self, task_id: str, task_attempt: int) -> AttemptLayout:
        """The places of one task attempt."""
        return AttemptLayout(
            repository=self.task(task_id) / "repo.git",
            directory=self.task(task_id) / f"a{task_attempt:d}",
            conversations=self.conversations / safe_name(task_id) / f"a{task_attempt:d}",
        )


@dataclass(frozen=True, slots=True)
class AttemptLayout:
    """The places of one task attempt."""

    repository: Path
    directory: Path
    conversations: Path

    @property
    def tree(self) -> Path:
        """The agent's tree."""
        return self.directory / "tree"

    @property
    def index(self) -> Path:
        """Our index of the agent's tree, out of its reach."""
        return self.directory / "index"

    @property
    def clean_tree(self) -> Path:
        """The verifiers' tree."""
        return self.directory / "clean"

    @property
    def clean_index(self) -> Path:
        """Our index of the verifiers' tree."""
        return self.directory / "clean.index"

    @property
    def links(self) -> Path:
        """The paths that `link:` made visible to the agent."""
        return self.directory / "links"

    @property
    def attempts(self) -> Path:
        """One directory per execution of a step."""
        return self.directory / "attempts"

    def attempt(self, step_key_tree: str) -> Path:
        """HOME and TMPDIR of one execution of a step."""
        return self.attempts / safe_name(step_key_tree)

    def conversation(self, role: str, agent: str, account: str | None) -> Path:
        """The directory of a conversation; different for different names."""
        return self.conversations / conversation_name(role, agent, account)


def conversation_name(role: str, agent: str, account: str | None) -> str:
    """`<role>-<agent>-<account>`, a hyphen within a name doubled so that no two names meet."""
    names = [safe_name(name) for name in (role, agent, account) if name is not None]
    return safe_name("-".join(name.replace("-", "--") for name in names))


def safe_name(name: str) -> str:
    """The name, when it can be one component of a path and nothing else."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise InternalError(f"{name[:100]!r} cannot be the name of a directory")
    return name


def source_key(source: RepositorySource) -> str:
    """What makes two sources the same repository. New repositories share one empty mirror."""
    if source.path is not None:
        return f"path:{Path(source.path)}"
    if source.url is not None:
        return f"url:{source.url.rstrip('/').removesuffix('.git')}"
    if source.new_directory is not None:
        return _NEW
    raise BadInputError("A task needs a repository: a path, a URL, or a directory for a new one.")
