"""The configuration that stands in environment variables: `AI_ORCHESTRATOR_SECTION__KEY`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ai_orchestrator.base.errors import shorten
from ai_orchestrator.config.agents_found import MODEL_VARIABLE
from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.layers import Setting, as_layer
from ai_orchestrator.config.model_url import model_url_problem
from ai_orchestrator.config.older_names import OLDER_NAMES, OlderName
from ai_orchestrator.config.paths import CONFIG_VARIABLE, HOME_VARIABLE
from ai_orchestrator.config.problems import ConfigError, ConfigProblem, known_names
from ai_orchestrator.config.yaml_source import Node, parse_yaml, scalar
from ai_orchestrator.model.task import Origin

PREFIX = "AI_ORCHESTRATOR_"
SEPARATOR = "__"
PROGRAM_VARIABLES = frozenset(
    {
        HOME_VARIABLE,
        CONFIG_VARIABLE,
        MODEL_VARIABLE,
        "AI_ORCHESTRATOR_MODEL_API",
        "AI_ORCHESTRATOR_MODEL_KEY",
        "AI_ORCHESTRATOR_MODEL_KEY_FILE",
        "AI_ORCHESTRATOR_TREE",
    }
)
"""Variables with the prefix that are no settings: where things are, the built-in agent's model, and
the mark that processes of a task carry."""

# Kubernetes gives every pod variables for the services of its namespace; ours begin like this.
_SERVICE_LINK = re.compile(
    r"_SERVICE_HOST|_SERVICE_PORT(?:_[A-Z0-9_]+)?|_PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)?"
)


@dataclass(frozen=True, slots=True)
class _Read:
    setting: Setting | None = None
    problem: ConfigProblem | None = None


def environment_layer(
    environment: Environment, below: Node
) -> tuple[Node, tuple[ConfigProblem, ...]]:
    """The settings in the environment as a layer, and what is wrong with them.

    `below` is the configuration so far: a part of a name means the key there that it spells,
    so that `REVIEW_ONLY` finds `review-only`.
    """
    read = [*_own(environment, below), *_older(environment), *_model(environment)]
    layer, conflicts = as_layer(one.setting for one in read if one.setting is not None)
    problems = [one.problem for one in read if one.problem is not None]
    return layer, (*problems, *conflicts)


def _own(environment: Environment, below: Node) -> Iterator[_Read]:
    for name in sorted(environment.variables):
        value = environment.get(name)
        if not name.startswith(PREFIX) or name in PROGRAM_VARIABLES or value is None:
            continue
        rest = name.removeprefix(PREFIX)
        if SEPARATOR in rest:
            yield _read_own(name, rest.split(SEPARATOR), value, below)
        elif not _is_service_link(rest):
            yield _Read(problem=_unknown(name))


def _is_service_link(rest: str) -> bool:
    match = re.search(_SERVICE_LINK.pattern + r"\Z", f"_{rest}")
    return match is not None


def _read_own(name: str, parts: list[str], value: str, below: Node) -> _Read:
    origin = Origin(f"environment {name}")
    if not all(parts):
        message = f"The form is {PREFIX}SECTION{SEPARATOR}KEY, with no part empty."
        return _Read(problem=ConfigProblem.at(origin, "", message))
    try:
        node = _value(value, origin)
    except ConfigError as error:
        return _Read(problem=error.problems[0])
    except ValueError as error:
        message = f"'{shorten(value)}': {error}."
        return _Read(problem=ConfigProblem.at(origin, "", message))
    return _Read(Setting(_spelled(parts, below), node))


def _value(text: str, origin: Origin) -> Node:
    """A word, number or truth; text that begins like one is read as a YAML list, map or string."""
    if text[0] in "[{\"'":
        return Node(parse_yaml(text.encode(), origin.source).value, origin)
    return Node(scalar(text), origin)


def _spelled(parts: list[str], below: Node) -> tuple[str, ...]:
    """The keys that the parts of a name spell: those that exist, else the parts in lower case."""
    keys: list[str] = []
    here: Node | None = below
    for part in parts:
        entries = here.value if here is not None and isinstance(here.value, dict) else {}
        wanted = part.lower()
        found = [key for key in entries if key.lower().replace("-", "_") == wanted]
        keys.append(found[0] if found else wanted)
        here = entries.get(keys[-1])
    return tuple(keys)


def _model(environment: Environment) -> Iterator[_Read]:
    """What is wrong with the address of the built-in agent's model: no task has to find it out."""
    value = environment.get(MODEL_VARIABLE)
    problem = "" if value is None else model_url_problem(value)
    if problem:
        origin = Origin(f"environment {MODEL_VARIABLE}")
        yield _Read(problem=ConfigProblem.at(origin, "", problem))


def _unknown(name: str) -> ConfigProblem:
    message = (
        f"No such variable. Settings have the form {PREFIX}SECTION{SEPARATOR}KEY. "
        f"{known_names(PROGRAM_VARIABLES, name)}"
    )
    return ConfigProblem.at(Origin(f"environment {name}"), "", message)


def _older(environment: Environment) -> Iterator[_Read]:
    for name, row in OLDER_NAMES.items():
        value = environment.get(name)
        if value is None or row.is_shared:
            continue
        if not row.harmless or value.lower() != row.harmless:
            yield _read_older(row, value)


def _read_older(row: OlderName, value: str) -> _Read:
    origin = Origin(f"environment {row.name}")
    if row.keys is None:
        message = f"This variable has no meaning here. {row.hint} Unset it."
        return _Read(problem=ConfigProblem.at(origin, "", message))
    try:
        return _Read(Setting(row.keys, Node(row.read(value), origin)))
    except ValueError as error:
        message = f"'{shorten(value)}': {error}."
        return _Read(problem=ConfigProblem.at(origin, "", message))
