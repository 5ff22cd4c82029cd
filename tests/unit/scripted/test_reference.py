"""The reference page says what the reader reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ai_orchestrator.scripted.request_log import LoggedRequest
from ai_orchestrator.scripted.scenario import When
from ai_orchestrator.scripted.scenario_file import parse_scenario, shipped_scenarios

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "scenarios.md"
ACTIONS = ("write", "edit", "run", "read", "say", "verdict", "error", "hang", "cut")


@pytest.fixture(scope="module")
def page() -> str:
    """The page's text."""
    return PAGE.read_text()


def test_example_of_the_page_can_be_played(page: str) -> None:
    """Readers start from it."""
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(parse_scenario(example, origin="example").rules) == 3


def test_every_shipped_scenario_is_on_the_page(page: str) -> None:
    """Whoever adds a scenario says what happens in it."""
    assert [name for name in shipped_scenarios() if f"| `{name}` |" not in page] == []


def test_everything_that_can_be_written_is_on_the_page(page: str) -> None:
    """Conditions and actions have a row of their own, the log's fields are named."""
    rows = [*ACTIONS, *When.__struct_fields__]
    assert [name for name in rows if f"| `{name}" not in page] == []
    assert [name for name in LoggedRequest.__struct_fields__ if f"`{name}`" not in page] == []
