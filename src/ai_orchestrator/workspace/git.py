"""What may be asked of git, and how it is asked: arguments, environment, errors. Pure.

Git never runs here with anybody's configuration, and what works on a tree that an agent has written
finds no program to start. (Seen: with the agent's own repository in the place of a submodule,
`git add -A` starts `git status` in there, and that runs the filters which the agent configured.)
"""

from __future__ import annotations

import errno
import os
import secrets
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ai_orchestrator.base.errors import (
    EnvironmentProblemError,
    InternalError,
    OrchestratorError,
    TemporaryError,
    shorten,
)

_SHELL = "/bin/sh"
NOWHERE = "/dev/null/nowhere"
"""A path that can never exist, whoever runs us."""

LOCAL_TIMEOUT_S = 120.0
"""A guess: reading objects and staging take seconds on a busy disk with 20,000 files."""
CHECKOUT_TIMEOUT_S = 900.0
"""Writing 20,000 files was seen to take 15 s; a hundred times as many must still pass."""
NETWORK_TIMEOUT_S = 1800.0
OUTPUT_LIMIT_BYTES = 64 << 20

IDENTITY_NAME = "AI Agents Orchestrator"
IDENTITY_EMAIL = "orchestrator@ai-orchestrator.invalid"

GUARD_SETTINGS: tuple[tuple[str, str], ...] = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("protocol.ext.allow", "never"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
)
"""Given on every command line, where they go before what any repository's file says."""

TREE_SETTINGS: tuple[tuple[str, str], ...] = (
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("core.sparseCheckout", "false"),
    ("core.symlinks", "true"),
    ("core.fileMode", "true"),
    ("core.trustctime", "true"),  # an agent can set a file's mtime, not its ctime
    ("core.checkStat", "default"),
    ("core.autocrlf", "false"),
    ("core.safecrlf", "false"),  # else warnings, and staging takes a warning for trouble
    ("core.quotePath", "false"),
    ("core.untrackedCache", "true"),
    # what a row calls finished is on the disk, whatever happens to the machine: 0.2 ms an object
    ("core.fsync", "loose-object,pack,pack-metadata,reference"),
    ("core.looseCompression", "1"),
    ("core.bigFileThreshold", "32m"),  # larger files are streamed, and binary to diff
    ("index.version", "4"),
    ("commit.gpgSign", "false"),
)
"""Added for our own repositories and trees; in the user's they would change what files mean."""

_FULL_DISK = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT))


class GitFailedError(EnvironmentProblemError):
    """Git ended with an error that nothing here expects."""

    code = "git-failed"


class DiskFullError(EnvironmentProblemError):
    """The disk, or the user's share of it, has no room left."""

    code = "disk-full"


class GitTimeoutError(TemporaryError):
    """Git did not end within its deadline and was stopped."""

    code = "git-timeout"


@dataclass(frozen=True, slots=True)
class Place:
    """The repository, tree and index that a call works on."""

    git_dir: Path | None
    """None only for a first look at the user's: git finds it from the call's directory."""
    work_tree: Path | None = None
    index: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further variables, such as GIT_OBJECT_DIRECTORY."""
    is_ours: bool = True
    """The orchestrator's own; False for the user's repository, which keeps its settings, and in a
    client also the user's environment."""

    def environment(self) -> dict[str, str]:
        """The variables that name this place to git."""
        named = {
            "GIT_DIR": None if self.git_dir is None else str(self.git_dir),
            "GIT_WORK_TREE": None if self.work_tree is None else str(self.work_tree),
            "GIT_INDEX_FILE": None if self.index is None else str(self.index),
        }
        return {name: value for name, value in named.items() if value is not None} | {
            **self.variables
        }


@dataclass(frozen=True, slots=True)
class Call:
    """One run of git."""

    arguments: tuple[str, ...]
    """The command and what follows it."""
    stdin: bytes = b""
    settings: tuple[tuple[str, str], ...] = ()
    """Further settings, which win over the safe ones."""
    may_start_programs: bool = False
    """Fetch, clone and bundle need helpers of git; nothing that looks at an agent's tree may."""
    cwd: Path | None = None
    timeout_s: float = LOCAL_TIMEOUT_S
    limit_bytes: int = OUTPUT_LIMIT_BYTES


@dataclass(frozen=True, slots=True)
class Chain:
    """Several calls of git in one process tree, since starting a tree costs as much as a call.

    The script runs under `sh`: `"$@" add` is `git add` with the safe settings. Its values come
    as variables, never as part of its text. It never starts other programs.
    """

    name: str
    script: str
    variables: Mapping[str, str]
    stdin: bytes = b""
    timeout_s: float = LOCAL_TIMEOUT_S
    limit_bytes: int = OUTPUT_LIMIT_BYTES


def as_order(place: Place, chain: Chain) -> bytes:
    """The chain as a script for a shell that was started without knowing it; same `"$@"`."""
    values = place.environment() | dict(chain.variables)
    lines = [
        f"cd {shlex.quote(str(place.git_dir))} || exit",
        *(f"export {name}={shlex.quote(value)}" for name, value in values.items()),
        "exec 3<&-",
        "{",
        chain.script,
    ]
    mark = f"end-of-input-{secrets.token_hex(8)}"
    begin, end = (f"}} <<'{mark}'\n", f"{mark}\n") if chain.stdin else ("}\n", "")
    return b"".join((os.fsencode("\n".join(lines)), begin.encode(), chain.stdin, end.encode()))


