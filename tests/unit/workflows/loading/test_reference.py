"""The reference and the schema say what the program does, to the letter."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ai_orchestrator.base.errors import NotFoundError
from ai_orchestrator.config.yaml_source import parse_yaml, plain
from ai_orchestrator.model.task import ResolvedConfig
from ai_orchestrator.workflows.loading.built_in import built_in_text
from ai_orchestrator.workflows.loading.compile_steps import KEYS_OF_KIND
from ai_orchestrator.workflows.loading.load import check
from ai_orchestrator.workflows.loading.reference import TABLES, with_tables
from ai_orchestrator.workflows.loading.schema import json_schema, schema_text
from ai_orchestrator.workflows.prompts import INPUTS

DOCS = Path(__file__).parents[4] / "docs"
PAGES = [DOCS / "reference/configuration.md", DOCS / "reference/workflows.md"]


def test_schema_in_the_reference_is_the_programs() -> None:
    """Renew it with `python -m ai_orchestrator.workflows.loading.schema`."""
    assert (DOCS / "reference/agents.schema.json").read_text("utf-8") == schema_text()


def test_schema_is_a_schema_and_the_built_in_document_fits_it() -> None:
    """Editors can use it."""
    Draft202012Validator.check_schema(json_schema())
    document = plain(parse_yaml(built_in_text().encode(), "built-in"))
    assert list(Draft202012Validator(json_schema()).iter_errors(document)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_of_the_reference_are_the_programs(page: Path) -> None:
    """Renew them with `python -m ai_orchestrator.workflows.loading.reference FILE`."""
    text = page.read_text("utf-8")
    assert with_tables(text) == text


def test_every_table_stands_in_the_reference() -> None:
    """No table is made for nobody."""
    text = "".join(page.read_text("utf-8") for page in PAGES)
    assert [name for name in TABLES if f"<!-- table: {name} -->" not in text] == []


def test_unknown_table_is_refused() -> None:
    """A mistyped name in a page is told."""
    with pytest.raises(NotFoundError, match="No table 'x'"):
        with_tables("<!-- table: x -->\n\n<!-- end -->")


EXAMPLES = [
    pytest.param(block, id=f"{page.name}-{index}")
    for page in (*PAGES, DOCS / "howto/write-a-workflow.md")
    for index, block in enumerate(
        re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    )
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_of_the_pages_are_right(
    make_config: Callable[..., ResolvedConfig], example: str
) -> None:
    """What people copy has no problem, over the built-in document."""
    assert check(make_config(example, built_in=True)) == []


def test_kinds_of_steps_are_told_with_their_keys() -> None:
    """The table that is written by hand says what the program accepts."""
    text = (DOCS / "reference/workflows.md").read_text("utf-8")
    for kind, keys in KEYS_OF_KIND.items():
        (row,) = re.findall(rf"^\| `{kind}` \| (`.*`) \|$", text, re.MULTILINE)
        assert set(re.findall(r"`([a-z_]+)`", row)) == keys


def test_inputs_of_prompts_are_told() -> None:
    """All of them, and no other."""
    text = (DOCS / "reference/workflows.md").read_text("utf-8")
    assert set(re.findall(r"`\{\{ ([a-z_]+) \}\}`", text)) == set(INPUTS)
