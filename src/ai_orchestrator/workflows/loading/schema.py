"""The JSON Schema of `agents.yaml`, made from the structs in `document`.

    python -m ai_orchestrator.workflows.loading.schema > docs/reference/agents.schema.json

Editors read the file; `shape` checks documents by the same schema.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any

import msgspec

from ai_orchestrator.workflows.loading.document import Document

Schema = dict[str, Any]  # JSON, of a shape that only jsonschema knows


@cache
def json_schema() -> Schema:
    """The schema, strict: every key that is not in it is wrong. Not to be changed."""
    generated = msgspec.json.schema(Document)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "agents.yaml of ai-orchestrator",
        **_without_null_defaults(generated),
    }


def schema_text() -> str:
    """The schema as it stands in the reference."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _without_null_defaults(schema: Schema) -> Schema:
    """`"default": null` says nothing: null means that a key is not set."""
    cleaned: Schema = {}
    for key, value in schema.items():
        if key == "default" and value is None:
            continue
        cleaned[key] = _cleaned(value)
    return cleaned


def _cleaned(value: object) -> object:
    if isinstance(value, dict):
        return _without_null_defaults(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return value


if __name__ == "__main__":
    sys.stdout.write(schema_text())