def fits_an_order(place: Place, chain: Chain) -> bool:
    """Whether a script can carry its input unchanged: whole lines, without NUL."""
    is_text = not chain.stdin or (chain.stdin.endswith(b"\n") and b"\0" not in chain.stdin)
    return place.is_ours and place.git_dir is not None and is_text


@dataclass(frozen=True, slots=True)
class Answer:
    """What git said, whatever its exit status; each stream cut at the limit."""

    code: int
    stdout: bytes
    stderr: bytes
    is_truncated: bool

    @property
    def is_success(self) -> bool:
        """Exit status 0."""
        return self.code == 0

    @property
    def complaint(self) -> str:
        """What git wrote to standard error, on one line."""
        return shorten(self.stderr.decode(errors="backslashreplace")) or f"status {self.code}"


def argv(program: Path, place: Place, call: Call | Chain) -> tuple[str, ...]:
    """The whole command line: safe settings, the call's own, then the command."""
    safe = (*GUARD_SETTINGS, *TREE_SETTINGS) if place.is_ours else GUARD_SETTINGS
    if isinstance(call, Chain):
        return shell_argv(program, "-c", call.script, "sh")
    return (str(program), *options((*safe, *call.settings)), *call.arguments)


def shell_argv(program: Path, *script: str) -> tuple[str, ...]:
    """A shell in which `"$@"` is git with the settings for our own repositories.

    `script`: the file of what it runs, or `-c`, what it runs, and its name.
    """
    safe = options((*GUARD_SETTINGS, *TREE_SETTINGS))
    return (_SHELL, *script, str(program), *safe)


def options(settings: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Settings as options of git."""
    return tuple(part for name, value in settings for part in ("-c", f"{name}={value}"))


def clean_environment() -> dict[str, str]:
    """An environment in which git reads no file but the repository's and starts no program.

    With PATH and GIT_EXEC_PATH leading nowhere an attempt to start one fails, which is the point.
    """
    return {
        "PATH": NOWHERE,
        "GIT_EXEC_PATH": NOWHERE,
        "HOME": NOWHERE,
        "XDG_CONFIG_HOME": NOWHERE,
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        **identity(),
    }


def users_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The user's environment without what would turn git to another repository (as in a hook)."""
    kept = {name: value for name, value in environment.items() if name not in _TURNING}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


_TURNING = frozenset(
    {
        *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
        *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_PREFIX"),
        *("GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_LITERAL_PATHSPECS"),
    }
)


def identity(date: str | None = None) -> dict[str, str]:
    """The author and committer of the orchestrator's commits; with a fixed date where given."""
    variables = {
        "GIT_AUTHOR_NAME": IDENTITY_NAME,
        "GIT_AUTHOR_EMAIL": IDENTITY_EMAIL,
        "GIT_COMMITTER_NAME": IDENTITY_NAME,
        "GIT_COMMITTER_EMAIL": IDENTITY_EMAIL,
    }
    if date is not None:
        variables |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    return variables


def full_disk(message: str) -> DiskFullError:
    """The error with the ways out."""
    return DiskFullError(
        message,
        hint="Free some space (`ai-orchestrator gc` removes old trees), or set "
        "AI_ORCHESTRATOR_HOME to a larger disk.",
    )


def purpose(call: Call | Chain) -> str:
    """One word for what is done."""
    return call.name if isinstance(call, Chain) else call.arguments[0]


def described(call: Call | Chain, place: Place) -> str:
    """The call in a message: which command, and where."""
    return f"`git {purpose(call)}` in {place.git_dir or place.work_tree or 'a folder'}"


def failure(call: Call | Chain, place: Place, answer: Answer) -> GitFailedError:
    """The error for an answer that was expected to be a success."""
    return GitFailedError(f"{described(call, place)} failed: {answer.complaint}")


def serious(call: Call | Chain, place: Place, answer: Answer) -> OrchestratorError | None:
    """The error for a failure that no caller expects: a full disk, a signal."""
    # Git has one status for all failures, so the C library's sentence is the only sign.
    text = answer.stderr.decode(errors="replace")
    if any(sentence in text for sentence in _FULL_DISK):
        return full_disk(f"No room left on the disk: {described(call, place)} stopped.")
    if answer.code < 0:
        return GitFailedError(f"{described(call, place)} was ended by a signal: {answer.complaint}")
    return None


def read_lines(data: bytes) -> list[str]:
    """NUL-separated records as text; bytes that are no UTF-8 are kept as `os.fsdecode` does."""
    return [os.fsdecode(record) for record in data.split(b"\0") if record]


def check_commit(commit: str) -> str:
    """The text, when it is a whole object id: nothing else may reach a command line as one."""
    if len(commit) not in (40, 64) or set(commit) - set("0123456789abcdef"):
        raise InternalError(f"not a commit id: {commit[:100]!r}")
    return commit
