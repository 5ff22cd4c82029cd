"""An option that does nothing yet does not exist yet: every key of the document is read by code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import msgspec
import pytest

from ai_orchestrator.model import workflow as frozen
from ai_orchestrator.model.task import RunOptions
from ai_orchestrator.workflows.loading import document
from ai_orchestrator.workflows.loading.reference import TABLES

SOURCES = Path(document.__file__).parents[2]
ROOT = SOURCES.parents[1]
COMPILING = (
    "workflows/loading/compile_*.py",
    "workflows/loading/load.py",
    "workflows/loading/placed_steps.py",
)
NAMED_BY_CONFIG = {"file"}
"""`config.references` puts the files in, before there is a struct to read."""


def structs(*modules: object) -> list[type[msgspec.Struct]]:
    """The structs that the modules define and people can use."""
    found = [value for module in modules for name, value in vars(module).items() if name[0] != "_"]
    return [one for one in found if isinstance(one, type) and issubclass(one, msgspec.Struct)]


@cache
def attributes(paths: Iterable[Path]) -> frozenset[str]:
    """The names that are read of something, `x.name`, in these files."""
    trees = [ast.parse(path.read_text("utf-8")) for path in paths]
    return frozenset(
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    )


@pytest.mark.parametrize("struct", structs(document), ids=lambda one: one.__name__)
def test_key_of_the_document_is_read(struct: type[msgspec.Struct]) -> None:
    """What compiles a document looks at each of its keys."""
    read = attributes(tuple(path for one in COMPILING for path in sorted(SOURCES.glob(one))))
    assert set(struct.__struct_fields__) - read - NAMED_BY_CONFIG == set()


@pytest.mark.parametrize("struct", [*structs(frozen), RunOptions], ids=lambda one: one.__name__)
def test_what_is_frozen_in_a_task_is_read(struct: type[msgspec.Struct]) -> None:
    """Beyond the code that makes it: something decides by it, or shows it to a person."""
    makers = {path for one in COMPILING for path in SOURCES.glob(one)}
    if struct is RunOptions:
        makers = {SOURCES / "cli/run.py"}
    others = (path for path in sorted(SOURCES.rglob("*.py")) if path not in makers)
    assert set(struct.__struct_fields__) - attributes(tuple(others)) == set()


def test_pages_that_are_made_by_the_program_are_all_made_by_one_command() -> None:
    """`make docs` renews every page with a table, the command line's pages and the schema."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    recipe = makefile.partition("\ndocs: ")[2].partition("\n\n")[0]
    ours = rf"<!-- table: ({'|'.join(TABLES)}) -->|^Written by `python"
    pages = [
        path.name
        for path in sorted((ROOT / "docs/reference").iterdir())
        if path.suffix == ".json" or re.search(ours, path.read_text("utf-8"), re.MULTILINE)
    ]
    assert len(pages) >= 5
    assert [page for page in pages if f"docs/reference/{page}" not in recipe] == []
