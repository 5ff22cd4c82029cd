"""Properties of reading, merging and addressing configuration."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from ai_orchestrator.config.document_path import Keys, format_path, origin_of
from ai_orchestrator.config.layers import merge
from ai_orchestrator.config.problems import ConfigError
from ai_orchestrator.config.yaml_source import Node, origins, parse_yaml, plain
from ai_orchestrator.model.task import Origin

TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=8)
KEY = TEXT.filter(lambda key: key != "<<")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**15), 10**15),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    TEXT,
)
DATA = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEY, inner, max_size=3)),
    max_leaves=12,
)
MAPS = st.dictionaries(KEY, DATA, max_size=4)


def as_node(data: Any, source: str = "f") -> Node:
    """The data as a layer, by way of JSON, which is YAML."""
    return parse_yaml(json.dumps(data, ensure_ascii=False).encode(), source)


@given(MAPS)
def test_json_is_read_as_it_is(data: dict[str, Any]) -> None:
    """Whatever JSON says, the YAML reader says too."""
    assert plain(as_node(data)) == data


@given(st.binary(max_size=80))
@example(b"a: &x [*x, *x]")
@example(b"%YAML 1.3\n---\na: 1")
@example(b"? a\n? a\n")
@example(b"\xef\xbb\xbf\xef\xbb\xbf")
def test_any_bytes_are_a_document_or_refused(data: bytes) -> None:
    """Whatever a file holds, the only error is `ConfigError`, with the file's name."""
    try:
        node = parse_yaml(data, "f.yaml")
    except ConfigError as error:
        assert str(error).startswith("f.yaml")  # noqa: PT017 - either outcome is right
    else:
        json.dumps(plain(node))


YAML_LIKE = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            ": ",
            "- ",
            "\n",
            "  ",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "&x ",
            "*x",
            "!!str ",
            "? ",
            "|\n",
            "'",
            '"',
            "---\n",
            "<<",
            "# c",
        ]
    ),
    max_size=30,
).map("".join)


@given(YAML_LIKE)
def test_anything_like_yaml_is_a_document_or_refused(text: str) -> None:
    """Neither order of the parts of the syntax leads anywhere else."""
    try:
        node = parse_yaml(text.encode(), "f.yaml")
    except ConfigError:
        return
    paths = [path for path, _ in origins(node)]
    assert len(paths) == len(set(paths))


def leaves(data: Any, keys: Keys = ()) -> dict[Keys, Any]:
    """Every value that is no map, with its place."""
    if not isinstance(data, dict):
        return {keys: data}
    found: dict[Keys, Any] = {}
    for key, value in data.items():
        found.update(leaves(value, (*keys, key)))
    return found


def places(data: Any, keys: Keys = ()) -> set[Keys]:
    """Every place that something is said about, maps included."""
    found = {keys}
    for key, value in data.items() if isinstance(data, dict) else ():
        found |= places(value, (*keys, key))
    return found


@given(MAPS, MAPS)
@example({"a": None}, {"a": {}})
@example({"a": {"b": 1}}, {"a": {}})
def test_upper_layer_says_what_it_says_and_the_rest_stays(
    low: dict[str, Any], high: dict[str, Any]
) -> None:
    """Every leaf of the upper layer stands; a leaf below stands unless something covers it."""
    merged = leaves(plain(merge(as_node(low, "low"), as_node(high, "high"))))
    upper = leaves(high)
    assert all(merged[keys] == value for keys, value in upper.items())
    for keys, value in leaves(low).items():
        is_said_above = keys in places(high) or any(
            keys[:length] in upper for length in range(len(keys))
        )
        if not is_said_above:
            assert merged[keys] == value


@given(MAPS, MAPS)
def test_origins_tell_the_layer_that_wrote_a_value(
    low: dict[str, Any], high: dict[str, Any]
) -> None:
    """A value whose place the upper layer has comes from it, any other from below."""
    merged = merge(as_node(low, "low"), as_node(high, "high"))
    high_paths = {path for path, _ in origins(as_node(high))}
    for path, origin in origins(merged):
        assert origin.source == ("high" if path in high_paths else "low")


@given(MAPS)
def test_merging_with_itself_or_nothing_changes_nothing(data: dict[str, Any]) -> None:
    """A file that is named twice, or is empty, has no effect."""
    node, nothing = as_node(data), Node({}, Origin("none"))
    assert plain(merge(node, node)) == plain(merge(node, nothing)) == data
    assert plain(merge(nothing, node)) == data


KEYS = st.lists(st.one_of(TEXT, st.integers(0, 99)), max_size=4).map(tuple)


@given(KEYS, KEYS)
@example(("a.b",), ("a", "b"))
@example(("a", "0"), ("a", 0))
@example(("a[0]",), ("a", 0))
@example(("", "a"), ("a",))
@example(('a"]["b',), ("a", "b"))
def test_different_places_have_different_paths(left: Keys, right: Keys) -> None:
    """A path in a message means one place."""
    assert (format_path(left) == format_path(right)) == (left == right)


@given(MAPS, st.lists(st.one_of(KEY, st.integers(0, 3)), max_size=3).map(tuple))
def test_origin_of_any_place_is_that_of_the_nearest_value(
    data: dict[str, Any], further: Keys
) -> None:
    """What is missing is told at the line of what it is missing from."""
    node = as_node({"top": data}, "f")
    assert origin_of(dict(origins(node)), ("top", *further)).source == "f"
    assert origin_of(dict(origins(node)), ("other", *further)).source == ""
