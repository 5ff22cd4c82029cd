"""The key that credentials at rest are encrypted under: one file in the data directory.

`wiring` loads it once per process.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path

from ai_orchestrator.base.errors import EnvironmentProblemError, shorten

KEY_BYTES = 32
_HEX_KEY = re.compile(rb"([0-9a-f]{64})\n?")


def load_or_make_key(path: Path) -> bytes:
    """The 32 bytes of the key; a missing file is made, once, however many start at the same time.

    Raises `EnvironmentProblemError` for a file that others may read, that belongs to somebody
    else, that is a link, or that holds no key. Nothing is repaired: a key that was readable may
    be known.
    """
    try:
        try:
            return _load(path)
        except FileNotFoundError:
            _make(path)
            return _load(path)
    except OSError as error:
        raise EnvironmentProblemError(
            f"secret key {path}: cannot be used ({shorten(error.strerror or str(error))}).",
            hint="It must be a plain file of the user who runs the orchestrator.",
        ) from error


def _make(path: Path) -> None:
    """Writes the key to a file of its own and gives it its name only if the name is still free."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(KEY_BYTES).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        _name(part, path)
    finally:
        part.unlink()


def _name(part: Path, path: Path) -> None:
    try:
        path.hardlink_to(part)  # a rename would replace the key of a faster starter
    except FileExistsError:
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _load(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        _check_owner(path, os.fstat(file.fileno()))
        found = _HEX_KEY.fullmatch(file.read(2 * KEY_BYTES + 2))
    if found is None:
        raise EnvironmentProblemError(
            f"secret key {path}: holds no key (64 hexadecimal digits).",
            hint="Restore it from a backup. If it is lost, move it away: a new one is made, and "
            "waiting tasks need their credentials again.",
        )
    return bytes.fromhex(found.group(1).decode())


def _check_owner(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise EnvironmentProblemError(f"secret key {path}: is not a plain file.")
    if status.st_uid != os.geteuid():
        raise EnvironmentProblemError(
            f"secret key {path}: belongs to user {status.st_uid}, we are {os.geteuid()}.",
            hint="Use a data directory of your own (AI_ORCHESTRATOR_HOME).",
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise EnvironmentProblemError(
            f"secret key {path}: has mode {mode:04o}, so others may have read it.",
            hint=f"If that is certainly not so, run: chmod 600 {path}",
        )
