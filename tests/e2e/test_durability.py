"""What power cuts, frozen processes, cancellations and limits do to a task: nothing that lasts."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support.configuration import APPROVE, request, shell_agent
from tests.support.repository import git
from tests.support.server import RunnerProcess, processes_naming, running, wait_for
from tests.support.vendors import USED_TOKENS, claude_agent

from ai_orchestrator.model.events import Event, TaskStateData
from ai_orchestrator.model.states import OutcomeCode, TaskState, exit_code
from ai_orchestrator.model.task import RunOptions, StepView, TaskView

pytestmark = pytest.mark.fault

OFF = RunOptions(sandbox="off")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory of the test's own."""
    return tmp_path / "data"


def coder(script: str) -> dict[str, Any]:
    """An implementing agent of one line of shell."""
    return shell_agent(script, role="implementation")


def submit(
    runner: RunnerProcess,
    repository: Path,
    agent: dict[str, Any],
    document: dict[str, Any] | None = None,
    options: RunOptions = OFF,
) -> str:
    """A task for one agent: implement until verified."""
    order = request(repository, {"coder": agent}, document, workflow="quick", options=options)
    return runner.backend.submit(order).summary.id


def agent_runs(view: TaskView) -> list[StepView]:
    """The attempts of the implementing step, in order."""
    return [step for step in view.steps if step.step == "improve/implement"]


def fates(view: TaskView) -> list[tuple[int, str, str]]:
    """How each attempt began and ended."""
    return [(one.attempt, one.how, one.outcome) for one in agent_runs(view)]


def final_file(runner: RunnerProcess, view: TaskView, name: str) -> str:
    """A file of the work that the task ended with."""
    assert view.final_commit is not None
    repository = runner.data_dir / "work" / view.summary.id / "repo.git"
    return git(repository, "show", f"{view.final_commit}:{name}")


def sessions(runner: RunnerProcess, task_id: str) -> list[str | None]:
    """What the rows know of the agents' conversations by now."""
    return [one.session for one in agent_runs(runner.backend.task(task_id))]


def states(events: Iterator[Event]) -> list[TaskState]:
    """The states that a task went through; one that is told again, with other words, once."""
    told = [event.data.state for event in events if isinstance(event.data, TaskStateData)]
    return [state for state, _ in itertools.groupby(told)]


# -- power cuts


@pytest.mark.parametrize("sandbox", ["required", "off"])
def test_a_conversation_is_taken_up_where_the_power_went(
    data: Path, repository: Path, tmp_path: Path, sandbox: str
) -> None:
    """Same session, same tree; what the first attempt cost is not forgotten."""
    script = """
    if [ -n "$is_resumed" ]; then
      { cat half.txt; echo "$session"; echo "$prompt" | grep -c interrupted; } > out.txt
      end done
    else
      echo half > half.txt; mkdir -p "new folder"; echo deep > "new folder/deep.txt"
      sleep 600
    fi"""
    agent = claude_agent(tmp_path, script)
    options = RunOptions(sandbox=sandbox)  # type: ignore[arg-type]  # one of the three
    with running(data) as first:
        task_id = submit(first, repository, agent, options=options)
        wait_for(lambda: bool(any(sessions(first, task_id))), "the session to be known")
        work = next((data / "work" / task_id / "a1").glob("tree"))
        wait_for((work / "new folder" / "deep.txt").exists, "the agent to have worked")
        session = sessions(first, task_id)[0]
        first.kill()
    with running(data) as second:
        assert second.backend.info().resumed_tasks == (task_id,)
        view = second.until_final(task_id)
        assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
        assert fates(view) == [(1, "fresh", "interrupted"), (2, "resumed", "succeeded")]
        assert [one.session for one in agent_runs(view)] == [session, session]
        assert final_file(second, view, "out.txt") == f"half\n{session}\n1"
        assert final_file(second, view, "new folder/deep.txt") == "deep"
        assert [one.usage.total_tokens for one in agent_runs(view)] == [USED_TOKENS] * 2
        assert view.summary.usage.total_tokens == 2 * USED_TOKENS
    assert processes_naming(str(data)) == []


