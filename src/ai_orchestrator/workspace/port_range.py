"""Free ports for a task attempt, claimed in the data directory so that no two attempts share one.

A claim is a file named after the first port, made exclusively; then every port is tried. Another
program may still take one later: nothing can reserve a port for somebody else.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Collection
from pathlib import Path

from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError

FIRST_PORT = 20_000
LAST_PORT = 29_999
"""Below the range from which Linux takes the ports of outgoing connections (32768 on)."""
BLOCK = 20
"""Ports of one claim at most; a guess at what one project starts."""


class PortClaims:
    """The claims of a data directory. Several processes may use it at once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def claim(self, owner: str, count: int) -> tuple[int, ...]:
        """`count` ports that are free now; the same ones when the owner has them already.

        Raises `BadInputError` for too many, `EnvironmentProblemError` where none are left.
        """
        if not 0 <= count <= BLOCK:
            raise BadInputError(f"environment: ports: {count} is not between 0 and {BLOCK}.")
        if count == 0:
            return ()
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        first = self._held_by(owner)
        if first is None:
            first = self._claim_new(owner, count)
        return tuple(range(first, first + count))

    def release(self, owner: str) -> None:
        """The owner's ports may be claimed by others."""
        first = self._held_by(owner)
        if first is not None:
            self._path(first).unlink(missing_ok=True)

    def keep_only(self, owners: Collection[str]) -> None:
        """Claims of everybody else are dropped: their tasks are gone."""
        for first, owner in self._claims():
            if owner not in owners:
                self._path(first).unlink(missing_ok=True)

    def _claim_new(self, owner: str, count: int) -> int:
        for first in range(FIRST_PORT, LAST_PORT - BLOCK + 2, BLOCK):
            if self._try(first, owner):
                if all(_is_free(port) for port in range(first, first + count)):
                    return first
                self._path(first).unlink()
        raise EnvironmentProblemError(
            f"No {count} free ports in a row between {FIRST_PORT} and {LAST_PORT}.",
            hint="End other tasks (`ai-orchestrator tasks`), or ask for fewer ports.",
        )

    def _try(self, first: int, owner: str) -> bool:
        """Whether the claim is ours; it appears with its owner or not at all."""
        if self._path(first).exists():
            return False
        note = self._directory / f".{secrets.token_hex(8)}"
        note.write_text(owner)
        try:
            self._path(first).hardlink_to(note)
        except FileExistsError:
            return False
        finally:
            note.unlink()
        return True

    def _held_by(self, owner: str) -> int | None:
        return next((first for first, holder in self._claims() if holder == owner), None)

    def _claims(self) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        for path in sorted(self._directory.glob("[0-9]*")):
            with contextlib.suppress(FileNotFoundError):
                found.append((int(path.name), path.read_text()))
        return found

    def _path(self, first: int) -> Path:
        return self._directory / str(first)


def port_variables(ports: tuple[int, ...]) -> dict[str, str]:
    """PORT_0, PORT_1 and so on, and PORT for the first."""
    numbered = {f"PORT_{number}": str(port) for number, port in enumerate(ports)}
    return {"PORT": str(ports[0]), **numbered} if ports else {}


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
