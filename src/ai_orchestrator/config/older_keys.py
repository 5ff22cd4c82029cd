"""Keys that `agents.yaml` had in the past: renamed, or without effect; a note tells of each.

Files of the past keep working as they are. `resolve` puts every file through here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

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
        "`ai-orchestrator tasks apply`."
    ),
    ("settings", "workspace_dir"): (
        "Work happens in private trees in the data directory; AI_ORCHESTRATOR_HOME moves it."
    ),
    ("settings", "log_level"): "The runner writes to `logs/runner.log` in the data directory.",
    ("settings", "log_file"): "The runner writes to `logs/runner.log` in the data directory.",
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
"""Older key without effect -> what there is instead."""


@dataclass(slots=True)
class Renaming:
    """A document with today's keys, and what was found on the way."""

    node: Node
    notes: list[str] = field(default_factory=list)
    problems: list[ConfigProblem] = field(default_factory=list)


def with_todays_keys(node: Node) -> Renaming:
    """The document with renamed keys put right and those without effect left out.

    Both names of one thing with different values is a problem.
    """
    renaming = Renaming(node)
    for pattern, new in RENAMED.items():
        change = partial(_with_new_key, renaming, old=pattern[-1], new=new)
        renaming.node = _changed(renaming.node, pattern, change, ())
    for pattern, hint in RETIRED.items():
        change = partial(_without_key, renaming, old=pattern[-1], hint=hint)
        renaming.node = _changed(renaming.node, pattern, change, ())
    return renaming


def retired_hint(keys: Sequence[str | int]) -> str | None:
    """What there is instead of a key without effect; None for any other.

    Only for what did not come from a file: in a file they are left out before.
    """
    for pattern, hint in RETIRED.items():
        if len(pattern) == len(keys) and all(
            wanted in ("*", key) for wanted, key in zip(pattern, keys, strict=True)
        ):
            return hint
    return None


def _changed(node: Node, pattern: Pattern, change: Callable[[Node, Keys], Node], at: Keys) -> Node:
    """The document with the change made to every map that may hold the pattern's last key."""
    if not isinstance(node.value, dict):
        return node
    key, rest = pattern[0], pattern[1:]
    if not rest:
        return change(node, at)
    names = list(node.value) if key == "*" else [name for name in node.value if name == key]
    changed = {name: _changed(node.value[name], rest, change, (*at, name)) for name in names}
    return Node({**node.value, **changed}, node.origin)


def _with_new_key(renaming: Renaming, node: Node, at: Keys, *, old: str, new: str) -> Node:
    if not isinstance(node.value, dict) or old not in node.value:
        return node
    entries = dict(node.value)
    value = entries.pop(old)
    path = format_path((*at, old))
    if new in entries and entries[new].value != value.value:
        message = f"`{new}` says something else, and is the name of the same thing. Remove `{old}`."
        renaming.problems.append(ConfigProblem.at(value.origin, path, message))
        return node
    note = f"the name is now `{new}`; `{old}` will go away."
    renaming.notes.append(str(ConfigProblem.at(value.origin, path, note)))
    entries[new] = value
    return Node(entries, node.origin)


def _without_key(renaming: Renaming, node: Node, at: Keys, *, old: str, hint: str) -> Node:
    if not isinstance(node.value, dict) or old not in node.value:
        return node
    entries = dict(node.value)
    value = entries.pop(old)
    note = ConfigProblem.at(value.origin, format_path((*at, old)), f"has no effect. {hint}")
    renaming.notes.append(str(note))
    return Node(entries, node.origin)
