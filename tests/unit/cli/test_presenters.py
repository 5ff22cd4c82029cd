"""The story above the live panel, as it stands on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from tests.unit.cli.memory import ManualClock, event

from ai_orchestrator.cli.presenters import LivePresenter
from ai_orchestrator.cli.timeline import Timeline
from ai_orchestrator.model.events import StepFinishedData, TaskStateData
from ai_orchestrator.model.states import TaskState

REASON = "asks for changes since the divisor may be zero and nobody looks at it"


def story(width: int, *data: TaskStateData | StepFinishedData) -> list[str]:
    """What stands above the panel on a terminal of that width, without its redrawing."""
    screen = io.StringIO()
    console = Console(file=screen, width=width, highlight=False, markup=False, emoji=False)
    presenter = LivePresenter(Timeline(is_verbose=False), console, ManualClock())
    for seq, one in enumerate(data, start=1):
        presenter.show(event(seq, one, step="improve/review", attempt=1))
    return screen.getvalue().splitlines()


def test_long_line_is_folded_between_words_below_its_beginning() -> None:
    """The columns of offset and step stay free."""
    lines = story(70, StepFinishedData("succeeded", REASON))
    assert lines == [
        "   0.0s  review        succeeded: asks for changes since the divisor",
        "                       may be zero and nobody looks at it (0.0s)",
    ]


def test_short_line_is_left_alone() -> None:
    """Where it fits."""
    assert story(70, TaskStateData(TaskState.RUNNING)) == ["   0.0s  review        running"]


@pytest.mark.parametrize("width", [20, 40])
def test_narrow_terminal_folds_as_it_likes(width: int) -> None:
    """A column of a few characters would be worse."""
    (line,) = story(width, StepFinishedData("succeeded", REASON))
    assert line.endswith(f"succeeded: {REASON} (0.0s)")
