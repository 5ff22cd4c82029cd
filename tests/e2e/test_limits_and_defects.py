"""Money in the middle of a run, refused accounts, and a defect of the orchestrator itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.configuration import request, shell_agent
from tests.support.model import builtin_agent, scripted_model
from tests.support.repository import git
from tests.support.server import RunnerProcess, running, wait_for

from ai_orchestrator.model.ids import base_ref
from ai_orchestrator.model.states import OutcomeCode, TaskState, exit_code
from ai_orchestrator.model.task import RunOptions, TaskView
from ai_orchestrator.scripted.demo import DEMO_TASK, copy_demo_repository
from ai_orchestrator.scripted.scenario_file import find_scenario, parse_scenario


@pytest.fixture
def demo_repository(tmp_path: Path) -> Path:
    """The demo's repository."""
    target = tmp_path / "repository"
    copy_demo_repository(target)
    git(target, "init", "-q", "-b", "main")
    git(target, "add", "-A")
    git(target, "commit", "-q", "-m", "base")
    return target


def demo_document() -> dict[str, Any]:
    """The demo's scenario, to be changed."""
    document: dict[str, Any] = yaml.safe_load(find_scenario("demo").read_text("utf-8"))
    return document


def play(
    runner: RunnerProcess, repository: Path, document: dict[str, Any], **more: Any
) -> TaskView:
    """The demo's task under a scenario, to its end."""
    scenario = parse_scenario(yaml.safe_dump(document), "test")
    log = repository.parent / "requests.jsonl"
    with scripted_model(scenario, log) as url:
        order = request(repository, {"builtin": builtin_agent(url)}, task=DEMO_TASK, **more)
        return runner.until_final(runner.backend.submit(order).summary.id)


def test_a_budget_acts_in_the_middle_of_a_run(runner: RunnerProcess, demo_repository: Path) -> None:
    """The agent is stopped at the limit, not after its step of 60 turns."""
    document = demo_document()
    replies = document["rules"][0]["reply"]
    replies[:0] = replies[:1] * 60
    view = play(runner, demo_repository, document, options=RunOptions(max_tokens=6_000))
    assert view.summary.outcome is OutcomeCode.BUDGET, view.summary.reason
    assert exit_code(view.summary.state, view.summary.outcome) == 5
    spent = view.summary.usage.total_tokens
    assert spent is not None
    assert 6_000 <= spent < 60 * 3_000


@pytest.mark.parametrize(
    ("status", "tries"),
    [pytest.param(401, 1, id="refused"), pytest.param(500, 2, id="overloaded")],
)
def test_a_model_that_refuses_ends_the_task_with_its_words(
    runner: RunnerProcess, demo_repository: Path, status: int, tries: int
) -> None:
    """A refused account is never tried again; an overloaded model once more, after a while."""
    document = demo_document()
    document["rules"][0]["reply"] = [{"error": {"status": status}}]
    view = play(runner, demo_repository, document)
    assert view.summary.outcome is OutcomeCode.AGENT_FAILED, view.summary.reason
    assert len(view.steps) == tries
    assert str(status) in view.summary.reason


def test_a_quota_with_a_reset_is_waited_for(runner: RunnerProcess, demo_repository: Path) -> None:
    """The task says that it waits, and until when; then it goes on by itself."""
    document = demo_document()
    document["rules"][0]["reply"].insert(0, {"error": {"status": 429, "reset_s": 2}, "times": 1})
    view = play(runner, demo_repository, document)
    assert view.summary.outcome is OutcomeCode.APPROVED_VERIFIED, view.summary.reason
    states = [
        event.data.state  # type: ignore[union-attr]  # by its type
        for event in runner.backend.events(view.summary.id)
        if event.type == "task.state"
    ]
    retried = [e for e in runner.backend.events(view.summary.id) if e.type == "agent.retry"]
    assert TaskState.WAITING_QUOTA in states or retried


def test_what_is_wrong_with_ourselves_is_called_internal(tmp_path: Path) -> None:
    """A ref that only we write names another commit: no guess is made."""
    repository = tmp_path / "repository"
    copy_demo_repository(repository)
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "base")
    agents = {"coder": shell_agent("sleep 30", role="implementation")}
    order = request(repository, agents, workflow="quick")
    data_dir = tmp_path / "data"
    with running(data_dir) as runner:
        task_id = runner.backend.submit(order).summary.id
        wait_for(
            lambda: any(one.kind == "agent" for one in runner.backend.task(task_id).steps),
            "the agent's start",
        )
        runner.kill()
    own = data_dir / "work" / task_id / "repo.git"
    tree = git(own, "rev-parse", f"{base_ref(task_id, 1)}^{{tree}}")
    other = git(own, "commit-tree", "-m", "other", tree)
    git(own, "update-ref", base_ref(task_id, 1), other)
    with running(data_dir) as runner:
        view = runner.until_final(task_id)
    assert view.summary.outcome is OutcomeCode.INTERNAL, view.summary.reason
    assert exit_code(view.summary.state, view.summary.outcome) == 70


def test_a_person_s_own_login_is_told_with_every_task_that_uses_it(
    runner: RunnerProcess, demo_repository: Path, tmp_path: Path
) -> None:
    """Whoever lends an agent their own directory is to know it."""
    home = tmp_path / "home"
    (home / ".claude").mkdir(parents=True)
    (home / ".claude" / ".credentials.json").write_text("{}")
    agents = {"mine": {"driver": "claude", "command": ["sh", "-c", "exit 9"]}}
    order = request(demo_repository, agents, workflow="quick", home=str(home))
    view = runner.backend.submit(order)
    assert any("your own login" in note for note in view.notes), view.notes
    runner.backend.cancel(view.summary.id)
    runner.until_final(view.summary.id)
