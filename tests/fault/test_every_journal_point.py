"""One task, killed once at every journal point: the same result, no finished step run twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.configuration import APPROVE, request, shell_agent
from tests.support.repository import make_repository
from tests.support.server import DEADLINE_S, RunnerProcess, processes_naming, running

from ai_orchestrator.base.errors import UnreachableError
from ai_orchestrator.model.task import TaskRequest, TaskView

pytestmark = pytest.mark.fault

PROGRAM = str(Path(__file__).with_name("killing_runner.py"))
POINTS = 28
"""As many as the scenario has; a test holds it."""


def one_round(repository: Path) -> TaskRequest:
    """Implement, verify, review, approved: every kind of step once."""
    agents = {
        "coder": shell_agent("echo hello > out.txt; echo done", role="implementation"),
        "judge": shell_agent(APPROVE, role="review"),
    }
    return request(repository, agents, idempotency_key="once")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose tests are green."""
    return make_repository(tmp_path / "repository")


def submit(runner: RunnerProcess, order: TaskRequest) -> str | None:
    """The task's id; None where the runner died before it could tell."""
    try:
        return runner.backend.submit(order).summary.id
    except UnreachableError:
        return None


def result(view: TaskView) -> dict[str, Any]:
    """What must not depend on when the power went."""
    return {
        "state": view.summary.state,
        "outcome": view.summary.outcome,
        "tree": view.verified_tree,
        "findings": [(entry.fingerprint, entry.state) for entry in view.findings],
    }


def points_of(tmp_path: Path, repository: Path) -> list[str]:
    """The points of an undisturbed run, in order."""
    points = tmp_path / "points"
    with running(tmp_path / "calm", "--points", str(points), program=PROGRAM) as runner:
        task_id = submit(runner, one_round(repository))
        assert task_id is not None
        runner.until_final(task_id)
    return points.read_text().splitlines()


def test_the_scenario_has_no_more_points_than_are_killed(tmp_path: Path, repository: Path) -> None:
    """Nothing new may slip past the test below."""
    points = points_of(tmp_path, repository)
    assert len(points) == POINTS, points
    assert {line.partition(" ")[0] for line in points} >= {
        *("enqueued", "started", "before", "acted", "recorded", "ended"),
        *("attempt.started", "agent.ended", "answer.saved", "committed", "attempt.finished"),
    }


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The result of an undisturbed run."""
    directory = tmp_path_factory.mktemp("expected")
    repository = make_repository(directory / "repository")
    with running(directory / "data") as runner:
        task_id = submit(runner, one_round(repository))
        assert task_id is not None
        yield result(runner.until_final(task_id))


@pytest.mark.parametrize("number", range(1, POINTS + 1))
def test_a_kill_at_a_journal_point_changes_nothing_in_the_end(
    tmp_path: Path, repository: Path, expected: dict[str, Any], number: int
) -> None:
    """Accepted is not lost, finished is not repeated, nothing runs on without an owner."""
    data_dir, points = tmp_path / "data", tmp_path / "points"
    arguments = ("--points", str(points), "--die-at", str(number))
    dying = RunnerProcess(data_dir, *arguments, program=PROGRAM)
    try:
        dying.until_ready()
        task_id = submit(dying, one_round(repository))
        dying.process.wait(DEADLINE_S)
    finally:
        dying.close()
    with running(data_dir) as runner:
        if task_id is None:
            task_id = runner.backend.submit(one_round(repository)).summary.id
        view = runner.until_final(task_id)
        assert result(view) == expected
        finished = Counter(
            (step.step, step.iteration) for step in view.steps if step.outcome == "succeeded"
        )
        assert set(finished.values()) == {1}
        seqs = [event.seq for event in runner.backend.events(task_id)]
        assert seqs == list(range(1, len(seqs) + 1))
    assert processes_naming(str(data_dir)) == []
