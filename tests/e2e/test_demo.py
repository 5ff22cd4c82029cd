"""The demo, held by what it left behind and not by what it printed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.configuration import request
from tests.support.repository import ENVIRONMENT, git
from tests.support.server import RunnerProcess

from ai_orchestrator.client.backend import HttpBackend
from ai_orchestrator.client.transport import UnixTransport
from ai_orchestrator.model.states import exit_code
from ai_orchestrator.model.task import TaskRequest, TaskView
from ai_orchestrator.scripted.demo import DEMO_TASK, copy_demo_repository
from ai_orchestrator.scripted.request_log import LoggedRequest, read_log
from ai_orchestrator.scripted.scenario_file import find_scenario, load_scenario
from ai_orchestrator.scripted.server import ScriptedServer

DEADLINE_S = 200.0
"""Ten times the goal of 20 s."""
AO = [sys.executable, "-m", "ai_orchestrator.cli"]


@dataclass(frozen=True)
class Demo:
    """A demo that has run: its directory, its exit code, its events and its result."""

    directory: Path
    code: int
    lines: list[dict[str, Any]]

    @property
    def result(self) -> dict[str, Any]:
        """The last line of `--json`."""
        return self.lines[-1]

    @property
    def requests(self) -> list[LoggedRequest]:
        """What the scripted model was asked."""
        return read_log(self.directory / "model-requests.jsonl")

    def commit(self, step: str, iteration: int) -> str:
        """The commit that a step ended with."""
        (found,) = [
            one["commit"]
            for one in self.result["steps"]
            if (one["step"], one["iteration"]) == (step, iteration)
        ]
        return str(found)

    def verifiers_code(self, commit: str, into: Path) -> int:
        """The exit code of the suite on a commit, run by the test itself."""
        repository = next((self.directory / "data" / "work").glob("t-*/repo.git"))
        into.mkdir()
        archive = subprocess.run(
            ["git", "--git-dir", str(repository), "archive", commit],
            env=ENVIRONMENT,
            check=True,
            capture_output=True,
        )
        subprocess.run(["tar", "-x", "-C", str(into)], input=archive.stdout, check=True)
        suite = [sys.executable, "-m", "unittest", "-q"]
        return subprocess.run(suite, cwd=into, capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """`ai-orchestrator demo`, as a person starts it, in an environment without any key."""
    home = tmp_path_factory.mktemp("home")
    done = subprocess.run(
        [*AO, "demo", "--json", "--directory", str(home / "demo")],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    return Demo(home / "demo", done.returncode, lines)


def test_the_task_is_approved_and_verified(demo: Demo) -> None:
    """Exit code, state and outcome agree."""
    assert demo.code == 0
    assert demo.result["outcome"] == "approved_verified"


def test_the_first_iteration_fails_the_suite_and_the_last_passes_it(
    demo: Demo, tmp_path: Path
) -> None:
    """The test runs the verifiers itself, on the commits that the result names."""
    first, last = demo.commit("improve/implement", 1), demo.commit("improve/refine", 2)
    assert last == demo.result["final_commit"]
    assert demo.verifiers_code(first, tmp_path / "first") != 0
    assert demo.verifiers_code(last, tmp_path / "last") == 0


def test_each_role_has_one_conversation(demo: Demo) -> None:
    """Implementer and reviewer are each taken up again in the second iteration."""
    conversations: dict[str, set[str]] = {}
    for one in demo.requests:
        if one.step is not None:
            role = "reviewer" if one.step.path == "review" else "implementer"
            conversations.setdefault(role, set()).add(one.conversation)
    assert {role: len(found) for role, found in conversations.items()} == {
        "implementer": 1,
        "reviewer": 1,
    }


def test_the_second_prompt_carries_the_finding(demo: Demo) -> None:
    """What the reviewer claimed is what the implementer is told."""
    (claim,) = {
        event["data"]["entry"]["finding"]["claim"]
        for event in demo.lines
        if event["type"] == "finding.changed"
    }
    refine = [one for one in demo.requests if one.step and one.step.path == "refine"]
    assert claim in refine[0].prompt


def test_the_user_s_checkout_is_untouched_until_apply(demo: Demo) -> None:
    """Only `apply` writes into the repository; then the work is there, as verified."""
    repository = demo.directory / "repository"
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "branch", "--format=%(refname:short)") == "main"
    done = subprocess.run(
        [*AO, "--data-dir", str(demo.directory / "data"), "tasks", "apply", demo.result["task"]],
        env={"PATH": os.environ["PATH"], "HOME": str(demo.directory)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    HttpBackend(UnixTransport(demo.directory / "data" / "runner.sock")).drain()
    assert done.returncode == 0, done.stderr
    tree = git(repository, "rev-parse", f"{demo.result['branch']}^{{tree}}")
    assert tree == demo.result["verified_tree"]


async def test_a_scenario_that_never_passes_is_no_success(
    runner: RunnerProcess, tmp_path: Path
) -> None:
    """The same start, never mended: not verified, and the exit code says so."""
    repository = tmp_path / "repository"
    copy_demo_repository(repository)
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "base")
    scenario = load_scenario(find_scenario("never_passes"))
    async with ScriptedServer(scenario, log=tmp_path / "requests.jsonl") as server:
        agents = {
            "builtin": {
                "driver": "builtin",
                "enabled": True,
                "model": "scripted-1",
                "options": {"url": f"{server.url}/v1", "api": "openai"},
            }
        }
        order = request(repository, agents, task=DEMO_TASK)
        view = await _ended(runner, order)
    assert exit_code(view.summary.state, view.summary.outcome) == 1, view.summary.reason


async def _ended(runner: RunnerProcess, order: TaskRequest) -> TaskView:
    """The task when it has ended; the scripted model answers meanwhile in this loop."""

    def wait() -> TaskView:
        return runner.until_final(runner.backend.submit(order).summary.id)

    return await asyncio.to_thread(wait)
