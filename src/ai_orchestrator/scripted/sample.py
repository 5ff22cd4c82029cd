"""A plausible value for a JSON schema: for auxiliary calls, and for arguments we have no value for.

Agents ask the model side questions ("who speaks next?", "a title, please") whose answer has to fit
a schema. The scripted model has no opinion, so it gives the first value that fits.
"""

from __future__ import annotations

from collections.abc import Mapping

LIMIT_DEPTH = 8  # a guess; also ends schemas that refer to themselves


def sample(schema: object) -> object:
    """The first value that fits: first of an enum, first alternative, no items, all properties."""
    return _sample(schema, schema, LIMIT_DEPTH)


def _sample(schema: object, root: object, depth: int) -> object:
    if not isinstance(schema, Mapping) or depth == 0:
        return "scripted"
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _sample(_resolve(reference, root), root, depth - 1)
    if "const" in schema:
        return schema["const"]
    for key in ("enum", "anyOf", "oneOf", "allOf"):
        options = schema.get(key)
        if isinstance(options, list) and options:
            return options[0] if key == "enum" else _sample(options[0], root, depth - 1)
    return _of_type(schema, root, depth)


def _of_type(schema: Mapping[object, object], root: object, depth: int) -> object:
    name = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(name, list):
        name = name[0] if name else "string"
    name = str(name).lower()  # Gemini's own schemas write OBJECT
    properties = schema.get("properties")
    if name == "object":
        properties = properties if isinstance(properties, Mapping) else {}
        return {key: _sample(value, root, depth - 1) for key, value in properties.items()}
    if name in {"integer", "number"}:
        return schema.get("minimum", 1)
    plain: dict[str, object] = {"array": [], "boolean": False, "null": None}
    return plain.get(name, "scripted")


def _resolve(reference: str, root: object) -> object:
    """What `#/a/b` points at inside the same schema; None where that is nothing."""
    found = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
