"""One runner for a whole test file: real processes, real git, real sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.repository import make_repository
from tests.support.server import RunnerProcess, running


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerProcess]:
    """A runner on a data directory of its own."""
    with running(tmp_path_factory.mktemp("data")) as process:
        yield process


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose tests are green."""
    return make_repository(tmp_path / "repository")
