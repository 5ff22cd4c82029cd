"""Keys of the past: renamed with a note, or told what to do instead."""

from __future__ import annotations

import pytest

from ai_orchestrator.config.older_keys import retired_hint, with_todays_keys
from ai_orchestrator.config.yaml_source import origins, parse_yaml, plain

OLD = (
    "settings: {min_suggestions_threshold: 3}\nworkflows:\n  a:\n    min_suggestions_threshold: 2\n"
)


def test_renamed_keys_get_their_name_of_today() -> None:
    """The meaning stays, in settings and in every workflow."""
    renaming = with_todays_keys(parse_yaml(OLD.encode(), "f"))
    assert plain(renaming.node) == {
        "settings": {"min_open_findings": 3},
        "workflows": {"a": {"min_open_findings": 2}},
    }
    assert renaming.problems == []


def test_renamed_key_is_noted_with_its_place() -> None:
    """People are told once per place, and the value keeps its origin."""
    renaming = with_todays_keys(parse_yaml(OLD.encode(), "f"))
    assert renaming.notes[1].startswith("f:4 workflows.a.min_suggestions_threshold:")
    assert "`min_open_findings`" in renaming.notes[1]
    assert dict(origins(renaming.node))["workflows.a.min_open_findings"].line == 4


@pytest.mark.parametrize(("new", "problems"), [(3, 0), (4, 1)])
def test_both_names_with_different_values_are_a_problem(new: int, problems: int) -> None:
    """Both names with the same value are not."""
    text = f"settings: {{min_suggestions_threshold: 3, min_open_findings: {new}}}"
    assert len(with_todays_keys(parse_yaml(text.encode(), "f")).problems) == problems


@pytest.mark.parametrize("text", ["settings: 3", "workflows: [1]", "workflows: {a: [1]}", "{}"])
def test_document_of_another_shape_is_left_alone(text: str) -> None:
    """The check of the shape tells what is wrong with it."""
    node = parse_yaml(text.encode(), "f")
    assert plain(with_todays_keys(node).node) == plain(node)


WITHOUT_EFFECT = """\
settings:
  max_iterations: 2
  output_dir: ./output
  log_level: INFO
rate_limiting: {enabled: true}
workflows:
  ship: {optional: true, steps: []}
"""


def test_keys_without_effect_are_left_out_and_told() -> None:
    """A file of the past still loads, and nobody believes that its words do something."""
    renaming = with_todays_keys(parse_yaml(WITHOUT_EFFECT.encode(), "f"))
    assert plain(renaming.node) == {
        "settings": {"max_iterations": 2},
        "workflows": {"ship": {"steps": []}},
    }
    assert renaming.problems == []
    told = {note.partition(": ")[0]: note for note in renaming.notes}
    assert set(told) == {
        "f:3 settings.output_dir",
        "f:4 settings.log_level",
        "f:5 rate_limiting",
        "f:7 workflows.ship.optional",
    }
    assert all("has no effect. " in note for note in told.values())
    assert "run --output" in told["f:3 settings.output_dir"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (("settings", "output_dir"), "run --output"),
        (("settings", "colored_output"), "NO_COLOR"),
        (("workflows", "ship", "optional"), "steps"),
        (("rate_limiting",), "max_cost_usd"),
    ],
)
def test_keys_without_effect_say_what_there_is_instead(keys: tuple[str, ...], words: str) -> None:
    """Every key of the past that has no meaning leads to one that has."""
    hint = retired_hint(keys)
    assert hint is not None
    assert words in hint


@pytest.mark.parametrize("keys", [("settings", "max_iterations"), ("optional",), ()])
def test_other_keys_have_no_such_hint(keys: tuple[str, ...]) -> None:
    """A pattern fits whole places only."""
    assert retired_hint(keys) is None
