"""A person with a home of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.commands import Person


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """Nothing of the machine's reaches their commands but the PATH."""
    home = tmp_path / "home"
    home.mkdir()
    return Person(home)
