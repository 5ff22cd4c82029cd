"""Real repositories for the tests of the workspace, and what hostile agents put into them."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.workspace.task_tree import GitTaskTree
from ai_orchestrator.workspace.trees import GitTrees

TASK = "t-01arz3ndektsv4rrffq69g5fav"
OTHER_TASK = "t-01arz3ndektsv4rrffq69g5faw"
REF = f"refs/ai-orchestrator/{TASK}/a1/implement/i1/a1"
NEXT_REF = f"refs/ai-orchestrator/{TASK}/a1/review/i1/a1"
KEY = "q69g5fav.a1.implement.i1.a1"

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A User",
    "GIT_AUTHOR_EMAIL": "user@example.org",
    "GIT_COMMITTER_NAME": "A User",
    "GIT_COMMITTER_EMAIL": "user@example.org",
}


def git(directory: Path, *arguments: str, stdin: bytes | None = None) -> str:
    """Standard output of a git that a user runs."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=directory,
        env=ENVIRONMENT,
        input=stdin,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode(errors="surrogateescape").strip()


@dataclass(frozen=True)
class UserRepository:
    """A repository as a user has it."""

    path: Path

    @classmethod
    def make(cls, path: Path, *options: str) -> UserRepository:
        path.mkdir(parents=True)
        git(path, "init", "-q", "-b", "main", *options)
        return cls(path)

    @property
    def source(self) -> RepositorySource:
        return RepositorySource(path=str(self.path))

    def git(self, *arguments: str) -> str:
        return git(self.path, *arguments)

    def write(self, files: dict[str, str]) -> None:
        write(self.path, files)

    def commit(self, files: dict[str, str], message: str = "Change") -> str:
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def state(self) -> dict[str, tuple[int, int, bytes]]:
        """Mode, time and content of every file, the repository's own included."""
        return {str(path.relative_to(self.path)): _state(path) for path in self.path.rglob("*")}


def _state(path: Path) -> tuple[int, int, bytes]:
    status = path.lstat()
    content = path.read_bytes() if path.is_file() else b""
    return status.st_mode, status.st_mtime_ns, content


def names(directory: Path) -> list[str]:
    """What lies in a directory."""
    return sorted(path.name for path in directory.iterdir())


def write(directory: Path, files: dict[str, str]) -> None:
    """Files with their content, folders as needed."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def nested(directory: Path, *, with_commit: bool = True) -> None:
    """A repository of the agent's own making, with everything that would run code of its choice."""
    git_dir = directory / ".git"
    directory.mkdir(parents=True, exist_ok=True)
    git(directory, "init", "-q")
    if with_commit:
        git(directory, "add", "-A")
        git(directory, "commit", "-q", "--allow-empty", "-m", "mine")
    arm(git_dir)
    write(directory, {".gitattributes": "* filter=evil diff=evil merge=evil\n"})


def arm(git_dir: Path) -> None:
    """Hooks, file system monitor, filters and aliases that leave a file when they run."""
    trap = trap_of(git_dir)
    program = git_dir / "evil.sh"
    program.write_text(f"#!/bin/sh\ntouch '{trap}'\ncat\n")
    program.chmod(0o755)
    for hook in ("pre-commit", "post-checkout", "post-index-change", "reference-transaction"):
        (git_dir / "hooks").mkdir(exist_ok=True)
        shutil.copy(program, git_dir / "hooks" / hook)
    with (git_dir / "config").open("a") as config:
        config.write(
            f"[core]\n\tfsmonitor = {program}\n\tsshCommand = {program}\n"
            f'[filter "evil"]\n\tclean = {program}\n\tsmudge = {program}\n\tprocess = {program}\n'
            f'[diff "evil"]\n\ttextconv = {program}\n\tcommand = {program}\n'
            f"[diff]\n\texternal = {program}\n"
        )


def trap_of(git_dir: Path) -> Path:
    """The file that exists when something of an armed repository has run."""
    return Path(f"{git_dir.parents[-2]}") / f"trap-{abs(hash(str(git_dir)))}"


@dataclass(frozen=True)
class Opened:
    """An open task with the repository it works on."""

    repository: UserRepository
    trees: GitTrees
    tree: GitTaskTree
    base: str

    async def again(self) -> GitTaskTree:
        """The same task attempt opened by another process."""
        return await self.trees.open(TASK, 1, self.repository.source, self.base)

    def git(self, *arguments: str) -> str:
        """What a git on the task's repository says."""
        return git(self.tree.repository, *arguments)

    def files(self, commit: str) -> list[str]:
        """Mode and path of all files in a commit."""
        listing = self.git("ls-tree", "-r", "-z", commit).split("\0")
        return [f"{line.split()[0]} {line.partition(chr(9))[2]}" for line in listing if line]