def test_an_agent_without_conversations_begins_again(
    data: Path, repository: Path, tmp_path: Path
) -> None:
    """From the last finished commit: nothing of the half-done work is in its way."""
    mark = tmp_path / "mark"
    script = f"ls > {mark}.ls; echo x >> half.txt; [ -e {mark} ] || {{ touch {mark}; sleep 600; }}"
    with running(data) as first:
        task_id = submit(first, repository, coder(script))
        wait_for(mark.exists, "the agent to have worked")
        first.kill()
    with running(data) as second:
        view = second.until_final(task_id)
        assert fates(view) == [(1, "fresh", "interrupted"), (2, "restarted", "succeeded")]
        assert final_file(second, view, "half.txt") == "x"
    assert Path(f"{mark}.ls").read_text().split() == ["tests"]
    assert processes_naming(str(mark)) == []


@pytest.mark.parametrize("what", ["verify", "script", "setup"])
def test_what_is_no_agent_runs_again_after_a_power_cut(
    data: Path, repository: Path, tmp_path: Path, what: str
) -> None:
    """Verifiers, scripts and set-up leave nothing behind that would have to be taken up."""
    mark = tmp_path / "mark"
    once = f"sh -c '[ -e {mark} ] || {{ touch {mark}; sleep 600; }}'"
    with running(data) as first:
        task_id = submit(first, repository, coder("echo hi > out.txt"), held(what, once))
        wait_for(mark.exists, "the command to run")
        first.kill()
    with running(data) as second:
        view = second.until_final(task_id)
    assert view.summary.state is TaskState.SUCCEEDED, view.summary.reason
    assert {step.outcome for step in view.steps} <= {"succeeded", "interrupted"}
    assert processes_naming(str(mark)) == []


def held(what: str, command: str) -> dict[str, Any]:
    """A configuration that runs the command as this or that. The base is verified first."""
    if what == "verify":
        return {"verify": [command]}
    if what == "setup":
        return {"setup": [command]}
    steps = [{"task": "implement"}, {"run": command}]
    return {"workflows": {"quick": {"success": "verified", "steps": steps}}}


@pytest.mark.parametrize("what", ["its-task-ended", "its-task-did-not"])
def test_a_journal_that_knows_less_or_more_than_the_task(
    data: Path, repository: Path, tmp_path: Path, what: str
) -> None:
    """They are written in two transactions, and a disk may be full in between."""
    mark = tmp_path / "mark"
    with running(data) as first:
        task_id = submit(first, repository, coder(f"echo x >> {mark}; echo hi > out.txt"))
        assert first.until_final(task_id).summary.state is TaskState.SUCCEEDED
    with closing(sqlite3.connect(data / "db.sqlite")) as database, database:
        database.execute("DELETE FROM operation_outputs")
        if what == "its-task-ended":
            database.execute("UPDATE workflow_status SET status = 'PENDING'")
        else:
            database.execute("UPDATE workflow_status SET status = 'ERROR'")
            database.execute("UPDATE orchestrator_tasks SET state = 'running', outcome = NULL")
    with running(data) as second:
        wait_for(lambda: journal(data)[0] == "SUCCESS", "the workflow to end")
        assert second.backend.task(task_id).summary.state is TaskState.SUCCEEDED
        assert [one.outcome for one in agent_runs(second.backend.task(task_id))] == ["succeeded"]
        steps = journal(data)[1]
        assert (steps == 0) if what == "its-task-ended" else (steps > 0)
    assert lines(mark) == 1


