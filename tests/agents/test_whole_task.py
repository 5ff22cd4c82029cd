"""The default workflow with three vendors' agents in the three roles: from task to verified end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.agents.bench import AGENTS, MODELS
from tests.support.configuration import request
from tests.support.repository import git
from tests.support.server import RunnerProcess, processes_naming, running, wait_for

from ai_orchestrator.model.states import OutcomeCode
from ai_orchestrator.model.task import TaskRequest, TaskView
from ai_orchestrator.scripted.demo import DEMO_TASK, copy_demo_repository
from ai_orchestrator.scripted.scenario import Scenario
from ai_orchestrator.scripted.scenario_file import find_scenario, load_scenario, parse_scenario
from ai_orchestrator.scripted.server import ScriptedServer
from ai_orchestrator.services.demo_configuration import vendor_variables

pytestmark = pytest.mark.agents

ROLES = ("implementation", "review", "refinement")
THINKING_S = 5.0
TEAMS = [
    pytest.param(("claude", "codex", "gemini"), id="claude-codex-gemini"),
    pytest.param(("copilot", "claude", "codex"), id="copilot-claude-codex"),
]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The demo's repository."""
    target = tmp_path / "repository"
    copy_demo_repository(target)
    git(target, "init", "-q", "-b", "main")
    git(target, "add", "-A")
    git(target, "commit", "-q", "-m", "base")
    return target


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[RunnerProcess]:
    """A runner of the test's own, which the test may kill."""
    with running(tmp_path / "data") as process:
        yield process


def order(repository: Path, url: str, team: tuple[str, ...]) -> TaskRequest:
    """The demo's task for a team: implementer, reviewer, refiner."""
    for name in team:
        if not (AGENTS / name / "node_modules").is_dir():
            pytest.skip(f"{name} is not installed in .agents: make agents")
    agents: dict[str, Any] = {name: {"enabled": False} for name in MODELS if name != "builtin"}
    for name, role in zip(team, ROLES, strict=True):
        agents[role] = {"driver": name, "role": role, "model": MODELS[name]}
    bins = [str(path) for path in AGENTS.glob("*/node_modules/.bin")]
    return request(
        repository,
        agents,
        task=DEMO_TASK,
        path=os.pathsep.join([*bins, os.environ["PATH"]]),
        credentials=vendor_variables(url),
    )


def slow_demo() -> Scenario:
    """The demo, with a model that thinks for a while after the implementer's first tool call."""
    document = yaml.safe_load(find_scenario("demo").read_text("utf-8"))
    document["rules"][0]["reply"][1]["delay_s"] = THINKING_S
    return parse_scenario(yaml.safe_dump(document), "slow demo")


async def ended(runner: RunnerProcess, task_id: str) -> TaskView:
    """The task when it has ended; the scripted model answers meanwhile in this loop."""
    return await asyncio.to_thread(runner.until_final, task_id)


@pytest.mark.parametrize("team", TEAMS)
async def test_three_vendors_bring_a_task_to_its_verified_end(
    runner: RunnerProcess, repository: Path, tmp_path: Path, team: tuple[str, ...]
) -> None:
    """Red and reviewed in the first round, green and approved in the second."""
    scenario = load_scenario(find_scenario("demo"))
    async with ScriptedServer(scenario, log=tmp_path / "requests.jsonl") as server:
        task = await asyncio.to_thread(runner.backend.submit, order(repository, server.url, team))
        view = await ended(runner, task.summary.id)
    assert view.summary.outcome is OutcomeCode.APPROVED_VERIFIED, view.summary.reason
    played = [(step.step, step.agent) for step in view.steps if step.kind == "agent"]
    assert played == [
        ("improve/implement", "implementation"),
        ("improve/review", "review"),
        ("improve/refine", "refinement"),
        ("improve/review", "review"),
    ]
    assert git(repository, "status", "--porcelain") == ""


async def test_a_killed_runner_s_agent_is_taken_up_again(repository: Path, tmp_path: Path) -> None:
    """Kill -9 while the agent waits for its model: no orphan, and the next runner finishes."""
    async with ScriptedServer(slow_demo(), log=tmp_path / "requests.jsonl") as server:
        first = RunnerProcess(tmp_path / "data")
        try:
            await asyncio.to_thread(first.until_ready)
            wanted = order(repository, server.url, ("claude", "codex", "gemini"))
            task = await asyncio.to_thread(first.backend.submit, wanted)
            task_id = task.summary.id
            await asyncio.to_thread(
                wait_for,
                lambda: any(e.type == "agent.tool" for e in first.backend.events(task_id)),
                "the agent's first tool call",
            )
            await asyncio.to_thread(first.kill)
        finally:
            first.close()
        await asyncio.to_thread(
            wait_for, lambda: processes_naming(task_id[-8:]) == [], "the agent's end"
        )
        with running(tmp_path / "data") as second:
            view = await ended(second, task_id)
    assert view.summary.outcome is OutcomeCode.APPROVED_VERIFIED, view.summary.reason
    implement = [one for one in view.steps if one.step == "improve/implement"]
    assert [one.outcome for one in implement][-1] == "succeeded"
    assert {one.how for one in implement[1:]} <= {"resumed", "restarted"}
