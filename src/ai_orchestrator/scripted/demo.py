"""The small repository that the scenarios `demo` and `never_passes` work on.

Called by the demo and by tests. Its tests are green; to start them: `python3 -m unittest -q`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

DEMO_TASK = "Add a divide function that refuses division by zero"
"""The task that both scenarios play."""

_FILES = Path(__file__).parent / "demo_repository"
_LEFT_BY_TOOLS = shutil.ignore_patterns("__pycache__", ".*_cache")


def copy_demo_repository(target: Path) -> None:
    """Lays the files into the new folder `target`; making a git repository of it is up to you."""
    shutil.copytree(_FILES, target, ignore=_LEFT_BY_TOOLS)
