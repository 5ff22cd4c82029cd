"""A new release in mid-task: the same end, whichever way the old one went."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.configuration import APPROVE, ASK_FOR_MORE, request, shell_agent
from tests.support.made_up_runner import PROGRAM
from tests.support.repository import make_repository
from tests.support.server import (
    DEADLINE_S,
    RunnerProcess,
    processes_naming,
    running,
    wait_for,
)

from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.task import RunOptions, TaskRequest, TaskView
from ai_orchestrator.workflows.running.values import Checked, Closed, Prepared, StepDone

pytestmark = pytest.mark.fault

OLD = ("--release", "0.1.0", "--epoch", "2")
PATCH = ("--release", "0.1.1", "--epoch", "2")
NEXT = ("--release", "0.2.0", "--epoch", "3")
BEFORE = ("--release", "0.0.9", "--epoch", "1")


class Story:
    """Two rounds; the agents wait at a gate before they work, and say in a file that they did."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self.repository = make_repository(directory / "repository")
        self.ran = directory / "ran"

    def agent(self, name: str, script: str, role: str) -> dict[str, Any]:
        """An agent that begins when it is let."""
        waits = (
            f"touch {self.directory}/{name}.waits; "
            f"while [ ! -e {self.directory}/{name}.go ]; do sleep 0.02; done; "
            f"echo {name} >> {self.ran}; {script}"
        )
        return shell_agent(waits, role=role)

    def order(self) -> TaskRequest:
        """Implement, ask for more, refine, approve."""
        judge = f'case "$prompt" in *"iteration 1)"*) {ASK_FOR_MORE};; *) {APPROVE};; esac'
        agents = {
            "coder": self.agent("coder", "echo more >> out.txt", "implementation"),
            "judge": self.agent("judge", judge, "review"),
        }
        return request(self.repository, agents, options=RunOptions(sandbox="off"))

    def until_waiting(self, name: str) -> None:
        """The agent is there."""
        wait_for((self.directory / f"{name}.waits").exists, f"{name} to wait")

    def let(self, *names: str) -> None:
        """They may begin."""
        for name in names:
            (self.directory / f"{name}.go").touch()

    @property
    def runs(self) -> Counter[str]:
        """How often each agent did its work."""
        return Counter(self.ran.read_text().split())

    def edit_configuration(self) -> None:
        """Somebody changes the agents while their task runs."""
        (file,) = self.directory.glob("agents-*.yaml")
        document = json.loads(file.read_text())
        for agent in document["agents"].values():
            if "command" in agent:
                agent["command"] = ["sh", "-c", "echo edited > edited.txt"]
        file.write_text(json.dumps(document))


