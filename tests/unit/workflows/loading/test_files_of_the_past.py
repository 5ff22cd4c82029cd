"""A configuration as people have it from earlier releases, not touched: it loads and it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.resolve import Resolution, ResolveRequest, resolve
from ai_orchestrator.workflows.graph import agents_used
from ai_orchestrator.workflows.loading.built_in import built_in_text
from ai_orchestrator.workflows.loading.load import check, freeze, remarks, workflow_names

FILE = Path(__file__).parents[3] / "data" / "configurations" / "of_the_past.yaml"
WORKFLOWS = {
    "default": ("codex", "gemini", "claude"),
    "quick": ("codex",),
    "thorough": ("codex", "gemini", "claude"),
    "review-only": ("gemini", "claude"),
    "document": ("claude", "gemini"),
    "tested": ("codex", "gemini", "claude"),
}
WITHOUT_EFFECT = (
    *("output_dir", "workspace_dir", "log_level", "log_file", "create_reports", "reports_dir"),
    "colored_output",
)


@pytest.fixture
def resolution(tmp_path: Path) -> Resolution:
    """The file over the built-in document, on a machine without any agent."""
    environment = Environment({"PATH": ""}, tmp_path, tmp_path)
    return resolve(ResolveRequest(environment, built_in_text(), config_file=FILE))


def test_file_has_no_problem(resolution: Resolution) -> None:
    """`validate` exits 0."""
    assert check(resolution.config) == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_can_be_run_by_the_agents_they_name(resolution: Resolution, name: str) -> None:
    """What a task would be frozen with, although not every key has a meaning."""
    spec = freeze(resolution.config, name)
    assert set(agents_used(spec.steps)) == set(WORKFLOWS[name])


def test_every_workflow_of_the_file_is_tried(resolution: Resolution) -> None:
    """The test above knows them all."""
    assert set(workflow_names(resolution.config)) == set(WORKFLOWS)


@pytest.mark.parametrize("key", WITHOUT_EFFECT)
def test_key_without_effect_is_told_with_its_line(resolution: Resolution, key: str) -> None:
    """Never in silence: the note leads to the line, and says what there is instead."""
    (line,) = [
        number
        for number, text in enumerate(FILE.read_text().splitlines(), start=1)
        if text.startswith(f"  {key}:")
    ]
    head = f"{FILE}:{line} settings.{key}: has no effect. "
    assert len([note for note in resolution.notes if note.startswith(head)]) == 1


def test_nothing_else_is_told(resolution: Resolution) -> None:
    """One note for each key: two renamed, two blocks, those above."""
    assert len(resolution.notes) == len(WITHOUT_EFFECT) + 4


def test_limits_and_tries_are_those_of_the_file(resolution: Resolution) -> None:
    """What has a meaning has the one that it had."""
    spec = freeze(resolution.config, "tested")
    assert {name: spec.agents[name].max_retries for name in ("codex", "gemini")} == {
        "codex": 3,
        "gemini": 2,
    }
    assert spec.min_open_findings == 2
    assert freeze(resolution.config, "default").min_open_findings == 3


def test_step_that_is_left_out_is_told(resolution: Resolution) -> None:
    """The disabled agent's advice is not asked for, and that is said where it was written."""
    (note,) = remarks(resolution.config, WORKFLOWS)
    assert "workflows.thorough[1].agent: the agent 'copilot' is disabled" in note
