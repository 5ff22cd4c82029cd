"""Waiting for a task: streams that end, states that wait, people who leave."""

from __future__ import annotations

import pytest
from tests.unit.cli.memory import (
    ASKING,
    SHORT,
    TASK,
    WAITING,
    Round,
    World,
    event,
    story,
    task_view,
)

from ai_orchestrator.cli.interrupts import DetachRequestedError
from ai_orchestrator.model.events import TaskStateData
from ai_orchestrator.model.states import OutcomeCode, TaskState

RUNNING = task_view(TaskState.RUNNING, None)
CANCELLED = task_view(TaskState.CANCELLED, None)


def test_a_stream_that_breaks_off_is_taken_up_after_the_last_event(world: World) -> None:
    """Nothing is shown twice and nothing is left out."""
    world.backend.rounds = [Round(story()[:5], RUNNING), Round(story(), task_view())]

    lines = world.type("run", "t", "--json").json_lines

    assert [line["seq"] for line in lines[:-1]] == list(range(1, 18))
    assert "events after 5" in world.backend.asked


@pytest.mark.parametrize(
    ("state", "code"),
    [
        pytest.param(TaskState.WAITING_APPROVAL, 6, id="approval"),
        pytest.param(TaskState.WAITING_ANSWER, 6, id="answer"),
        pytest.param(TaskState.WAITING_QUOTA, 5, id="quota"),
        pytest.param(TaskState.WAITING_BUDGET, 5, id="budget"),
        pytest.param(TaskState.PAUSED, 6, id="paused"),
    ],
)
def test_no_wait_leaves_a_task_that_waits(world: World, state: TaskState, code: int) -> None:
    """With the exit code of what it waits for."""
    world.backend.rounds = [Round(story()[:3], task_view(state, None))]

    done = world.type("run", "t", "--no-wait", "--json")

    assert done.code == code
    assert done.json_lines[-1]["exit_code"] == code


def test_a_waiting_task_is_waited_for(world: World) -> None:
    """Said once, looked at every two seconds, gone on with when it runs again."""
    resumed = [event(18, TaskStateData(TaskState.SUCCEEDED, OutcomeCode.VERIFIED))]
    world.backend.rounds = [Round(story()[:3], WAITING), Round(resumed, task_view())]
    world.backend.views_to_come = [WAITING, WAITING, WAITING, RUNNING, task_view()]

    done = world.type("run", "t")

    assert done.code == 0
    assert done.out.count("waiting approval; this command waits on.") == 1
    assert world.backend.waits == [2.0, 2.0, 2.0, 0.2]
    assert "succeeded (verified)" in done.out


def test_a_task_that_ended_while_it_waited_is_told_to_the_end(world: World) -> None:
    """Events that came between two looks are not lost."""
    ended = [event(18, TaskStateData(TaskState.CANCELLED))]
    world.backend.rounds = [
        Round(story()[:3], WAITING),
        Round(ended, task_view(TaskState.CANCELLED, None, last_seq=18)),
    ]
    world.backend.views_to_come = [WAITING, task_view(TaskState.CANCELLED, None, last_seq=18)]

    done = world.type("run", "t", "--json")

    assert done.code == 4
    assert [line["seq"] for line in done.json_lines[:-1]] == [1, 2, 3, 18]


def test_ctrl_c_where_nobody_can_be_asked_cancels(world: World) -> None:
    """And waits for the end of the task."""
    world.backend.rounds = [
        Round([*story()[:3], KeyboardInterrupt()], RUNNING),
        Round([], CANCELLED),
    ]

    done = world.type("run", "t")

    assert done.code == 4
    assert f"cancel {TASK}" in world.backend.asked


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        pytest.param("d\n", 0, id="detach"),
        pytest.param("maybe\nDETACH\n", 0, id="nonsense-first"),
        pytest.param("", 0, id="end-of-input"),
        pytest.param("c\n", 4, id="cancel"),
    ],
)
def test_ctrl_c_asks_once(world: World, typed: str, code: int) -> None:
    """Only a clear word cancels."""
    world.terminal = ASKING
    world.backend.rounds = [Round([KeyboardInterrupt()], RUNNING), Round([], CANCELLED)]

    done = world.type("run", "t", stdin=typed)

    assert done.code == code
    assert "Detach or cancel? [d/c]" in done.err
    assert (f"cancel {TASK}" in world.backend.asked) == (code == 4)


def test_ctrl_c_while_it_cancels_leaves(world: World) -> None:
    """The cancelling goes on without the command, which does not claim success."""
    world.backend.rounds = [Round([KeyboardInterrupt()], RUNNING)] * 2

    done = world.type("run", "t")

    assert done.code == 4
    assert f"task {SHORT} (cancelling) goes on without this command" in done.out


def test_a_detached_json_run_says_so(world: World) -> None:
    """The result is the last line also then."""
    world.backend.rounds = [Round([DetachRequestedError()], RUNNING)]

    result = world.type("run", "t", "--json").json_lines[-1]

    assert (result["is_detached"], result["exit_code"], result["state"]) == (True, 0, "queued")


def test_leaving_an_in_process_run_says_that_it_stops(world: World) -> None:
    """There is no other runner that it could go on in, and no success to be told."""
    world.backend.rounds = [Round([DetachRequestedError()], RUNNING)]

    done = world.type("run", "t", "--in-process")

    assert "stops here and goes on when the next command starts a runner" in done.out
    assert done.code == 130


def test_interrupted_hand_over_says_how_to_find_out(world: World) -> None:
    """Whether it was accepted is not known then."""
    world.backend.submit_problem = KeyboardInterrupt()

    done = world.type("run", "t")

    assert done.code == 130
    assert "See whether it was accepted: ai-orchestrator tasks" in done.err


@pytest.mark.parametrize("signal", [KeyboardInterrupt, DetachRequestedError])
def test_a_signal_in_any_other_command_exits_130(world: World, signal: type[BaseException]) -> None:
    """Without a traceback."""
    world.services.problem = signal()

    done = world.type("tasks")

    assert done.code == 130
    assert done.err.strip() == "ai-orchestrator: interrupted."
