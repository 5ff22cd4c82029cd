"""Where things are: the data directory, the runner's socket, the files of the configuration."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError
from ai_orchestrator.config.environment import Environment

HOME_VARIABLE = "AI_ORCHESTRATOR_HOME"
CONFIG_VARIABLE = "AI_ORCHESTRATOR_CONFIG"
PROGRAM = "ai-orchestrator"
CONFIG_NAME = "agents.yaml"
SOCKET_LIMIT_BYTES = 107
"""Longest path of a Unix socket on Linux: `sun_path` has 108 bytes, the last one is zero."""


def data_directory(environment: Environment) -> Path:
    """`AI_ORCHESTRATOR_HOME`, else `ai-orchestrator` in the XDG data directory. Absolute.

    Raises `BadInputError` for a relative one: it would be another one in each folder.
    """
    value, own = environment.get(HOME_VARIABLE), environment.path(HOME_VARIABLE)
    if value is not None and own is not None:
        if value != "~" and not value.startswith(("/", "~/")):
            raise BadInputError(
                f"{HOME_VARIABLE}={value}: is a relative path, so each folder would have a data "
                "directory of its own.",
                hint=f"Name it whole: {HOME_VARIABLE}={shlex.quote(str(own))}",
            )
        return own
    return _xdg(environment, "XDG_DATA_HOME", ".local/share") / PROGRAM


def socket_path(directory: Path, environment: Environment) -> Path:
    """The runner's socket for that data directory.

    In the directory itself, or under `XDG_RUNTIME_DIR` by the directory's digest where the path
    would be too long for a socket. Raises `EnvironmentProblemError` when neither fits.
    """
    inside = directory / "runner.sock"
    if _fits(inside):
        return inside
    runtime = environment.get("XDG_RUNTIME_DIR")
    if runtime is not None and os.path.isabs(runtime):  # noqa: PTH117 - a string so far
        import hashlib  # noqa: PLC0415  # 3 ms of every command, for a path that is seldom so long

        digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
        outside = Path(runtime) / PROGRAM / f"{digest}.sock"
        if _fits(outside):
            return outside
    raise EnvironmentProblemError(
        f"The socket {inside} is longer than the {SOCKET_LIMIT_BYTES} bytes that a socket may "
        "have, and XDG_RUNTIME_DIR names no directory for a shorter one.",
        hint=f"Set {HOME_VARIABLE} to a shorter path, or XDG_RUNTIME_DIR.",
    )


def system_config_file() -> Path:
    """The file of the machine's administrator."""
    return Path("/etc") / PROGRAM / CONFIG_NAME


def user_config_file(environment: Environment) -> Path:
    """The user's own file."""
    return _xdg(environment, "XDG_CONFIG_HOME", ".config") / PROGRAM / CONFIG_NAME


def repository_config_file(repository: Path) -> Path:
    """The file that a repository carries."""
    return repository / "config" / CONFIG_NAME


def trust_file(directory: Path) -> Path:
    """Where the data directory keeps what the user trusts."""
    return directory / "trust.json"


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= SOCKET_LIMIT_BYTES


def _xdg(environment: Environment, name: str, default: str) -> Path:
    """A base directory; the standard says that a relative one is to be ignored."""
    value = environment.get(name)
    if value is not None and value.startswith("/"):
        return Path(value)
    return environment.home / default
