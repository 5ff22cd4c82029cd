"""The shape of a document checked against the schema: every fault at once, in words for people.

`jsonschema` is imported when it is needed and not before: it takes longer than the whole of an
ordinary start. Called by `load.check` alone.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ai_orchestrator.base.errors import shorten
from ai_orchestrator.config.document_path import Keys
from ai_orchestrator.config.older_keys import retired_hint
from ai_orchestrator.config.problems import known_names
from ai_orchestrator.workflows.loading.document import (
    DURATION_PATTERN,
    IDENTIFIER_PATTERN,
    NAME_PATTERN,
    VARIABLE_PATTERN,
)
from ai_orchestrator.workflows.loading.faults import Fault
from ai_orchestrator.workflows.loading.schema import Schema, json_schema

if TYPE_CHECKING:
    from jsonschema import ValidationError

_TYPE_NAMES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a map",
}
_PATTERN_NAMES = {
    DURATION_PATTERN: "a duration such as 30s, 10m or 2h",
    NAME_PATTERN: "a name of lower-case letters, digits, hyphens and underscores",
    IDENTIFIER_PATTERN: "a name of lower-case letters, digits and hyphens",
    VARIABLE_PATTERN: "the name of a variable",
}
_MISSING = "is missing, and has no default."
_NAMED_SECTIONS = frozenset({"agents", "accounts", "workflows", "prompts"})
_OLD_TRUTHS = frozenset({"yes", "no", "on", "off"})


def shape_faults(document: Mapping[str, Any]) -> list[Fault]:
    """Everything that does not fit the schema, in the order of the document."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see the module's docstring

    validator = Draft202012Validator(json_schema())
    faults: dict[Fault, None] = {}
    for error in validator.iter_errors(document):
        for fault in _faults(_read(error)):
            faults[fault] = None
    return list(faults)


def without_faults(document: Mapping[str, Any], faults: Iterable[Fault]) -> dict[str, Any] | None:
    """A copy without the faulty parts, so that the rest can be looked at; None when too little is.

    A faulty list item takes its list with it, so that no index changes.
    """
    pruned = copy.deepcopy(dict(document))
    for fault in faults:
        keys = _prunable(document, fault.keys)
        if not keys or (len(keys) <= 2 and keys[0] in _NAMED_SECTIONS):
            return None
        _remove(pruned, keys)
    return pruned


def _prunable(document: Mapping[str, Any], keys: Keys) -> Keys:
    """The nearest place around that exists and is an entry of a map."""
    while keys and (isinstance(keys[-1], int) or not _exists(document, keys)):
        keys = keys[:-1]
    return keys