def journal(data: Path) -> tuple[str, int]:
    """How the journal says that the one workflow stands, and how many steps it knows."""
    with closing(sqlite3.connect(data / "db.sqlite")) as database:
        ((status,),) = database.execute("SELECT status FROM workflow_status")
        ((steps,),) = database.execute("SELECT count(*) FROM operation_outputs")
    return status, steps


# -- cancelling


@pytest.mark.parametrize("what", ["agent", "verify", "script", "setup"])
def test_cancelling_stops_what_runs(
    data: Path, repository: Path, tmp_path: Path, what: str
) -> None:
    """No process is left, every row has an end, and so has the task."""
    mark = tmp_path / "mark"
    command = f"touch {mark}; (sleep 600 & sleep 600)"
    agent = coder(command if what == "agent" else "echo hi > out.txt")
    document = {} if what == "agent" else held(what, f"sh -c '{command}'")
    with running(data) as runner:
        task_id = submit(runner, repository, agent, document)
        wait_for(mark.exists, "the command to run")
        assert runner.backend.cancel(task_id).summary.state is TaskState.CANCELLING
        view = runner.until_final(task_id)
        assert view.summary.state is TaskState.CANCELLED
        assert exit_code(view.summary.state, view.summary.outcome) == 4
        assert processes_naming(str(mark)) == []
        wait_for(lambda: "running" not in outcomes(runner, task_id), "the rows to be ended")
        last = outcomes(runner, task_id)[-1:]
        assert last == ([] if what in ("setup", "verify") else ["interrupted"])
        runner.backend.delete(task_id, force=what == "script")  # its agent had committed by then
    assert not (data / "work" / task_id).exists()


def outcomes(runner: RunnerProcess, task_id: str) -> list[str]:
    """The ends of the attempts."""
    return [step.outcome for step in runner.backend.task(task_id).steps]


def test_a_queued_task_is_cancelled_at_once(data: Path, repository: Path, tmp_path: Path) -> None:
    """It never runs, and the one before it is not disturbed."""
    gate, mark = tmp_path / "gate", tmp_path / "mark"
    with running(data, "--max-tasks", "1") as runner:
        first = submit(
            runner,
            repository,
            coder(f"touch {mark}; while [ ! -e {gate} ]; do sleep 0.02; done; echo hi > out.txt"),
        )
        wait_for(mark.exists, "the first agent to run")
        second = submit(runner, repository, coder(f"touch {mark}.second"))
        assert runner.backend.task(second).summary.state is TaskState.QUEUED
        assert runner.backend.cancel(second).summary.state is TaskState.CANCELLED
        gate.touch()
        assert runner.until_final(first).summary.state is TaskState.SUCCEEDED
        assert runner.backend.task(second).steps == ()
    assert not Path(f"{mark}.second").exists()


def test_a_cancelled_task_can_be_run_again(data: Path, repository: Path, tmp_path: Path) -> None:
    """From its base, as the next task attempt; nothing of the first one is left in it."""
    mark = tmp_path / "mark"
    script = f"echo $(ls) > out.txt; [ -e {mark} ] || {{ touch junk {mark}; sleep 600; }}"
    with running(data) as runner:
        task_id = submit(runner, repository, coder(script))
        wait_for(mark.exists, "the agent to run")
        runner.backend.cancel(task_id)
        assert runner.until_final(task_id).summary.state is TaskState.CANCELLED
        assert runner.backend.retry(task_id).summary.task_attempt == 2
        view = runner.until_final(task_id)
        assert view.summary.state is TaskState.SUCCEEDED, view.summary.reason
        assert fates(view) == [(1, "fresh", "succeeded")]
        assert "junk" not in final_file(runner, view, "out.txt")
        assert states(runner.backend.events(task_id)) == [
            TaskState.QUEUED,
            TaskState.RUNNING,
            TaskState.CANCELLING,
            TaskState.CANCELLED,
            TaskState.QUEUED,
            TaskState.RUNNING,
            TaskState.SUCCEEDED,
        ]


