"""Places in a document: `workflows.default.steps[1].agent`, as a tuple of keys and as text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from ai_orchestrator.model.task import Origin

Keys = tuple[str | int, ...]
"""Map keys and list indices from the top of the document."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
NOWHERE = Origin(source="")
"""The origin of what nobody wrote."""


def format_path(keys: Keys) -> str:
    """The text form; two different places never have the same."""
    text = ""
    for key in keys:
        text = extend_path(text, key)
    return text


def extend_path(path: str, key: str | int) -> str:
    """The text form of the place below `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not _PLAIN.fullmatch(key):
        return f"{path}[{json.dumps(key)}]"
    return f"{path}.{key}" if path else key


def origin_of(origins: Mapping[str, Origin], keys: Keys) -> Origin:
    """Where the value came from, or the nearest one around it; `NOWHERE` when there is none."""
    for length in range(len(keys), 0, -1):
        origin = origins.get(format_path(keys[:length]))
        if origin is not None:
            return origin
    return NOWHERE
