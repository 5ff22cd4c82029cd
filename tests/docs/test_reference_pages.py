"""The reference says what the program does: event types, routes, flags, field by field."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from tests.docs.pages import ROOT, Page, rows
from tests.docs.world import BLOCK_LIMIT_S

from ai_orchestrator.api.app import build_app
from ai_orchestrator.config.agents_found import MODEL_VARIABLE
from ai_orchestrator.model.events import EVENT_TYPES, EventData, UnknownData
from ai_orchestrator.model.result import RunResult
from ai_orchestrator.model.task import Problem

REFERENCE = ROOT / "docs" / "reference"
EVENTS, API, RUNNER = (Page(REFERENCE / f"{name}.md") for name in ("events", "api", "runner"))
DATA = {one.type: one for one in get_args(EventData) if one is not UnknownData}


def words(cell: str) -> list[str]:
    """What stands in code in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def field_names(struct: type[msgspec.Struct]) -> set[str]:
    """Names as they stand in JSON."""
    return {field.encode_name for field in msgspec.structs.fields(struct)}


def test_every_event_type_is_told_in_order() -> None:
    """The table has one row per type of the log's vocabulary."""
    assert [words(cells[0])[0] for cells in rows(EVENTS, "events")] == list(EVENT_TYPES)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_fields_of_an_event_are_told(event_type: str) -> None:
    """A row names the fields of its type, and no others."""
    (told,) = [cells[1] for cells in rows(EVENTS, "events") if words(cells[0]) == [event_type]]
    assert set(words(told)) == field_names(DATA[event_type])


def test_the_fields_of_the_result_are_told() -> None:
    """So it is with the last line of `run --json`."""
    told = [word for cells in rows(EVENTS, "result") for word in words(cells[0])]
    assert set(told) == field_names(RunResult) | {"type"}


def test_the_fields_of_a_problem_are_told() -> None:
    """And with errors."""
    text = API.path.read_text("utf-8")
    assert {name for name in field_names(Problem) if f"`{name}`" not in text} == {"type"}


def test_every_route_is_told() -> None:
    """The table is the application's routes: none missing, none made up."""
    told = {(cells[0], words(cells[1])[0]) for cells in rows(API, "routes")}
    assert told == set(routes())


def routes() -> Iterable[tuple[str, str]]:
    """Method and path of each route of the application."""
    app = build_app(None, None, lambda _: None)  # type: ignore[arg-type]  # nothing is asked of it
    for route in app.routes:
        path = route.path.removeprefix("/api/v1").replace(":str}", "}")
        for method in getattr(route, "methods", ()):
            if method != "OPTIONS":
                yield method, path


def test_the_flags_of_the_runner_are_told() -> None:
    """The table is what the runner says of itself."""
    told = {words(cells[0])[0] for cells in rows(RUNNER, "flags")}
    said = subprocess.run(
        [sys.executable, "-m", "ai_orchestrator.runner", "--help"],
        capture_output=True,
        text=True,
        timeout=BLOCK_LIMIT_S,
        check=True,
    )
    assert told == set(re.findall(r"--[a-z-]+", said.stdout)) - {"--help"}


TABLES = [
    (path, name)
    for path in sorted(REFERENCE.glob("*.md"))
    for name in re.findall(r"<!-- table: ([a-z-]+) -->", path.read_text("utf-8"))
]


@pytest.mark.parametrize(("path", "name"), TABLES, ids=lambda one: getattr(one, "stem", one))
def test_nothing_is_told_twice(path: Path, name: str) -> None:
    """Two rows for one thing contradict each other sooner or later."""
    first = 2 if name == "routes" else 1  # method and path together
    told = [tuple(cells[:first]) for cells in rows(Page(path), name)]
    assert sorted(set(told)) == sorted(told)


def test_the_scripted_model_is_shown_to_the_built_in_agent_too() -> None:
    """It needs no vendor's program, so it is the first to try a scenario with."""
    assert f"`{MODEL_VARIABLE}=URL/v1`" in (REFERENCE / "scenarios.md").read_text("utf-8")
