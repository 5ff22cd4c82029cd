"""Configuration and drivers know the same names, though neither imports the other."""

from __future__ import annotations

import pytest

from ai_orchestrator.agents.registry import DRIVERS, driver
from ai_orchestrator.config.agents_found import MODEL_KEYS, MODEL_VARIABLE
from ai_orchestrator.config.credentials import OPEN_VARIABLES, SECRET_VARIABLES
from ai_orchestrator.config.environment_layer import PREFIX, PROGRAM_VARIABLES
from ai_orchestrator.workflows.loading.compile_agents import DRIVER_OPTIONS
from ai_orchestrator.workflows.loading.compile_agents import DRIVERS as NAMES


def test_drivers_of_the_document_are_those_of_the_registry() -> None:
    """A new driver can be written into a file, and every one that can be written exists."""
    assert set(NAMES) == set(DRIVERS)


@pytest.mark.parametrize("name", sorted(DRIVERS))
def test_options_of_the_document_are_those_of_the_driver(name: str) -> None:
    """None is refused that a driver knows, and none accepted that it would refuse."""
    assert DRIVER_OPTIONS[name] == driver(name).known_options


@pytest.mark.parametrize("name", sorted(DRIVERS))
def test_variables_of_every_login_are_allow_listed(name: str) -> None:
    """Whatever a driver can log in with reaches it."""
    variables = set(driver(name).login.key_variables)
    assert variables <= {*SECRET_VARIABLES, *OPEN_VARIABLES}
    assert {one for one in variables if one.startswith(PREFIX)} <= PROGRAM_VARIABLES


def test_built_in_agent_is_found_by_what_it_needs() -> None:
    """The variable that enables it leads the driver to a model."""
    assert {MODEL_VARIABLE, *MODEL_KEYS} == set(driver("builtin").login.sufficient)
