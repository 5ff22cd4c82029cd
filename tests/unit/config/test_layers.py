"""How layers and single settings come together."""

from __future__ import annotations

import pytest

from ai_orchestrator.config.layers import Setting, as_layer, find, merge_all
from ai_orchestrator.config.yaml_source import Node, Scalar, origins, parse_yaml, plain


def layer(text: str, source: str = "f") -> Node:
    """A layer from YAML."""
    return parse_yaml(text.encode(), source)


def test_maps_merge_and_lists_replace() -> None:
    """A higher layer says only what it changes; a list is one value."""
    merged = merge_all([layer("a: {x: 1, y: [1, 2]}\nb: 2"), layer("a: {y: [3], z: 4}\nc: 5")])
    assert plain(merged) == {"a": {"x": 1, "y": [3], "z": 4}, "b": 2, "c": 5}


def test_every_value_keeps_its_own_origin() -> None:
    """After merging it can still be told which file said what; a replaced list leaves nothing."""
    merged = merge_all([layer("a: {x: 1, y: [1, 2]}", "low"), layer("a: {y: [3]}", "high")])
    sources = {path: origin.source for path, origin in origins(merged)}
    assert sources == {"a": "high", "a.x": "low", "a.y": "high", "a.y[0]": "high"}


@pytest.mark.parametrize("upper", ["a: null", "a: 1", "a: [1]"])
def test_what_is_no_map_replaces_a_map(upper: str) -> None:
    """Only two maps are merged, so a value can also be taken back."""
    merged = merge_all([layer("a: {x: 1}"), layer(upper)])
    assert plain(merged) == plain(layer(upper))


def test_layers_themselves_stay_as_they_are() -> None:
    """Merging makes new values, since aliases share them."""
    low, high = layer("a: {x: 1}"), layer("a: {y: 2}")
    merge_all([low, high])
    assert plain(low) == {"a": {"x": 1}}
    assert plain(high) == {"a": {"y": 2}}


def setting(path: str, value: Scalar, source: str) -> Setting:
    """A setting at a dotted path."""
    return Setting.of(tuple(path.split(".")), value, source)


def test_settings_become_one_map() -> None:
    """Variables and flags are a layer like a file."""
    node, problems = as_layer([setting("a.b", 1, "X"), setting("a.c", 2, "Y")])
    assert plain(node) == {"a": {"b": 1, "c": 2}}
    assert problems == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a.b", 1), ("a.b", 2)),
        (("a.b", 1), ("a.b", True)),
        (("a", 1), ("a.b", 2)),
        (("a.b", 2), ("a", 1)),
    ],
    ids=["values", "types", "below", "above"],
)
def test_settings_that_disagree_are_a_problem_that_names_both(
    first: tuple[str, Scalar], second: tuple[str, Scalar]
) -> None:
    """An old and a new name with different values: nobody guesses which was meant."""
    _, problems = as_layer(
        [setting(*first, "environment OLD"), setting(*second, "environment NEW")]
    )
    assert len(problems) == 1
    assert "environment OLD" in str(problems[0])
    assert str(problems[0]).startswith("environment NEW")


def test_settings_that_agree_are_no_problem() -> None:
    """Two names for one thing may both be set, to the same."""
    node, problems = as_layer([setting("a.b", 1, "OLD"), setting("a.b", 1, "NEW")])
    assert (plain(node), problems) == ({"a": {"b": 1}}, ())


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (("a", "b", 1), 2),
        (("a", "b", 2), None),
        (("a", "x"), None),
        (("a", 0), None),
        (("a", "b", "c"), None),
        (("a", "b", 1, "c"), None),
    ],
)
def test_find_follows_keys_and_indices(keys: tuple[str | int, ...], expected: int | None) -> None:
    """What is not there is None, whatever stands in the way."""
    found = find(layer("a: {b: [1, 2]}"), keys)
    assert (found.value if found is not None else None) == expected
