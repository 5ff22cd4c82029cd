"""The file `VERSION` of a data directory: which layout of it a release must know to touch it.

Looked at by whoever has taken the directory's lock, before anything else in it is read.
"""

from __future__ import annotations

import os
from pathlib import Path

from ai_orchestrator.base.errors import EnvironmentProblemError, shorten

LAYOUT_VERSION = 1
"""Raised when a release could no longer read, or would harm, what an older one left here."""
_LIMIT_CHARS = 64


def claim_layout(data_dir: Path) -> None:
    """The directory has this release's layout; a new one is marked so.

    Raises `EnvironmentProblemError` for a newer layout, and for a mark that is none.
    """
    path = data_dir / "VERSION"
    try:
        text = path.read_text("utf-8", "replace")[:_LIMIT_CHARS].strip()
    except FileNotFoundError:
        _write(path)
        return
    if not (text.isascii() and text.isdigit()):
        raise EnvironmentProblemError(
            f"{path}: holds {shorten(text)!r}, which is no number of a layout.",
            hint="It is written by this program only: restore it, or the whole directory.",
        )
    if int(text) > LAYOUT_VERSION:
        raise EnvironmentProblemError(
            f"{data_dir}: has layout {text} of a newer release; this one knows {LAYOUT_VERSION}.",
            hint="Use the newer release, or another directory by AI_ORCHESTRATOR_HOME.",
        )


def _write(path: Path) -> None:
    half = path.with_suffix(".half")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{LAYOUT_VERSION}\n")
        file.flush()
        os.fsync(file.fileno())
    half.rename(path)
