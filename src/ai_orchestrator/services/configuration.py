"""Configuration files that commands write: the commented example, and what is trusted."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from ai_orchestrator.base.errors import ConflictError, NotFoundError
from ai_orchestrator.config.files import writing_where_asked
from ai_orchestrator.config.repository_config import read_repository_config
from ai_orchestrator.config.trust import TrustRecord, TrustStore
from ai_orchestrator.services.repository import find_repository


def write_example(target: Path, document: str, *, is_forced: bool, is_private: bool) -> Path:
    """Where the commented example was written. Raises `ConflictError` when something is there.

    Directory and file are the owner's alone where `is_private`, else as the umask says.
    """
    with writing_where_asked(str(target)):
        target.parent.mkdir(mode=0o700 if is_private else 0o777, parents=True, exist_ok=True)
        if not is_forced and os.path.lexists(target):
            raise ConflictError(
                f"{target} exists already.", hint="--force overwrites it with the example."
            )
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if is_forced else os.O_EXCL)
        descriptor = os.open(target, flags, 0o600 if is_private else 0o666)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(document)
    return target


def trust(path: Path, store: TrustStore, now: datetime) -> TrustRecord:
    """Trusts what the repository at or above the path carries now."""
    top = find_repository(path.resolve())
    if top is None:
        raise NotFoundError(f"{path} is not in a git repository, so there is nothing to trust.")
    carried = read_repository_config(top)
    if carried is None:
        raise NotFoundError(
            f"{top} carries no config/agents.yaml, so there is nothing to trust.",
            hint="Tasks on it run without its trust.",
        )
    return store.grant(carried, now)
