"""Names of steps: what is printed is what may be typed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ai_orchestrator.cli.timeline import short_step, step_label
from ai_orchestrator.model.step_names import named_steps, step_name, step_names
from ai_orchestrator.model.task import StepView


def execution(step: str, iteration: int = 1, attempt: int = 1) -> StepView:
    """One of them."""
    began = datetime(2026, 3, 1, tzinfo=UTC)
    return StepView(step, iteration, attempt, "agent", "succeeded", began)


STEPS = (
    execution("prepare"),
    execution("improve/implement"),
    execution("improve/review"),
    execution("improve/refine", 2),
    execution("improve/refine", 2, 2),
    execution("improve/refine", 3),
    execution("improve/implement/review"),
)


@pytest.mark.parametrize("one", STEPS, ids=lambda one: step_name(one.step, one.iteration))
def test_every_printed_name_fits_its_step(one: StepView) -> None:
    """The name of `tasks show`, and the short one of the live output."""
    assert one in named_steps(STEPS, step_name(one.step, one.iteration, one.attempt))
    assert one in named_steps(STEPS, step_label(one.step, one.iteration))
    assert one in named_steps(STEPS, step_label(short_step(one.step), one.iteration))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        pytest.param("improve/refine", 3, id="every-round"),
        pytest.param("refine", 3, id="short"),
        pytest.param("refine #2", 2, id="a-round"),
        pytest.param("refine#2", 2, id="without-a-space"),
        pytest.param("improve/refine #2 attempt 2", 1, id="a-try"),
        pytest.param("review", 2, id="two-steps"),
        pytest.param("refine #9", 0, id="no-such-round"),
        pytest.param("fine", 0, id="no-whole-word"),
        pytest.param("", 0, id="empty"),
        pytest.param("\udcff # #", 0, id="nonsense"),
    ],
)
def test_a_name_fits_what_it_says(name: str, count: int) -> None:
    """A whole path or its last words; a round and a try where they are given."""
    assert len(named_steps(STEPS, name)) == count


def test_names_are_listed_once_for_each_round() -> None:
    """As they stand in the hint about an unknown one."""
    assert step_names(STEPS)[3:5] == ["improve/refine #2", "improve/refine #3"]
