"""Which agents of the configuration are installed: `enabled: auto` becomes `true` or `missing`.

Done by the client, whose PATH decides; a server that gets the task knows no other.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.layers import find
from ai_orchestrator.config.yaml_source import Node
from ai_orchestrator.model.task import Origin

AUTO = "auto"
MISSING = "missing"
BUILT_IN_DRIVER = "builtin"
MODEL_VARIABLE = "AI_ORCHESTRATOR_MODEL_URL"
"""Leads the built-in agent, which needs no program, to a model. A vendor's key alone does not: who
has one for another program did not ask for this one to spend on it."""

MODEL_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
"""The vendors' keys that it works with once it is enabled."""


def with_agents_found(document: Node, environment: Environment) -> Node:
    """The document in which no agent is left `auto`; what cannot be understood is left alone."""
    agents = find(document, ("agents",))
    if agents is None or not isinstance(agents.value, dict) or not isinstance(document.value, dict):
        return document
    found = {name: _found(agent, environment) for name, agent in agents.value.items()}
    return Node({**document.value, "agents": Node(found, agents.origin)}, document.origin)


def _found(agent: Node, environment: Environment) -> Node:
    enabled, driver = find(agent, ("enabled",)), find(agent, ("driver",))
    if enabled is None or enabled.value != AUTO or not isinstance(agent.value, dict):
        return agent
    if driver is not None and driver.value == BUILT_IN_DRIVER:
        return _enabled(agent, _model_found(agent, environment))
    program = _program(find(agent, ("command",)))
    if program is None:
        return agent
    place = find_program(program, environment)
    if place is None:
        return _enabled(agent, Node(MISSING, Origin(f"no program '{program}' on the PATH")))
    return _enabled(agent, Node(value=True, origin=Origin(f"found {place}")))


def _model_found(agent: Node, environment: Environment) -> Node:
    if find(agent, ("options", "url")) is not None:
        return Node(value=True, origin=Origin("its model is named by `options.url`"))
    if environment.get(MODEL_VARIABLE) is not None:
        return Node(value=True, origin=Origin(f"its model is named by {MODEL_VARIABLE}"))
    return Node(MISSING, Origin(_model_missing(environment)))


def _model_missing(environment: Environment) -> str:
    told = f"no model is named for it: {MODEL_VARIABLE} is not set, nor its `options.url`"
    keys = [name for name in MODEL_KEYS if environment.get(name) is not None]
    return f"{told}; {' and '.join(keys)} alone does not enable it" if keys else told


def _enabled(agent: Node, enabled: Node) -> Node:
    assert isinstance(agent.value, dict)
    return Node({**agent.value, "enabled": enabled}, agent.origin)


def _program(command: Node | None) -> str | None:
    """The program of a command, a list or a line of words; None for what is no command."""
    value = None if command is None else command.value
    return _first_word([one.value for one in value] if isinstance(value, tuple) else value)


def _first_word(command: object) -> str | None:
    try:
        words = shlex.split(command) if isinstance(command, str) else command
    except ValueError:
        return None
    first = words[0] if isinstance(words, list | tuple) and words else None
    return first if isinstance(first, str) else None


def may_lack_programs(document: Mapping[str, object], environment: Environment) -> bool:
    """Whether an enabled agent's program is perhaps not there. Cheap: no workflow is compiled.

    `document`: what `with_agents_found` gave, as plain values. What is not understood is perhaps.
    """
    agents = document.get("agents")
    if not isinstance(agents, Mapping):
        return True
    return any(_may_lack_program(agent, environment) for agent in agents.values())


def _may_lack_program(agent: object, environment: Environment) -> bool:
    if not isinstance(agent, Mapping):
        return True
    if agent.get("enabled") in (False, MISSING) or agent.get("driver") == BUILT_IN_DRIVER:
        return False
    program = _first_word(agent.get("command"))
    return program is None or find_program(program, environment) is None


def find_program(program: str, environment: Environment) -> Path | None:
    """The program's file: a path as it is, a bare name by the PATH; None when it is not there."""
    if "/" in program:
        places = [environment.absolute(program)]
    else:
        folders = (environment.get("PATH") or os.defpath).split(os.pathsep)
        places = [environment.working_directory / folder / program for folder in folders if folder]
    return next((place for place in places if _is_program(place)), None)


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
