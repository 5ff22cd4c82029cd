"""YAML as a tree of values that know their file and line, read from text nobody has to trust.

The parser's events are counted as they come, so that a hostile file is refused while it is read:
size, depth, and the number of values once aliases are put in are bounded. Plain words mean what
YAML 1.2 says (`off` is a word, `true` is a truth); keys are text; tags beyond the core ones, merge
keys and keys that stand twice are refused. Nothing in here recurses over the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml
from yaml import events

from ai_orchestrator.base.errors import shorten
from ai_orchestrator.config.document_path import extend_path
from ai_orchestrator.config.files import CONFIG_LIMIT_BYTES
from ai_orchestrator.config.problems import ConfigError, ConfigProblem
from ai_orchestrator.model.task import Origin

MAX_VALUES = 100_000
"""Values in a document once aliases are put in; a guess, far above any real one."""
MAX_DEPTH = 50
MAX_NUMBER_CHARS = 18  # whole numbers of so many digits fit into 64 bits

Scalar = str | int | float | bool | None
PlainData = Scalar | list["PlainData"] | dict[str, "PlainData"]

_Loader: type[yaml.SafeLoader | yaml.CSafeLoader] = (
    yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
)
_CORE = "tag:yaml.org,2002:"
_CORE_KINDS: Mapping[str, type[Scalar]] = {
    f"{_CORE}null": type(None),
    f"{_CORE}bool": bool,
    f"{_CORE}int": int,
    f"{_CORE}float": float,
    f"{_CORE}str": str,
}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FRACTION = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its origin. Never changed once made: aliases share it."""

    value: Scalar | dict[str, Node] | tuple[Node, ...]
    origin: Origin


