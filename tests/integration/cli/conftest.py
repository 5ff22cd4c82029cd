"""A person with a home of their own, and a runner that ends with the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.commands import Person
from tests.support.repository import make_repository


@pytest.fixture
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Nothing of the machine's reaches their commands but the PATH."""
    someone = Person(tmp_path_factory.mktemp("home"))
    yield someone
    someone.ends_runner()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose tests are green."""
    return make_repository(tmp_path / "shop")
