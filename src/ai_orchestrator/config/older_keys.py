"""Keys that `agents.yaml` had in the past: renamed with a note, or refused with what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ai_orchestrator.config.document_path import Keys, format_path
from ai_orchestrator.config.problems import ConfigProblem
from ai_orchestrator.config.yaml_source import Node

Pattern = tuple[str, ...]
"""Keys from the top; `*` stands for any name."""

RENAMED: Mapping[Pattern, str] = {
    ("settings", "min_suggestions_threshold"): "min_open_findings",
    ("workflows", "*", "min_suggestions_threshold"): "min_open_findings",
}
"""Older key -> its name now. The meaning is the same."""

RETIRED: Mapping[Pattern, str] = {
    ("settings", "output_dir"): (
        "Give `run --output DIR` for a repository with the result, or bring it into yours with "
        "`ai-orchestrator apply`."
    ),
    ("settings", "workspace_dir"): (
        "Work happens in private trees in the data directory; AI_ORCHESTRATOR_HOME moves it."
    ),
    ("settings", "log_file"): "Logs are written to `logs/` in the data directory.",
    ("settings", "create_reports"): (
        "Every task keeps its record: `ai-orchestrator tasks show ID`, or `run --json`."
    ),
    ("settings", "reports_dir"): (
        "Every task keeps its record: `ai-orchestrator tasks show ID`, or `run --json`."
    ),
    ("settings", "colored_output"): (
        "Output is coloured on a terminal only; the variable NO_COLOR switches it off."
    ),
    ("settings", "rate_limiting"): (
        "An agent's limits are followed by waiting for its quota; spending is bounded by "
        "`max_cost_usd` and `max_tokens`."
    ),
    ("rate_limiting",): (
        "An agent's limits are followed by waiting for its quota; spending is bounded by "
        "`max_cost_usd` and `max_tokens`."
    ),
    ("workflows", "*", "optional"): "Write `optional: true` at the steps that may fail.",
}
"""Older key -> what to do instead. Each is refused, since it would have no effect."""


@dataclass(slots=True)
class Renaming:
    """A document with today's keys, and what was found on the way."""

    node: Node
    notes: list[str] = field(default_factory=list)
    problems: list[ConfigProblem] = field(default_factory=list)


def with_todays_keys(node: Node) -> Renaming:
    """The document with renamed keys put right. Both names with different values is a problem."""
    renaming = Renaming(node)
    for pattern, new in RENAMED.items():
        renaming.node = _renamed(renaming, renaming.node, pattern, new, ())
    return renaming


def retired_hint(keys: Sequence[str | int]) -> str | None:
    """What to do instead of a retired key; None for any other."""
    for pattern, hint in RETIRED.items():
        if len(pattern) == len(keys) and all(
            wanted in ("*", key) for wanted, key in zip(pattern, keys, strict=True)
        ):
            return hint
    return None


def _renamed(renaming: Renaming, node: Node, pattern: Pattern, new: str, at: Keys) -> Node:
    if not isinstance(node.value, dict):
        return node
    key, rest = pattern[0], pattern[1:]
    if not rest:
        return _with_new_key(renaming, node, key, new, at)
    names = list(node.value) if key == "*" else [name for name in node.value if name == key]
    changed = {name: _renamed(renaming, node.value[name], rest, new, (*at, name)) for name in names}
    return Node({**node.value, **changed}, node.origin)


def _with_new_key(renaming: Renaming, node: Node, old: str, new: str, at: Keys) -> Node:
    if not isinstance(node.value, dict) or old not in node.value:
        return node
    entries = dict(node.value)
    value = entries.pop(old)
    path, origin = format_path((*at, old)), value.origin
    if new in entries and entries[new].value != value.value:
        message = f"`{new}` says something else, and is the name of the same thing. Remove `{old}`."
        renaming.problems.append(ConfigProblem.at(origin, path, message))
        return node
    place = origin.source if origin.line is None else f"{origin.source}:{origin.line}"
    renaming.notes.append(f"{place} {path}: the name is now `{new}`; `{old}` will go away.")
    entries[new] = value
    return Node(entries, node.origin)