def test_a_cancellation_outlives_a_power_cut(data: Path, repository: Path, tmp_path: Path) -> None:
    """What was being cancelled is cancelled, not taken up."""
    mark = tmp_path / "mark"
    with running(data) as first:
        task_id = submit(first, repository, coder(f"touch {mark}; trap '' TERM; sleep 600"))
        wait_for(mark.exists, "the agent to run")
        first.backend.cancel(task_id)
        first.kill()
    with running(data) as second:
        assert second.backend.info().resumed_tasks == ()
        assert second.backend.task(task_id).summary.state is TaskState.CANCELLED
    assert processes_naming(str(mark)) == []


# -- limits of the vendors


def test_an_overloaded_model_is_asked_again_and_then_given_up(
    data: Path, repository: Path, tmp_path: Path
) -> None:
    """As often as the configuration says, with a pause between; each run is paid for."""
    agent = claude_agent(tmp_path, "refused 529")
    with running(data) as runner:
        task_id = submit(runner, repository, agent, {"settings": {"step_retries": 1}})
        view = runner.until_final(task_id)
    assert view.summary.outcome is OutcomeCode.AGENT_FAILED, view.summary.reason
    assert [(one.attempt, one.outcome) for one in agent_runs(view)] == [
        (1, "failed"),
        (2, "failed"),
    ]
    first, second = agent_runs(view)
    assert first.finished_at is not None
    assert second.started_at - first.finished_at >= timedelta(seconds=1.9)
    assert view.summary.usage.total_tokens == 2 * USED_TOKENS


@pytest.mark.parametrize("cut", ["undisturbed", "killed-in-the-wait"])
def test_a_quota_is_waited_for(data: Path, repository: Path, tmp_path: Path, cut: str) -> None:
    """The state says so; nobody is asked before the reset, also not by the next runner."""
    asked = tmp_path / "asked"
    script = f"""
    date +%s >> {asked}
    if [ "$(wc -l < {asked})" = 1 ]; then limited_for 6; refused 429; fi
    echo hi > out.txt; end done"""
    agent = claude_agent(tmp_path, script)
    with running(data) as first:
        task_id = submit(first, repository, agent)
        wait_for(
            lambda: first.backend.task(task_id).summary.state is TaskState.WAITING_QUOTA, "the wait"
        )
        if cut != "undisturbed":
            first.kill()
        else:
            first.until_final(task_id)
    with running(data) as second:
        view = second.until_final(task_id)
        assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
        assert [one.outcome for one in agent_runs(view)] == ["failed", "succeeded"]
        assert states(second.backend.events(task_id)) == [
            TaskState.QUEUED,
            TaskState.RUNNING,
            TaskState.WAITING_QUOTA,
            TaskState.RUNNING,
            TaskState.SUCCEEDED,
        ]
    times = [int(line) for line in asked.read_text().split()]
    assert len(times) == 2
    assert times[1] - times[0] >= 5


def test_a_wait_for_a_quota_can_be_cancelled(data: Path, repository: Path, tmp_path: Path) -> None:
    """Hours of waiting are nothing to be stuck in."""
    agent = claude_agent(tmp_path, "limited_for 3600; refused 429")
    with running(data) as runner:
        task_id = submit(runner, repository, agent)
        wait_for(
            lambda: runner.backend.task(task_id).summary.state is TaskState.WAITING_QUOTA,
            "the wait",
        )
        runner.backend.cancel(task_id)
        assert runner.until_final(task_id).summary.state is TaskState.CANCELLED


# -- frozen and lost processes


def guardian_of(runner: RunnerProcess) -> psutil.Process:
    """The process that holds all trees of the runner."""
    children = psutil.Process(runner.process.pid).children()
    (found,) = [one for one in children if "guardian" in " ".join(one.cmdline())]
    return found


