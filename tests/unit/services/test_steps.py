"""Which executions of steps a person's word means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ai_orchestrator.base.errors import BadInputError, NotFoundError
from ai_orchestrator.model.states import TaskState
from ai_orchestrator.model.task import StepView, TaskSummary, TaskView
from ai_orchestrator.services.steps import asked_steps

AT = datetime(2026, 3, 1, tzinfo=UTC)


def view(*paths: str) -> TaskView:
    """A task with these steps."""
    summary = TaskSummary("t-1", "Do", TaskState.SUCCEEDED, "default", "/shop", AT, AT)
    steps = tuple(StepView(path, 1, 1, "agent", "succeeded", AT) for path in paths)
    return TaskView(summary, "Do", steps, ())


def test_an_unknown_step_lists_those_that_are_known() -> None:
    """Nobody has to ask a second command for them."""
    with pytest.raises(NotFoundError, match=r"no step 'revew'. Known: implement, improve/review\."):
        asked_steps(view("implement", "improve/review"), "revew")


def test_before_the_first_step_there_is_none_to_name() -> None:
    """The hint says so instead of listing nothing."""
    with pytest.raises(NotFoundError, match="None of its steps has begun"):
        asked_steps(view(), "implement")


def test_a_short_name_of_two_steps_is_refused_with_both() -> None:
    """A diff of one of them would be a guess."""
    with pytest.raises(BadInputError, match="Name one: a/review, b/review"):
        asked_steps(view("a/review", "b/review"), "review")


def test_no_name_means_all() -> None:
    """As it is for a whole task."""
    assert len(asked_steps(view("a", "b"), None)) == 2
