"""Repositories for tests of running servers."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.repository import make_repository


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose tests are green."""
    return make_repository(tmp_path / "repository")