@pytest.mark.parametrize("what", ["agent", "verify", "script", "setup"])
def test_a_lost_guardian_costs_a_run_and_no_task(
    data: Path, repository: Path, tmp_path: Path, what: str
) -> None:
    """What it held is gone with it; that is nobody's failure, and is run again."""
    mark = tmp_path / "mark"
    once = f"[ -e {mark} ] || {{ touch {mark}; sleep 600; }}"
    agent = coder(f"{once}; echo hi > out.txt" if what == "agent" else "echo hi > out.txt")
    document = {} if what == "agent" else held(what, f"sh -c '{once}'")
    with running(data) as runner:
        task_id = submit(runner, repository, agent, document)
        wait_for(mark.exists, "the command to run")
        guardian_of(runner).kill()
        view = runner.until_final(task_id)
    assert view.summary.state is TaskState.SUCCEEDED, view.summary.reason
    if what == "agent":
        assert fates(view) == [(1, "fresh", "interrupted"), (2, "restarted", "succeeded")]
    assert {step.outcome for step in view.steps} <= {"succeeded", "interrupted"}
    assert processes_naming(str(mark)) == []


def test_a_lost_guardian_costs_a_review_and_no_more(data: Path, repository: Path) -> None:
    """It changes no file, so its next attempt begins where the tree is known to stand."""
    agents = {
        "coder": coder("echo hi > out.txt"),
        "critic": shell_agent(f"sleep 3.14159; {APPROVE}", role="review"),
    }
    order = request(repository, agents, {"verify": ["true"]}, options=RunOptions())
    with running(data) as runner:
        task_id = runner.backend.submit(order).summary.id
        wait_for(lambda: bool(processes_naming("3.14159")), "the reviewer to run")
        guardian_of(runner).kill()
        view = runner.until_final(task_id)
    assert view.summary.outcome is OutcomeCode.APPROVED_VERIFIED, view.summary.reason
    reviews = [one for one in view.steps if one.agent == "critic"]
    assert [(one.attempt, one.outcome) for one in reviews] == [(1, "interrupted"), (2, "succeeded")]
    assert len([one for one in view.steps if one.agent == "coder"]) == 1


def test_a_frozen_runner_loses_its_agents_and_no_task(
    data: Path, repository: Path, tmp_path: Path
) -> None:
    """Silent for longer than the lease: the guardian ends the agent, the runner begins it anew."""
    mark = tmp_path / "mark"
    script = f"[ -e {mark} ] || {{ touch {mark}; sleep 600; }}; echo hi > out.txt"
    with running(data) as runner:
        task_id = submit(runner, repository, coder(script))
        wait_for(mark.exists, "the agent to run")
        agents = processes_naming(str(mark))
        os.kill(runner.process.pid, signal.SIGSTOP)
        wait_for(lambda: not any(map(psutil.pid_exists, agents)), "the guardian to end the agent")
        os.kill(runner.process.pid, signal.SIGCONT)
        view = runner.until_final(task_id)
    assert view.summary.state is TaskState.SUCCEEDED, view.summary.reason
    assert fates(view) == [(1, "fresh", "interrupted"), (2, "restarted", "succeeded")]


def test_an_agent_that_takes_its_runner_down_each_time_is_given_up(
    data: Path, repository: Path, tmp_path: Path
) -> None:
    """Poison must not keep a runner busy for ever."""
    mark = tmp_path / "mark"
    with running(data) as runner:
        task_id = submit(runner, repository, coder(f"echo x >> {mark}; sleep 600"))
        for number in range(1, 10):
            wait_for(lambda number=number: lines(mark) >= number, "the agent to run")  # type: ignore[misc]
            guardian_of(runner).kill()
        view = runner.until_final(task_id)
    assert view.summary.outcome is OutcomeCode.AGENT_FAILED, view.summary.reason
    assert "interrupted" in view.summary.reason
    assert [one.outcome for one in agent_runs(view)] == ["interrupted"] * 9


def lines(path: Path) -> int:
    """How many there are by now."""
    return len(path.read_text().splitlines()) if path.exists() else 0