def result(view: TaskView) -> dict[str, Any]:
    """What must not depend on the release."""
    return {
        "state": view.summary.state,
        "outcome": view.summary.outcome,
        "tree": view.verified_tree,
        "findings": [(entry.fingerprint, entry.state) for entry in view.findings],
        "steps": [
            (step.step, step.iteration) for step in view.steps if step.outcome == "succeeded"
        ],
    }


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of a run that nobody disturbs."""
    directory = tmp_path_factory.mktemp("calm")
    story = Story(directory / "story")
    story.let("coder", "judge")
    with running(directory / "data", *OLD, program=PROGRAM) as runner:
        view = runner.until_final(runner.backend.submit(story.order()).summary.id)
    assert view.summary.outcome is OutcomeCode.APPROVED_VERIFIED, view.summary.reason
    assert story.runs == {"coder": 2, "judge": 2}
    return result(view)


def leave(runner: RunnerProcess, story: Story, how: str, name: str) -> None:
    """The runner ends while the named agent waits."""
    if how == "kill":
        runner.kill()
        agent = str(story.directory / f"{name}.go")
        wait_for(lambda: not processes_naming(agent), "its agents to be ended")
        story.let(name)
    else:
        runner.backend.drain()
        story.let(name)
        assert runner.process.wait(DEADLINE_S) == 0


@pytest.mark.parametrize("how", ["drain", "kill"])
@pytest.mark.parametrize("name", ["coder", "judge"])
def test_a_task_goes_on_under_the_next_release(
    tmp_path: Path, expected: dict[str, Any], how: str, name: str
) -> None:
    """Taken over where it was; a file that was edited meanwhile changes nothing."""
    story = Story(tmp_path / "story")
    if name == "judge":
        story.let("coder")
    with running(tmp_path / "data", *OLD, program=PROGRAM) as old:
        task_id = old.backend.submit(story.order()).summary.id
        story.until_waiting(name)
        story.edit_configuration()
        leave(old, story, how, name)
    story.let("coder", "judge")
    with running(tmp_path / "data", *PATCH, program=PROGRAM) as new:
        assert new.backend.info().resumed_tasks == (task_id,)
        assert result(new.until_final(task_id)) == expected
        assert new.backend.info().unfinished_tasks == 0
    assert story.runs == {"coder": 2, "judge": 2}


@pytest.mark.parametrize("how", ["drain", "kill"])
def test_newer_steps_begin_anew_and_find_what_is_finished(
    tmp_path: Path, expected: dict[str, Any], how: str
) -> None:
    """The journal no longer fits, the rows do: no agent does its work twice."""
    story = Story(tmp_path / "story")
    story.let("coder")
    with running(tmp_path / "data", *OLD, program=PROGRAM) as old:
        task_id = old.backend.submit(story.order()).summary.id
        story.until_waiting("judge")
        leave(old, story, how, "judge")
    with running(tmp_path / "data", *NEXT, program=PROGRAM) as new:
        assert new.backend.info().resumed_tasks == (task_id,)
        assert result(new.until_final(task_id)) == expected
        seqs = [event.seq for event in new.backend.events(task_id)]
        assert seqs == list(range(1, len(seqs) + 1))
    assert story.runs == {"coder": 2, "judge": 2}


def test_an_older_release_leaves_a_task_to_the_one_that_knows_it(
    tmp_path: Path, expected: dict[str, Any]
) -> None:
    """It says so in the task's notes, does not wait for it, and the right one finishes it."""
    story = Story(tmp_path / "story")
    data = tmp_path / "data"
    with running(data, *OLD, program=PROGRAM) as old:
        task_id = old.backend.submit(story.order()).summary.id
        story.until_waiting("coder")
        old.kill()
    before = RunnerProcess(data, *BEFORE, "--idle-s", "2", program=PROGRAM)
    try:
        before.until_ready()
        assert before.backend.info().resumed_tasks == ()
        view = before.backend.task(task_id)
        assert view.summary.state is TaskState.RUNNING
        assert len(view.notes) == 1
        assert "0.1.0" in view.notes[0]
        assert "0.0.9" in view.notes[0]
        assert before.process.wait(DEADLINE_S) == 0
    finally:
        before.close()
    story.let("coder", "judge")
    with running(data, *OLD, program=PROGRAM) as again:
        assert result(again.until_final(task_id)) == expected


def test_a_queued_task_is_taken_over_too(tmp_path: Path) -> None:
    """Accepted by one release, begun by the next."""
    first, second = Story(tmp_path / "first"), Story(tmp_path / "second")
    second.let("coder", "judge")
    data = tmp_path / "data"
    with running(data, *OLD, program=PROGRAM) as old:
        old.backend.submit(first.order())
        first.until_waiting("coder")
        old.backend.drain()
        task_id = old.backend.submit(second.order()).summary.id
        assert old.backend.task(task_id).summary.state is TaskState.QUEUED
        old.kill()
    first.let("coder", "judge")
    with running(data, *PATCH, program=PROGRAM) as new:
        view = new.until_final(task_id)
        assert view.summary.outcome is OutcomeCode.APPROVED_VERIFIED, view.summary.reason


OLDEST: dict[type[msgspec.Struct], dict[str, Any]] = {
    Prepared: {"base_commit": "c", "base_tree": "t", "verifiers": []},
    StepDone: {
        "step": "s",
        "iteration": 1,
        "attempt": 1,
        "outcome": "succeeded",
        "commit": "c",
        "tree": "t",
    },
    Checked: {"step": "s", "iteration": 1, "commit": "c", "tree": "t", "results": []},
    Closed: {"outcome": "verified"},
}
"""What the first release wrote at least: nothing may be added to it without a default."""


@pytest.mark.parametrize("kind", OLDEST, ids=lambda kind: kind.__name__)
def test_a_journal_value_of_an_older_release_is_understood(kind: type[msgspec.Struct]) -> None:
    """Fields that it did not know have a default, those that we do not know are skipped."""
    oldest = OLDEST[kind] | {"v": 0, "of_a_newer_release": [1, {}]}
    value = msgspec.convert(oldest, kind, strict=False)
    assert msgspec.convert(msgspec.to_builtins(value), kind, strict=False) == value
    assert msgspec.json.decode(msgspec.json.encode(oldest), type=kind) == value