def _exists(document: Mapping[str, Any], keys: Keys) -> bool:
    here: Any = document
    for key in keys:
        try:
            here = here[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _remove(document: dict[str, Any], keys: Keys) -> None:
    here: Any = document
    for key in keys[:-1]:
        try:
            here = here[key]
        except (KeyError, IndexError):
            return  # removed with something around it
    here.pop(keys[-1], None)


@dataclass(frozen=True, slots=True)
class _Error:
    """What one error of the library says."""

    keys: Keys
    rule: str
    asked: Any
    """What the schema says under the rule's name."""
    instance: Any
    schema: Schema
    is_about_name: bool
    """The instance is a key of the map at `keys`."""
    inner: tuple[tuple[int, ValidationError], ...]
    """Errors of alternatives, each with the alternative's index."""


def _read(error: ValidationError) -> _Error:
    inner = tuple((int(one.schema_path[0]), one) for one in error.context or ())
    return _Error(
        keys=tuple(error.absolute_path),
        rule=str(error.validator),
        asked=error.validator_value,
        instance=error.instance,
        schema=dict(error.schema) if isinstance(error.schema, Mapping) else {},
        is_about_name="propertyNames" in error.absolute_schema_path,
        inner=inner,
    )


def _faults(error: _Error) -> Iterator[Fault]:
    match error.rule:
        case "anyOf":
            yield from _of_alternatives(error)
        case "additionalProperties":
            yield from _unknown_keys(error)
        case "required":
            missing = [name for name in error.asked if name not in error.instance]
            yield from (Fault((*error.keys, name), _MISSING) for name in missing)
        case _ if error.is_about_name:
            yield Fault((*error.keys, str(error.instance)), _wrong_name(str(error.instance)))
        case _:
            yield Fault(error.keys, _expected_but(error.instance, [_resolved(error.schema)]))


def _unknown_keys(error: _Error) -> Iterator[Fault]:
    known = error.schema["properties"]
    for name in error.instance:
        if name in known:
            continue
        keys = (*error.keys, name)
        hint = retired_hint(keys)
        if hint is None:
            yield Fault(keys, f"no key '{shorten(name)}' here. {known_names(known, name)}")
        else:
            yield Fault(keys, f"this key has no meaning any more. {hint} Remove it.")


def _of_alternatives(error: _Error) -> Iterator[Fault]:
    """The faults of the alternative that is meant, judged by the value's type."""
    alternatives = [_resolved(schema) for schema in error.asked]
    meant = [
        index for index, schema in enumerate(alternatives) if _has_type(error.instance, schema)
    ]
    if len(meant) != 1 or "enum" in alternatives[meant[0]]:
        yield Fault(error.keys, _expected_but(error.instance, alternatives))
        return
    for index, inner in error.inner:
        if index == meant[0]:
            yield from _faults(_read(inner))


def _has_type(instance: object, schema: Schema) -> bool:
    if "enum" in schema:
        return isinstance(instance, str)
    return _type_name(instance) in _fitting(schema.get("type", ""))


def _fitting(type_name: str) -> tuple[str, ...]:
    return ("number", "integer") if type_name == "number" else (type_name,)


def _type_name(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    names: Sequence[tuple[type, str]] = (
        (str, "string"),
        (int, "integer"),
        (float, "number"),
        (list, "array"),
        (dict, "object"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "null")


def _resolved(schema: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Schema = json_schema()["$defs"][str(reference).rsplit("/", 1)[-1]]
    return found


def _expected_but(instance: object, schemas: Iterable[Schema]) -> str:
    """What was expected in place of the value, in one or two sentences."""
    wanted = [schema for schema in schemas if schema.get("type") != "null"]
    words = " or ".join(dict.fromkeys(map(expected, wanted)))
    return f"expected {words}, not {_shown(instance)}.{_guess(instance, wanted)}"


def _guess(instance: object, wanted: Sequence[Schema]) -> str:
    """What may have been meant by a word that does not fit."""
    if not isinstance(instance, str):
        return ""
    if instance.lower() in _OLD_TRUTHS and any(one.get("type") == "boolean" for one in wanted):
        return " Write true or false where a truth is meant."
    known = [word for schema in wanted for word in schema.get("enum", ())]
    close = difflib.get_close_matches(instance, known, n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def expected(schema: Schema) -> str:
    """What a value that fits the schema is, in words: `a number` or `text or a list`."""
    schema = _resolved(schema)
    if "anyOf" in schema:
        parts = [part for part in schema["anyOf"] if part.get("type") != "null"]
        if any(part.get("pattern") == DURATION_PATTERN for part in parts):
            return "seconds, or a duration such as 30s, 10m or 2h"
        return " or ".join(dict.fromkeys(map(expected, parts)))
    if "enum" in schema:
        return " or ".join(f"'{word}'" for word in schema["enum"])
    if schema.get("pattern") in _PATTERN_NAMES:
        return _PATTERN_NAMES[schema["pattern"]]
    return f"{_TYPE_NAMES[schema['type']]}{_bounds(schema)}"


def _bounds(schema: Schema) -> str:
    """What else the schema asks of a value of the right type."""
    if schema.get("minLength") or schema.get("minItems"):
        return " that is not empty"
    if "maximum" not in schema:
        return ""
    if "minimum" in schema:
        return f" from {schema['minimum']} to {schema['maximum']}"
    return f" above {schema['exclusiveMinimum']} and at most {schema['maximum']}"


def _wrong_name(name: str) -> str:
    return (
        f"'{shorten(name)}' is no name: at most 63 lower-case letters, digits, hyphens and "
        "underscores, a letter or digit first."
    )


def _shown(instance: object) -> str:
    match instance:
        case None:
            return "nothing"
        case bool():
            return "true" if instance else "false"
        case str():
            return f"'{shorten(instance)}'" if instance else "an empty text"
        case int() | float():
            return str(instance)
        case list():
            return "a list" if instance else "an empty list"
        case _:
            return "a map"
