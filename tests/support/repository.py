"""Small git repositories for tests, made by git itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A Person",
    "GIT_AUTHOR_EMAIL": "person@example.org",
    "GIT_COMMITTER_NAME": "A Person",
    "GIT_COMMITTER_EMAIL": "person@example.org",
}

GREEN_TEST = """import unittest


class TestNothing(unittest.TestCase):
    def test_nothing(self) -> None:
        self.assertTrue(True)
"""


def git(repository: Path, *arguments: str) -> str:
    """What git says about the repository."""
    done = subprocess.run(
        ["git", "-C", str(repository), *arguments],
        env=ENVIRONMENT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def make_repository(directory: Path, files: dict[str, str] | None = None) -> Path:
    """A repository with one commit; by default with a test suite that is green."""
    directory.mkdir(parents=True)
    git(directory, "init", "-q", "-b", "main")
    for name, content in (
        files or {"tests/__init__.py": "", "tests/test_it.py": GREEN_TEST}
    ).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", "base")
    return directory
