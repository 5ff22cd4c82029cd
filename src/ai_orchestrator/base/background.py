"""Starts the one process that is meant to outlive its starter: the runner.

Everything else belongs to a tree that ends with its owner (`process.py`). Like that module this
one may start processes; a test holds that no other does.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def start_in_background(argv: Sequence[str], env: Mapping[str, str], log: Path) -> int:
    """The pid of a process in a session of its own, without our terminal; output goes to `log`.

    The file is made with mode 0600 and appended to. Raises `OSError` where it cannot be started.
    """
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            list(argv),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    # It is init's child once we end; until then nobody waits for it, which is intended.
    process.returncode = 0
    return process.pid
