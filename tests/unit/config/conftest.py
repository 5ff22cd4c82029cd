"""An environment of one's own: nothing of the machine's reaches the configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ai_orchestrator.config.environment import Environment

MakeEnvironment = Callable[..., Environment]


@pytest.fixture
def make_environment(tmp_path: Path) -> MakeEnvironment:
    """Environments with the given variables, a home and a working directory below `tmp_path`."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()

    def make(**variables: str) -> Environment:
        return Environment({"PATH": str(home / "bin"), **variables}, work, home)

    return make
