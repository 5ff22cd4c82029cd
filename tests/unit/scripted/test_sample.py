"""Values that fit a schema."""

from __future__ import annotations

import pytest

from ai_orchestrator.scripted.sample import sample


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"enum": ["user", "model"]}, "user"),
        ({"const": 7}, 7),
        ({"type": "string"}, "scripted"),
        ({"type": "INTEGER"}, 1),
        ({"type": "number", "minimum": 3}, 3),
        ({"type": "boolean"}, False),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": ["null", "string"]}, None),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        (
            {"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}},
            {"a": 1, "b": "scripted"},
        ),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"const": 2}}}, 2),
        ({"$ref": "#/$defs/x"}, "scripted"),
        (True, "scripted"),
    ],
)
def test_value_fits_the_schema(schema: object, expected: object) -> None:
    """The first value that each kind of schema allows."""
    assert sample(schema) == expected


def test_schema_that_refers_to_itself_ends() -> None:
    """A tree has no last branch; the sample has."""
    node = {"type": "object", "properties": {"child": {"$ref": "#/$defs/node"}}}
    assert isinstance(sample({"$ref": "#/$defs/node", "$defs": {"node": node}}), dict)
