"""What a guardian costs before it does anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ai_orchestrator

HEAVY = {"asyncio", "dataclasses", "pathlib", "re", "subprocess", "threading", "typing"}


def test_guardian_imports_next_to_nothing() -> None:
    """Each of these would add milliseconds to its start and megabytes to every keeper."""
    root = str(Path(ai_orchestrator.__file__).parents[1])
    text = "import sys; sys.path.insert(0, sys.argv[1]); import ai_orchestrator.base.guardian; "
    argv = [sys.executable, "-I", "-S", "-c", text + "print(*sys.modules)", root]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == set()
