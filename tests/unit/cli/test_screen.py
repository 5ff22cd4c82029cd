"""The panel of the live view."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import reduce as fold

import pytest
from tests.unit.cli.memory import START, entry, event, story

from ai_orchestrator.cli.lines import to_text
from ai_orchestrator.cli.live_view import LiveView, Said, reduce
from ai_orchestrator.cli.screen import MAX_HEIGHT, panel
from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.events import StepStartedData
from ai_orchestrator.model.review import FindingState

NOW = START + timedelta(seconds=90)


def shown(view: LiveView, height: int = 40) -> list[str]:
    """The panel's lines without colour."""
    return [to_text(line, is_coloured=False) for line in panel(view, now=NOW, height=height)]


def test_running_step_figures_and_words_are_shown() -> None:
    """Who works since when, what was said, what was spent."""
    lines = shown(fold(reduce, story()[:6], LiveView()))

    assert "▶ implement  claude (opus)  1m29s" in lines
    assert "  │ I will look." in lines
    assert "  • Edit calculator/core.py" in lines
    assert lines[-1].startswith("running  1m30s  12,400 tokens in, 2,310 out, cost $0.42")


def test_steps_are_called_by_their_own_names() -> None:
    """A step of the orchestrator itself is not called twice what it is."""
    started = [
        event(1, StepStartedData("prepare"), step="prepare", attempt=1),
        event(2, StepStartedData("agent", "codex"), step="improve/review", iteration=2, attempt=1),
        event(3, StepStartedData("script"), step="improve/format", attempt=2),
    ]
    lines = shown(fold(reduce, started, LiveView()))

    assert lines[1:4] == [
        "▶ prepare  1m30s",
        "▶ review #2  codex  1m29s",
        "▶ format  script, attempt 2  1m28s",
    ]


def test_red_verifier_and_open_finding_are_shown() -> None:
    """What keeps the task from being done."""
    lines = shown(fold(reduce, story()[:11], LiveView()))

    assert "  verifiers tests red" in lines
    assert "  findings: 1 new" in lines
    assert "    new medium calculator/core.py:12 empty list divides by zero" in lines


def test_fixed_findings_are_counted_but_not_listed() -> None:
    """The list is for what is left to do."""
    lines = shown(replace(LiveView(), findings=(entry(FindingState.FIXED),)))

    assert "  findings: 1 fixed" in lines
    assert not any("core.py" in line for line in lines)


def test_unmeasured_is_shown_before_anything_was_measured() -> None:
    """Never `$0.00`."""
    assert "tokens unmeasured, cost unmeasured" in shown(LiveView())[-1]


def test_the_limit_stands_beside_the_cost() -> None:
    """So that a person can stop in time."""
    view = replace(LiveView(), usage=Usage(1, 1), max_cost_usd=5.0)

    assert "cost unmeasured of $5.00" in shown(view)[-1]


@pytest.mark.parametrize("height", [1, 6, 9, 12, 18, 100])
def test_the_panel_fits_and_keeps_its_last_line(height: int) -> None:
    """Whatever there is to show, figures stay visible."""
    view = replace(
        fold(reduce, story()[:11], LiveView()),
        findings=tuple(entry(claim=f"claim {n}") for n in range(30)),
        said=tuple(Said("s", f"words {n}") for n in range(40)),
    )
    lines = shown(view, height)

    assert len(lines) <= max(min(height, MAX_HEIGHT), 6)
    assert "tokens" in lines[-1]
