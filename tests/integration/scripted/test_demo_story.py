"""The shipped scenarios, played on the demo repository by a small agent with real tools."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ai_orchestrator.scripted.demo import DEMO_TASK, copy_demo_repository
from ai_orchestrator.scripted.scenario_file import find_scenario, load_scenario
from ai_orchestrator.scripted.server import ScriptedServer

Ask = Callable[..., Awaitable[Any]]

STRING = {"type": "string"}
FILE_TOOLS = {
    "read": {"path": STRING},
    "write": {"path": STRING, "content": STRING},
    "edit": {"path": STRING, "old": STRING, "new": STRING},
    "run": {"command": STRING},
}
SHELL_ONLY = {"bash": {"command": STRING}}
LIMIT_CALLS = 20


def run(tree: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """A program in the work tree."""
    return subprocess.run(argv, cwd=tree, capture_output=True, text=True, timeout=60, check=False)


def use_tool(tree: Path, name: str, arguments: dict[str, str]) -> str:
    """What the tool answers; a tool that cannot do what it is told fails the test."""
    if name in {"run", "bash"}:
        return run(tree, "sh", "-c", arguments["command"]).stdout
    path = tree / arguments["path"]
    if name == "write":
        path.write_text(arguments["content"])
    text = path.read_text()
    if name == "edit":
        assert text.count(arguments["old"]) == 1
        path.write_text(text.replace(arguments["old"], arguments["new"]))
    return text


@dataclass(frozen=True)
class Agent:
    """Sends a prompt and uses the tools that the model calls until it says something."""

    ask: Ask
    url: str
    tree: Path
    tools: dict[str, dict[str, Any]]

    async def work(self, step: str, iteration: int) -> str:
        """What the model said last."""
        history: list[Any] = [f"{DEMO_TASK}\n\nStep: {step} (iteration {iteration})\n"]
        for _ in range(LIMIT_CALLS):
            answer = await self.ask(self.url, history, self.tools)
            if not answer.tool:
                return str(answer.text)
            history.append((answer, use_tool(self.tree, answer.tool, answer.arguments)))
        raise AssertionError("the model did not come to an end")

    async def review(self, iteration: int) -> dict[str, Any]:
        """The verdict, read as the last fenced block."""
        text = await self.work("review", iteration)
        verdict: dict[str, Any] = json.loads(text.split("```json\n")[-1].removesuffix("```\n"))
        return verdict


def is_green(tree: Path) -> bool:
    """The verifier of the demo: the repository's own tests, with the standard library alone."""
    return run(tree, sys.executable, "-m", "unittest", "-q").returncode == 0


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A fresh copy of the demo repository."""
    copy_demo_repository(tmp_path / "calculator")
    return tmp_path / "calculator"


@pytest.fixture
async def demo() -> AsyncIterator[ScriptedServer]:
    """The demo's server."""
    async with ScriptedServer(load_scenario(find_scenario("demo"))) as server:
        yield server


def test_demo_repository_is_green_and_clean(tree: Path) -> None:
    """A red base would stop a run; left-overs of tools are not copied."""
    assert is_green(tree)
    assert {path.name for path in tree.iterdir()} == {
        ".gitignore",
        "README.md",
        "calculator",
        "pyproject.toml",
    }


@pytest.mark.parametrize("tools", [FILE_TOOLS, SHELL_ONLY], ids=["file-tools", "shell-only"])
async def test_round_one_is_red_and_round_two_is_green_and_approved(
    ask: Ask, tree: Path, demo: ScriptedServer, tools: dict[str, dict[str, Any]]
) -> None:
    """The story of the demo, in every dialect."""
    agent = Agent(ask, demo.url, tree, tools)
    await agent.work("implement", 1)
    first = await agent.review(1)
    assert not is_green(tree)
    assert first["verdict"] == "request_changes"
    await agent.work("refine", 2)
    assert is_green(tree)
    assert await agent.review(2) == {"verdict": "approve", "findings": []}


async def test_finding_points_at_the_line_that_divides(
    ask: Ask, tree: Path, demo: ScriptedServer
) -> None:
    """A reader who follows the finding sees what it claims."""
    agent = Agent(ask, demo.url, tree, FILE_TOOLS)
    await agent.work("implement", 1)
    (finding,) = (await agent.review(1))["findings"]
    line = (tree / finding["file"]).read_text().splitlines()[finding["line"] - 1]
    assert (finding["severity"], line.strip()) == ("medium", "return dividend / divisor")


async def test_workflow_without_refine_is_mended_by_the_implementer(
    ask: Ask, tree: Path, demo: ScriptedServer
) -> None:
    """The second implement step does what refine would do."""
    agent = Agent(ask, demo.url, tree, FILE_TOOLS)
    await agent.work("implement", 1)
    await agent.work("implement", 2)
    assert is_green(tree)


async def test_never_passes_changes_something_and_mends_nothing(ask: Ask, tree: Path) -> None:
    """Each round leaves another tree, the same finding and red tests."""
    async with ScriptedServer(load_scenario(find_scenario("never_passes"))) as server:
        agent = Agent(ask, server.url, tree, FILE_TOOLS)
        await agent.work("implement", 1)
        seen, verdicts = [], []
        for iteration in (1, 2, 3):
            verdicts.append(await agent.review(iteration))
            seen.append((tree / "calculator" / "core.py").read_text())
            await agent.work("refine", iteration + 1)
            assert not is_green(tree)
    assert len(set(seen)) == 3
    assert verdicts[0]["verdict"] == "request_changes"
    assert verdicts == [verdicts[0]] * 3
