"""The commands of the pages do what the pages say; see `pages` for how a block says what to do."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from tests.docs.pages import ROOT, Block, Page, pages, rows
from tests.docs.world import SCENARIO, World, world

from ai_orchestrator.cli.main import cli

PAGE_LIMIT_S = 600
"""A page may have ten tasks, of a second or two each on a quiet machine."""
PAGES = pages()
RUN_PAGES = [page for page in PAGES if any(block.directive == "runnable" for block in page.blocks)]


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    """The address of a scripted model, for pages that name an endpoint."""
    with subprocess.Popen(
        [sys.executable, "-m", "ai_orchestrator.scripted", str(SCENARIO)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield json.loads(server.stdout.readline())["url"]
        server.stdin.close()  # ends it


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory, model_url: str) -> Iterator[World]:
    """A machine of its own for each page."""
    with world(tmp_path_factory.mktemp("w"), model_url) as made:
        yield made


@pytest.mark.timeout(PAGE_LIMIT_S)
@pytest.mark.parametrize("page", RUN_PAGES, ids=lambda page: page.name)
@pytest.mark.pages
def test_commands_of_a_page_run(page: Page, machine: World) -> None:
    """All blocks of a page, in order, on one machine; they end as the page says."""
    printed = ""
    for block in page.blocks:
        match block.directive:
            case "runnable":
                printed = run_block(machine, page, block)
            case "file":
                write_block(machine, block)
            case "shows":
                missing = set(machine.normal(block.text)) - set(machine.normal(printed)) - {"..."}
                assert not missing, f"{page.name}:{block.line} shows\n{missing}\nbut was\n{printed}"
            case _:
                pass
    assert_listed(machine)


def run_block(machine: World, page: Page, block: Block) -> str:
    """What a block printed; fails when it ended otherwise than the page says."""
    done = machine.run(block.text)
    wanted = int(block.argument.removeprefix("exit ") or 0)
    assert done.returncode == wanted, f"{page.name}:{block.line}\n{block.text}\n{done.stdout}"
    return done.stdout


def write_block(machine: World, block: Block) -> None:
    """Writes a file of the repository, or one that begins with `~/`."""
    name = block.argument
    base = machine.home if name.startswith("~/") else machine.repository
    path = base / name.removeprefix("~/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text)


def assert_listed(machine: World) -> None:
    """The reference knows everything that lies in the data directory."""
    page = Page(ROOT / "docs/reference/data-directory.md")
    known = {cells[0].strip("`/") for cells in rows(page, "entries")}
    there = {path.name for path in machine.data.iterdir()} if machine.data.exists() else set()
    assert there - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_commands_says_whether_it_runs(page: Page) -> None:
    """A block in bash is run by a test, or the page says why it is not."""
    wanted = ("runnable", "not run")
    silent = [one.line for one in page.blocks if one.language == "bash"]
    told = [one.line for one in page.blocks if one.directive in wanted]
    assert [line for line in silent if line not in told] == []
    assert [
        one.line for one in page.blocks if one.directive == "not run" and not one.argument
    ] == []


def documented(page: Page) -> Iterator[str]:
    """Each command of ours that a page names, in blocks, in indented code, or within a sentence."""
    text = page.path.read_text("utf-8")
    for line in text.splitlines():
        if line.strip().startswith("ai-orchestrator "):
            yield line.strip()
        for piece in line.split("`")[1::2]:
            if piece.startswith("ai-orchestrator "):
                yield piece


def problem_of(command: str) -> str:
    """What the program would not understand; nothing when it knows all of it."""
    words = shlex.split(command.replace("|", " | ").rstrip("\\"), comments=True)[1:]
    ends = (i for i, word in enumerate(words) if word in "|<>&" or word == "--")
    words = words[: next(ends, len(words))]
    at: click.Command = cli
    seen = click.Context(cli)
    for word in words:
        if word.startswith("-") and word != "-":
            known = {name for parameter in at.params for name in parameter.opts}
            known |= {"--help", "-h"}
            if word.partition("=")[0] not in known:
                return f"{command}: {at.name} has no {word}"
        elif isinstance(at, click.Group) and word in at.list_commands(seen):
            found = at.get_command(seen, word)
            assert found is not None
            at = found
        elif at is cli and word.islower() and word.isalpha() and not is_value(words, word):
            return f"{command}: no command {word}"
    return ""


def is_value(words: list[str], word: str) -> bool:
    """The word belongs to the option before it."""
    index = words.index(word)
    return index > 0 and words[index - 1].startswith("--")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Page) -> None:
    """What a page tells people to type is understood, also where no test types it."""
    assert [told for command in documented(page) if (told := problem_of(command))] == []


def test_an_unknown_command_is_told() -> None:
    """The check itself sees a wrong command and a wrong option."""
    assert problem_of("ai-orchestrator nonsense")
    assert problem_of("ai-orchestrator run --nonsense x")
    assert not problem_of('ai-orchestrator --data-dir d tasks show t --json | tail -n 1 "x"')


def test_make_targets_exist() -> None:
    """Every `make X` of a page is a target."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = {
        word.split()[1]
        for page in PAGES
        for word in page.path.read_text("utf-8").split("`")[1::2]
        if word.startswith("make ") and "\n" not in word and page.path.parent != Path("docs/howto")
    }
    theirs = {"test", "format"}  # of the repositories that the how-tos speak of
    assert {name for name in named if f"\n{name}:" not in makefile} - theirs == set()
