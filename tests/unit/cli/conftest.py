"""The program with an in-memory backend and in-memory services."""

from __future__ import annotations

import pytest
from tests.unit.cli.memory import World


@pytest.fixture
def world() -> World:
    """A fresh one for every test."""
    return World()