def parse_yaml(data: bytes, source: str) -> Node:
    """The document in `data`; an empty one is an empty map. `source` is what errors call it.

    Raises `ConfigError` with the line for anything that is not one plain document.
    """
    if len(data) > CONFIG_LIMIT_BYTES:
        raise _error(source, None, f"has {len(data):,} bytes; at most {CONFIG_LIMIT_BYTES:,}.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _error(source, line, "is not UTF-8 text.") from error
    return _Builder(source).build(text)


def scalar(text: str) -> Scalar:
    """What a plain word means in YAML 1.2; raises `ValueError` for a number that is too large."""
    if text in _NULLS:
        return None
    if text in _TRUTHS:
        return _TRUTHS[text]
    if _WHOLE.fullmatch(text):
        return _whole(text)
    if _FRACTION.fullmatch(text):
        return _fraction(text)
    return text


def plain(node: Node) -> PlainData:
    """The node's value without origins."""
    value = node.value
    if isinstance(value, dict):
        return {key: plain(child) for key, child in value.items()}
    if isinstance(value, tuple):
        return [plain(child) for child in value]
    return value


def origins(node: Node, path: str = "") -> Iterator[tuple[str, Origin]]:
    """The place of every value in the node, with its origin; the node itself is left out."""
    value = node.value
    if isinstance(value, dict):
        children: list[tuple[str, Node]] = [
            (extend_path(path, key), child) for key, child in value.items()
        ]
    elif isinstance(value, tuple):
        children = [(extend_path(path, index), child) for index, child in enumerate(value)]
    else:
        return
    for child_path, child in children:
        yield child_path, child.origin
        yield from origins(child, child_path)


def _whole(text: str) -> int:
    if len(text) > MAX_NUMBER_CHARS:
        raise ValueError("the number has too many digits")
    return int(text, 8) if text.startswith("0o") else int(text, 16 if "x" in text else 10)


def _fraction(text: str) -> float:
    number = math.inf if text[-1].isalpha() else float(text)  # .inf and .nan end in a letter
    if not math.isfinite(number):
        raise ValueError("the number is not finite")
    return number


@dataclass(slots=True)
class _Open:
    """A map or a list that is being read."""

    line: int
    anchor: str | None
    values_before: int
    is_map: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    key: str | None = None
    key_line: int = 0
    height: int = 1


@dataclass(frozen=True, slots=True)
class _Anchored:
    node: Node
    values: int
    height: int


class _Builder:
    """Makes nodes out of the events of one document, with a stack of its own."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._stack: list[_Open] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._values = 0
        self._root: Node | None = None
        self._documents = 0

    def build(self, text: str) -> Node:
        """The one document of the text."""
        try:
            for event in yaml.parse(text, Loader=_Loader):
                self._take(event)
        except yaml.YAMLError as error:
            raise self._syntax_error(error) from error
        if self._root is None or self._root.value is None:
            return Node({}, Origin(self._source, 1))
        return self._root

    def _take(self, event: events.Event) -> None:
        line = 1 if event.start_mark is None else event.start_mark.line + 1
        match event:
            case events.ScalarEvent():
                self._take_scalar(event, line)
            case events.MappingStartEvent() | events.SequenceStartEvent():
                self._open(event, line)
            case events.MappingEndEvent() | events.SequenceEndEvent():
                self._close()
            case events.AliasEvent():
                self._take_alias(event, line)
            case events.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise self._error(line, "a second document begins here; only one is read.")

    def _take_scalar(self, event: events.ScalarEvent, line: int) -> None:
        self._count(1, line)
        top = self._stack[-1] if self._stack else None
        if top is not None and top.is_map and top.key is None:
            self._take_key(top, event, line)
            return
        node = Node(self._scalar(event, line), Origin(self._source, line))
        self._remember(event.anchor, _Anchored(node, 1, 0))
        self._add(node, 0)

    def _take_key(self, top: _Open, event: events.ScalarEvent, line: int) -> None:
        key = event.value
        if event.tag not in (None, "!", f"{_CORE}str"):
            raise self._error(line, "a key with a tag; keys are plain text.")
        if key == "<<" and event.implicit[0]:
            raise self._error(line, "merge keys (<<) are not read; write the values out.")
        if key in top.entries:
            first = top.entries[key].origin.line
            raise self._error(line, f"the key '{shorten(key)}' stands in line {first} already.")
        top.key, top.key_line = key, line

    def _scalar(self, event: events.ScalarEvent, line: int) -> Scalar:
        is_plain = event.implicit[0] and event.tag != "!"
        if event.tag is not None and event.tag != "!":
            return self._tagged(event.tag, event.value, line)
        if not is_plain:
            return event.value
        return self._plain(event.value, line)

    def _tagged(self, tag: str, text: str, line: int) -> Scalar:
        """A value with a tag: `!!str` makes text, the other core tags must fit."""
        kind = _CORE_KINDS.get(tag)
        if kind is None:
            raise self._error(line, f"the tag '{shorten(tag)}' is not read; remove it.")
        if kind is str:
            return text
        value = self._plain(text, line)
        if type(value) is not kind:
            raise self._error(line, f"'{shorten(text)}' does not fit its tag.")
        return value

    def _plain(self, text: str, line: int) -> Scalar:
        try:
            return scalar(text)
        except ValueError as error:
            raise self._error(line, f"'{shorten(text)}': {error}.") from error

    def _open(self, event: events.MappingStartEvent | events.SequenceStartEvent, line: int) -> None:
        is_map = isinstance(event, events.MappingStartEvent)
        if event.tag not in (None, "!", f"{_CORE}{'map' if is_map else 'seq'}"):
            tag = shorten(event.tag or "")
            raise self._error(line, f"the tag '{tag}' is not read; remove it.")
        self._refuse_as_key(line)
        if len(self._stack) >= MAX_DEPTH:
            raise self._error(line, f"nested deeper than {MAX_DEPTH}.")
        self._count(1, line)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._stack.append(_Open(line, event.anchor, self._values - 1, is_map))

    def _close(self) -> None:
        done = self._stack.pop()
        value = done.entries if done.is_map else tuple(done.items)
        node = Node(value, Origin(self._source, done.line))
        self._remember(done.anchor, _Anchored(node, self._values - done.values_before, done.height))
        self._add(node, done.height)

    def _take_alias(self, event: events.AliasEvent, line: int) -> None:
        self._refuse_as_key(line)
        name = event.anchor or ""
        if name not in self._anchors:
            raise self._error(line, f"no anchor '{shorten(name)}' before this alias.")
        anchored = self._anchors[name]
        if anchored is None:
            raise self._error(line, f"the alias '{shorten(name)}' stands inside its own anchor.")
        if len(self._stack) + anchored.height > MAX_DEPTH:
            raise self._error(line, f"nested deeper than {MAX_DEPTH} with this alias.")
        self._count(anchored.values, line)
        self._add(Node(anchored.node.value, Origin(self._source, line)), anchored.height)

    def _add(self, node: Node, height: int) -> None:
        """Puts a finished value where it belongs. A map's entry counts from its key's line."""
        if not self._stack:
            self._root = node
            return
        top = self._stack[-1]
        top.height = max(top.height, height + 1)
        if not top.is_map:
            top.items.append(node)
            return
        if top.key is None:
            raise AssertionError("keys are taken before values")
        if node.origin.line != top.key_line:
            node = Node(node.value, Origin(self._source, top.key_line))
        top.entries[top.key] = node
        top.key = None

    def _remember(self, anchor: str | None, anchored: _Anchored) -> None:
        if anchor is not None:
            self._anchors[anchor] = anchored

    def _count(self, values: int, line: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise self._error(line, f"more than {MAX_VALUES:,} values with aliases put in.")

    def _refuse_as_key(self, line: int) -> None:
        if self._stack and self._stack[-1].is_map and self._stack[-1].key is None:
            raise self._error(line, "a key that is not plain text.")

    def _error(self, line: int | None, message: str) -> ConfigError:
        return _error(self._source, line, message)

    def _syntax_error(self, error: yaml.YAMLError) -> ConfigError:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else str(error)
        line = None if mark is None else mark.line + 1
        return self._error(line, f"not valid YAML: {shorten(problem or str(error))}.")


def _error(source: str, line: int | None, message: str) -> ConfigError:
    return ConfigError([ConfigProblem(message, "", source, line)])
