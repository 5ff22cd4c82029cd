"""What commands say on a narrow terminal."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.cli.memory import PIPE, SHORT, World, task_view

from ai_orchestrator.cli.folding import folded
from ai_orchestrator.cli.lines import Span, line, to_text
from ai_orchestrator.model.states import OutcomeCode, TaskState

NARROW = replace(PIPE, columns=40)
WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=12), max_size=30)


@given(words=WORDS, columns=st.integers(20, 60))
def test_lines_break_between_words_and_lose_none(words: list[str], columns: int) -> None:
    """No line is longer than the terminal, whatever was to be said."""
    lines = [to_text(one, is_coloured=False) for one in folded(line(" ".join(words)), columns)]

    assert " ".join(lines).split() == words
    assert all(len(one) <= columns for one in lines)


def test_text_goes_on_below_the_text_after_a_label() -> None:
    """Styles stay with their words, also where a word has two of them."""
    spans = line(Span("  branch     ", "dim"), "made by ", Span("tasks", "accent"), ", later on")
    told = [to_text(one, is_coloured=False) for one in folded(spans, 30)]

    assert told == ["  branch     made by tasks,", "          later on"]


def test_a_word_longer_than_a_line_stays_whole() -> None:
    """Half a path can neither be read nor copied."""
    told = [to_text(one, is_coloured=False) for one in folded(line("in ", "/" * 50, " here"), 20)]

    assert told == ["in", " " * 4 + "/" * 50, "    here"]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        pytest.param(40, [f"{SHORT}  failed: not converged  30s", "    default  $0.42"], id="40"),
        pytest.param(80, ["TASK      STATE", f"{SHORT}  failed: not converged  30s"], id="80"),
    ],
)
def test_a_task_is_listed_in_the_width_of_the_terminal(
    world: World, columns: int, told: list[str]
) -> None:
    """Only the title is cut."""
    view = task_view(TaskState.FAILED, OutcomeCode.NOT_CONVERGED)
    title = "Mend everything that anybody ever found in this whole repository"
    summary = msgspec.structs.replace(view.summary, title=title)
    world.backend.view = msgspec.structs.replace(view, summary=summary)
    world.terminal = replace(NARROW, columns=columns)
    lines = world.type("tasks").out.splitlines()

    assert all(len(one) <= columns for one in lines)
    assert all(one.startswith(start) for one, start in zip(lines, told, strict=False))
    assert lines[-1].endswith("…")


def test_the_result_is_told_in_the_width_of_the_terminal(world: World) -> None:
    """And the commands can be copied."""
    world.terminal = NARROW
    lines = world.type("tasks", "show", SHORT).out.splitlines()

    assert all(len(one) <= 40 for one in lines if "ai-orchestrator" not in one)
    assert f"  ai-orchestrator tasks watch {SHORT}" in lines
