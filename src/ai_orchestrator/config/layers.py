"""One configuration out of several: maps merge, everything else is replaced. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from ai_orchestrator.config.document_path import Keys, format_path
from ai_orchestrator.config.problems import ConfigProblem
from ai_orchestrator.config.yaml_source import Node, Scalar, plain
from ai_orchestrator.model.task import Origin


@dataclass(frozen=True, slots=True)
class Setting:
    """One value for one place, from outside a file: a variable or a flag."""

    keys: tuple[str, ...]
    node: Node

    @classmethod
    def of(cls, keys: tuple[str, ...], value: Scalar, source: str) -> Setting:
        """A setting whose value is a single word, number or truth."""
        return cls(keys, Node(value, Origin(source)))


def merge(lower: Node, upper: Node) -> Node:
    """`upper` over `lower`: two maps are merged key by key, else `upper` stands alone.

    Keys of `lower` keep their order and come first.
    """
    if not isinstance(lower.value, dict) or not isinstance(upper.value, dict):
        return upper
    merged = dict(lower.value)
    for key, child in upper.value.items():
        merged[key] = merge(merged[key], child) if key in merged else child
    return Node(merged, upper.origin)


def merge_all(layers: Iterable[Node]) -> Node:
    """All layers, the first one lowest."""
    return reduce(merge, layers, Node({}, Origin("built-in")))


def as_layer(settings: Iterable[Setting]) -> tuple[Node, tuple[ConfigProblem, ...]]:
    """The settings as one map. Two that disagree about a place are a problem that names both."""
    root: dict[str, Node] = {}
    problems = []
    for setting in settings:
        rival = _rival(root, setting)
        if rival is None:
            _put(root, setting)
        else:
            problems.append(_conflict(setting, rival))
    return Node(root, Origin("environment")), tuple(problems)


def _rival(root: dict[str, Node], setting: Setting) -> Node | None:
    """What stands in the setting's way already; the same value again does not."""
    here = root
    for key in setting.keys[:-1]:
        child = here.get(key)
        if child is None:
            return None
        if not isinstance(child.value, dict):
            return child
        here = child.value
    there = here.get(setting.keys[-1])
    return None if there is None or _is_same(there, setting.node) else there


def _is_same(left: Node, right: Node) -> bool:
    """Equal, and of the same type: 1 is not `true`."""
    return repr(plain(left)) == repr(plain(right))


def _put(root: dict[str, Node], setting: Setting) -> None:
    here = root
    for key in setting.keys[:-1]:
        child = here.setdefault(key, Node({}, setting.node.origin))
        assert isinstance(child.value, dict)  # a rival was looked for before
        here = child.value
    here[setting.keys[-1]] = setting.node


def _conflict(setting: Setting, rival: Node) -> ConfigProblem:
    return ConfigProblem.at(
        setting.node.origin,
        format_path(setting.keys),
        f"{rival.origin.source} says something else about this. Set one of them only.",
    )


def find(node: Node, keys: Keys) -> Node | None:
    """The node at that place, None where there is none."""
    here: Node | None = node
    for key in keys:
        if here is None:
            return None
        if isinstance(here.value, dict) and isinstance(key, str):
            here = here.value.get(key)
        elif isinstance(here.value, tuple) and isinstance(key, int) and key < len(here.value):
            here = here.value[key]
        else:
            return None
    return here
