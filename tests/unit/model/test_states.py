"""What the states and outcomes of tasks mean to whoever waits for one."""

from __future__ import annotations

import pytest

from ai_orchestrator.model.states import ExitCode, OutcomeCode, TaskState, exit_code

OF_STATE = {
    TaskState.SUCCEEDED: ExitCode.SUCCESS,
    TaskState.CANCELLED: ExitCode.CANCELLED,
    TaskState.WAITING_APPROVAL: ExitCode.WAITS_FOR_PERSON,
    TaskState.WAITING_ANSWER: ExitCode.WAITS_FOR_PERSON,
    TaskState.PAUSED: ExitCode.WAITS_FOR_PERSON,
    TaskState.WAITING_QUOTA: ExitCode.BUDGET,
    TaskState.WAITING_BUDGET: ExitCode.BUDGET,
}
OF_FAILURE = {
    OutcomeCode.ENVIRONMENT: ExitCode.ENVIRONMENT,
    OutcomeCode.NO_AGENT: ExitCode.ENVIRONMENT,
    OutcomeCode.BUDGET: ExitCode.BUDGET,
    OutcomeCode.INTERNAL: ExitCode.INTERNAL,
}


@pytest.mark.parametrize("state", OF_STATE)
def test_state_alone_says_how_a_command_ends(state: TaskState) -> None:
    """Where a task is final or waits, and has not failed."""
    assert exit_code(state, None) == OF_STATE[state]


@pytest.mark.parametrize("outcome", OutcomeCode)
def test_outcome_says_how_a_failed_task_ends_a_command(outcome: OutcomeCode) -> None:
    """1, where nothing more precise is known."""
    expected = OF_FAILURE.get(outcome, ExitCode.TASK_FAILED)
    assert exit_code(TaskState.FAILED, outcome) == expected


def test_every_state_works_waits_or_is_final() -> None:
    """The three exclude each other."""
    working = {TaskState.QUEUED, TaskState.RUNNING, TaskState.CANCELLING}
    final = {state for state in TaskState if state.is_final}
    waiting = {state for state in TaskState if state.is_waiting}
    assert final == {TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED}
    assert waiting == set(OF_STATE) - final
    assert working | final | waiting == set(TaskState)
