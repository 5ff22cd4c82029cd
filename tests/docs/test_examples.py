"""Examples of configuration in the pages are right, and the one-page map is the code's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest
from tests.docs.pages import ROOT, Block, Page, pages

from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.resolve import ResolveRequest, resolve
from ai_orchestrator.workflows.loading.built_in import built_in_text
from ai_orchestrator.workflows.loading.load import check

ARCHITECTURE = Page(ROOT / "ARCHITECTURE.md")
SOURCES = ROOT / "src" / "ai_orchestrator"
ELSEWHERE = {"docs/howto/write-a-workflow.md", "docs/howto/verify.md"}  # have tests beside theirs


def examples() -> Iterator[tuple[Page, Block]]:
    """The blocks that a person would copy into an agents.yaml."""
    for page in pages():
        for block in page.blocks:
            is_ours = block.language == "yaml" and block.directive != "not run"
            if is_ours and "reference/" not in page.name and page.name not in ELSEWHERE:
                yield page, block


@pytest.mark.parametrize(
    "block",
    [pytest.param(block, id=f"{page.name}:{block.line}") for page, block in examples()],
)
def test_examples_of_configuration_are_right(block: Block, tmp_path: Path) -> None:
    """What people copy has no problem, over the built-in document."""
    file = tmp_path / "agents.yaml"
    file.write_text(block.text)
    environment = Environment({"PATH": os.environ["PATH"]}, tmp_path, tmp_path)
    request = ResolveRequest(environment=environment, built_in=built_in_text(), config_file=file)
    assert check(resolve(request).config) == []


def test_layers_are_those_that_are_held() -> None:
    """The picture of the layers is the contract of import-linter, line by line."""
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter")
    held = contracts["importlinter:contract:layers"]["layers"].split("\n")
    (drawn,) = [block.text for block in ARCHITECTURE.blocks if "wiring  " in block.text]
    told = [re.split(r" {3,}", line)[0].strip() for line in drawn.splitlines()]
    assert told == [line.strip() for line in held if line.strip()]


def test_places_of_the_map_exist() -> None:
    """Every path in the tables of "Where is X" and "Adding things" leads to something."""
    text = ARCHITECTURE.path.read_text("utf-8")
    table = text[text.index("## Where is X") :]
    named = re.findall(r"`([a-z_]+(?:/[a-z_<>*]+)*(?:\.py|/))`", table)
    assert len(named) > 40
    assert [path for path in named if not found(path)] == []


def found(path: str) -> bool:
    """The path is there, in the package or in the project; `<name>` stands for any."""
    pattern = re.sub(r"<\w+>", "*", path).rstrip("/")
    places = (SOURCES, SOURCES / "workspace", ROOT)
    return any(any(place.glob(pattern)) for place in places)
