"""Files that a configuration names, put into it: prompts as text, workflows as maps or lists.

Done by the client, since the server may stand on another machine. A reference is relative to the
file that holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.config.document_path import format_path
from ai_orchestrator.config.layers import find, merge
from ai_orchestrator.config.problems import ConfigError, ConfigProblem
from ai_orchestrator.config.yaml_source import Node, parse_yaml
from ai_orchestrator.model.task import Origin

ReferenceReader = Callable[[str], bytes]
"""Reference as written -> content of the file; raises `BadInputError` when it may not be read."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that a prompt or a workflow names."""

    keys: tuple[str, str]
    """Such as `prompts`, `review`."""
    file: str
    origin: Origin


def references(document: Node) -> Iterator[Reference]:
    """The files that a document names, in its order."""
    for section in ("prompts", "workflows"):
        entries = find(document, (section,))
        if entries is None or not isinstance(entries.value, dict):
            continue
        for name in entries.value:
            file = find(document, (section, name, "file"))
            if file is not None and isinstance(file.value, str):
                yield Reference((section, name), file.value, file.origin)


def with_files(document: Node, read: ReferenceReader) -> tuple[Node, tuple[ConfigProblem, ...]]:
    """The document with every named file put in its place, and what is wrong with the others."""
    problems: list[ConfigProblem] = []
    for reference in list(references(document)):
        try:
            document = _with_file(document, reference, read(reference.file))
        except ConfigError as error:
            problems.extend(error.problems)
        except BadInputError as error:
            path = format_path((*reference.keys, "file"))
            problems.append(ConfigProblem.at(reference.origin, path, str(error)))
    return document, tuple(problems)


def _with_file(document: Node, reference: Reference, data: bytes) -> Node:
    source = _source(reference)
    owner = find(document, reference.keys)
    assert owner is not None
    assert isinstance(owner.value, dict)
    rest = {key: child for key, child in owner.value.items() if key != "file"}
    if reference.keys[0] == "prompts":
        new = _prompt(reference, rest, data, source)
    else:
        new = _workflow(reference, rest, data, source)
    return _replaced(document, reference.keys, new)


def _prompt(reference: Reference, rest: dict[str, Node], data: bytes, source: str) -> Node:
    if "text" in rest:
        raise _problem(reference, "`file` and `text` exclude each other.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _problem(reference, f"{source} is not UTF-8 text.") from error
    return Node({**rest, "text": Node(text, Origin(source, 1))}, reference.origin)


def _workflow(reference: Reference, rest: dict[str, Node], data: bytes, source: str) -> Node:
    content = parse_yaml(data, source)
    if not rest:
        return content
    if not isinstance(content.value, dict):
        raise _problem(reference, f"{source} holds a list, so `file` must stand alone here.")
    return merge(content, Node(rest, reference.origin))


def _source(reference: Reference) -> str:
    """What errors call the file: its path beside that of the file that names it."""
    return str(PurePosixPath(reference.origin.source).parent / reference.file)


def _problem(reference: Reference, message: str) -> ConfigError:
    path = format_path((*reference.keys, "file"))
    return ConfigError([ConfigProblem.at(reference.origin, path, message)])


def _replaced(document: Node, keys: tuple[str, ...], new: Node) -> Node:
    if not keys:
        return new
    assert isinstance(document.value, dict)
    child = _replaced(document.value[keys[0]], keys[1:], new)
    return Node({**document.value, keys[0]: child}, document.origin)
