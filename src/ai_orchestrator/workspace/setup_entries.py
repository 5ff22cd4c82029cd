"""What is known of a set-up that was kept, and which of them go when there is no room. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ai_orchestrator.base.errors import shorten

SETUP_LIMIT_BYTES = 5 << 30
"""A guess: the dependencies of some ten projects."""
SETUP_REST_S = 14 * 86400.0
"""A guess: what nobody has used for two weeks can be installed again."""

_KEY_CHARS = 32
_COMMIT_CHARS = 16
_SHOWN_COMMIT_CHARS = 7


class SetupEntry(msgspec.Struct, frozen=True):
    """The description that lies beside the files of a set-up."""

    key: str
    """Of `setup_key`."""
    commit: str
    """The base on which the commands ran, before any agent."""
    commands: tuple[tuple[str, ...], ...]
    files: int
    """Regular files and links."""
    size_bytes: int
    """Content of the regular files: a power cut can cut them off."""
    disk_bytes: int
    """Room that it takes."""

    @property
    def shown(self) -> str:
        """For people: the commands, and from where."""
        lines = "; ".join(shlex.join(argv) for argv in self.commands)
        return f"{shorten(lines)} at {self.commit[:_SHOWN_COMMIT_CHARS]}"

    @property
    def name(self) -> str:
        """Of its directory."""
        return f"{self.key[:_KEY_CHARS]}-{self.commit[:_COMMIT_CHARS]}"


@dataclass(frozen=True, slots=True)
class StoredSetup:
    """A set-up as it lies on the disk."""

    entry: SetupEntry
    used_s: float
    """When it was last made or used: seconds since 1970."""

    @property
    def name(self) -> str:
        """Of its directory."""
        return self.entry.name


def of_key(stored: Sequence[StoredSetup], key: str) -> tuple[StoredSetup, ...]:
    """Those with the key, the one used last first."""
    fitting = [one for one in stored if one.entry.key == key]
    return tuple(sorted(fitting, key=lambda one: one.used_s, reverse=True))


def evictions(
    stored: Sequence[StoredSetup], *, incoming_bytes: int, limit_bytes: int
) -> tuple[StoredSetup, ...] | None:
    """Those that go so that another one fits below the limit, longest unused first.

    None when it does not fit even alone.
    """
    if incoming_bytes > limit_bytes:
        return None
    excess = incoming_bytes + sum(one.entry.disk_bytes for one in stored) - limit_bytes
    gone: list[StoredSetup] = []
    for one in sorted(stored, key=lambda one: one.used_s):
        if excess <= 0:
            break
        gone.append(one)
        excess -= one.entry.disk_bytes
    return tuple(gone)


def unwanted(
    stored: Sequence[StoredSetup], *, now_s: float, limit_bytes: int, force: bool
) -> tuple[StoredSetup, ...]:
    """Those that a collection of garbage removes: unused for long, or beyond the limit; or all."""
    old = [one for one in stored if force or now_s - one.used_s > SETUP_REST_S]
    rest = [one for one in stored if one not in old]
    return (*old, *(evictions(rest, incoming_bytes=0, limit_bytes=limit_bytes) or ()))
