"""The protected parts of files that also hold what an agent must be free to change. Pure.

`pyproject.toml` names the dependencies, which a task may well have to add, and configures the
judges, which it may not touch. `protection.py` asks here.
"""

from __future__ import annotations

import configparser
import json
import tomllib
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

Sections = Mapping[str, object]
"""Name of a protected part -> its content, comparable."""

_PYTHON_TOOLS = (
    *("pytest*", "coverage", "ruff", "mypy", "tox", "nox", "pyright", "basedpyright", "pylint"),
    *("flake8", "bandit", "black", "isort", "pyrefly", "ty", "vulture", "interrogate", "deptry"),
)
_SETUP_CFG = (
    *("tool:pytest", "pytest", "flake8*", "mypy*", "coverage:*", "tox*", "testenv*", "pylint*"),
    *("pycodestyle", "pydocstyle", "isort", "aliases"),
)
_PACKAGE_JSON = (
    *("jest", "vitest", "mocha", "ava", "nyc", "c8", "tap", "karma", "eslintConfig"),
    *("eslintIgnore", "xo", "standard", "prettier", "stylelint", "lint-staged", "husky"),
)
_CARGO = ("lints", "workspace.lints", "profile", "test")


class _UnreadableError(Exception):
    """The text is not of the file's format; never leaves this module."""


def is_mixed(path: str) -> bool:
    """The file is compared by section rather than as a whole."""
    return PurePosixPath(path).name in _READERS


def changed_sections(
    path: str, base: str | None, new: str | None, *, is_new_free: bool = False
) -> tuple[str, ...]:
    """Names of the protected sections that differ, sorted; None for a text: there is no file.

    A new text that cannot be read counts as a change of everything, under the name of what is
    wrong with it; an unreadable base protects nothing that could be compared. `is_new_free`:
    sections that the base does not have do not count.
    """
    reader = _READERS[PurePosixPath(path).name]
    try:
        before = {} if base is None else reader(base)
    except _UnreadableError:
        before = {}
    try:
        after = {} if new is None else reader(new)
    except _UnreadableError as error:
        return (f"the whole file ({error})",)
    free = {name for name in after if is_new_free or _is_harmless_script(name, before)}
    return tuple(
        name
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name) and (name in before or name not in free)
    )


def _is_harmless_script(name: str, before: Sections) -> bool:
    """A new npm script does nothing, unless npm runs it by itself or around one that was there."""
    kind, _, script = name.partition(" ")
    if kind != "scripts" or script in _LIFECYCLE:
        return False
    hooked = {script.removeprefix("pre"), script.removeprefix("post")} - {script}
    return not any(f"scripts {one}" in before for one in hooked)


_LIFECYCLE = frozenset({"prepare", "preinstall", "install", "postinstall", "test", "lint"})


def _pyproject(text: str) -> Sections:
    tool = _toml(text).get("tool")
    if not isinstance(tool, dict):
        return {}
    return {
        f"tool.{name}": value
        for name, value in tool.items()
        if any(fnmatchcase(name, pattern) for pattern in _PYTHON_TOOLS)
    }


def _setup_cfg(text: str) -> Sections:
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise _UnreadableError("it is not a valid INI file") from error
    return {
        name: dict(parser.items(name))
        for name in parser.sections()
        if any(fnmatchcase(name, pattern) for pattern in _SETUP_CFG)
    }


def _package_json(text: str) -> Sections:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _UnreadableError("it is not valid JSON") from error
    if not isinstance(value, dict):
        raise _UnreadableError("it is not a JSON object")
    scripts = value.get("scripts", {})
    if not isinstance(scripts, dict):
        raise _UnreadableError("its scripts are not an object")
    tools = {name: value[name] for name in _PACKAGE_JSON if name in value}
    return tools | {f"scripts {name}": script for name, script in scripts.items()}


def _cargo(text: str) -> Sections:
    document = _toml(text)
    found = {name: document[name] for name in _CARGO if name in document}
    workspace = document.get("workspace")
    if isinstance(workspace, dict) and "lints" in workspace:
        found["workspace.lints"] = workspace["lints"]
    return found


def _toml(text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _UnreadableError("it is not valid TOML") from error


_READERS: Mapping[str, Callable[[str], Sections]] = {
    "pyproject.toml": _pyproject,
    "setup.cfg": _setup_cfg,
    "package.json": _package_json,
    "Cargo.toml": _cargo,
}
