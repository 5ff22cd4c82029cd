"""States, outcomes, success rules and what they mean as an exit code. Frozen."""

from __future__ import annotations

from enum import StrEnum


class TaskState(StrEnum):
    """Where a task is in its life. The outcome, why it ended so, is kept apart."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING_APPROVAL = "waiting_approval"
    WAITING_ANSWER = "waiting_answer"
    WAITING_QUOTA = "waiting_quota"
    WAITING_BUDGET = "waiting_budget"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Nothing of this task attempt will run any more."""
        return self in _FINAL

    @property
    def is_waiting(self) -> bool:
        """Nothing runs until a person, a budget or a quota lets it go on."""
        return self in _FOR_A_PERSON or self in _FOR_MEANS


_FINAL = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED})
_FOR_A_PERSON = frozenset({TaskState.WAITING_APPROVAL, TaskState.WAITING_ANSWER, TaskState.PAUSED})
_FOR_MEANS = frozenset({TaskState.WAITING_QUOTA, TaskState.WAITING_BUDGET})


class OutcomeCode(StrEnum):
    """Why a task ended as it did."""

    APPROVED_VERIFIED = "approved_verified"
    VERIFIED = "verified"
    REVIEW_DELIVERED = "review_delivered"
    CHANGED_VERIFIED = "changed_verified"
    UNVERIFIED = "unverified"
    NOT_CONVERGED = "not_converged"
    STALLED = "stalled"
    BOUND = "bound"
    BUDGET = "budget"
    NO_AGENT = "no_agent"
    NO_CHANGE = "no_change"
    VERIFIER_FAILED = "verifier_failed"
    AGENT_FAILED = "agent_failed"
    ENVIRONMENT = "environment"
    INTERNAL = "internal"


class SuccessRule(StrEnum):
    """What a workflow needs to call its task done."""

    APPROVED_VERIFIED = "approved+verified"
    VERIFIED = "verified"
    CHANGED_VERIFIED = "changed+verified"
    REVIEW_DELIVERED = "review-delivered"


class ExitCode(int):
    """Namespace of the command line's exit codes."""

    SUCCESS = 0
    TASK_FAILED = 1
    BAD_INPUT = 2
    ENVIRONMENT = 3
    CANCELLED = 4
    BUDGET = 5
    WAITS_FOR_PERSON = 6
    UNREACHABLE = 7
    INTERNAL = 70
    INTERRUPTED = 130


_EXIT_OF_OUTCOME = {
    OutcomeCode.ENVIRONMENT: ExitCode.ENVIRONMENT,
    OutcomeCode.NO_AGENT: ExitCode.ENVIRONMENT,
    OutcomeCode.BUDGET: ExitCode.BUDGET,
    OutcomeCode.INTERNAL: ExitCode.INTERNAL,
}


def exit_code(state: TaskState, outcome: OutcomeCode | None) -> int:
    """The exit code of a command that waited for a task in a final or a waiting state."""
    if state is TaskState.SUCCEEDED:
        return ExitCode.SUCCESS
    if state is TaskState.CANCELLED:
        return ExitCode.CANCELLED
    if state in _FOR_A_PERSON:
        return ExitCode.WAITS_FOR_PERSON
    if state in _FOR_MEANS:
        return ExitCode.BUDGET
    if outcome is None:
        return ExitCode.INTERNAL
    return _EXIT_OF_OUTCOME.get(outcome, ExitCode.TASK_FAILED)
