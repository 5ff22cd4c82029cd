"""A scenario's action as a call of the tool that the client at hand offers.

Every agent has its own names for the same five things. The names and arguments in the tables were
observed with Claude Code 2.1, Codex 0.169, Gemini CLI 0.61, GitHub Copilot CLI 1.0 and others of
their time; which of a tool's possible argument names is right is read from the schema it was
offered with. Where no tool fits, the action becomes a shell command.
"""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Mapping
from typing import assert_never

import msgspec

from ai_orchestrator.scripted.conversation import Tool
from ai_orchestrator.scripted.sample import sample
from ai_orchestrator.scripted.scenario import Edit, Read, Run, ToolUse, Write


class ToolCall(msgspec.Struct, frozen=True, tag="tool", tag_field="kind"):
    """The model calls a tool."""

    name: str
    arguments: Mapping[str, object] = msgspec.field(default_factory=dict)
    freeform: str | None = None
    """The one text that a freeform tool takes; None for a tool with JSON arguments."""


_WRITE_TOOLS = ("Write", "write_file", "create", "write", "str_replace_editor", "editor")
_EDIT_TOOLS = ("Edit", "replace", "edit", "str_replace_editor", "editor")
_READ_TOOLS = ("Read", "read_file", "view", "read", "str_replace_editor")
_SHELL_TOOLS = (
    "Bash",
    "bash",
    "run_shell_command",
    "exec_command",
    "shell_command",
    "shell",
    "run",
    "run_commands",
)

_PATH = ("file_path", "filePath", "path", "absolute_path")
_CONTENT = ("content", "file_text")
_OLD = ("old_string", "oldString", "old_str", "old")
_NEW = ("new_string", "newString", "new_str", "new")
_COMMAND = ("command", "cmd", "commands")


def tool_call(action: ToolUse, tools: tuple[Tool, ...], root: str) -> ToolCall | None:
    """The call that does `action`, or None when no offered tool can.

    `root` is the absolute working directory of the agent.
    """
    by_name = {tool.name: tool for tool in tools}
    return (
        _file_call(action, by_name, root)
        or _patch_call(action, by_name)
        or _shell_call(_command(action), by_name)
    )


def _file_call(action: ToolUse, tools: Mapping[str, Tool], root: str) -> ToolCall | None:
    match action:
        case Write():
            values = {_PATH: action.path, _CONTENT: action.content}
            return _first_fit(_WRITE_TOOLS, values, "create", tools, root)
        case Edit():
            values = {_PATH: action.path, _OLD: action.old, _NEW: action.new}
            return _first_fit(_EDIT_TOOLS, values, "str_replace", tools, root)
        case Read():
            return _first_fit(_READ_TOOLS, {_PATH: action.path}, "view", tools, root)
        case Run():
            return None
        case _:
            assert_never(action)


def _first_fit(
    names: tuple[str, ...],
    values: Mapping[tuple[str, ...], str],
    editor_command: str,
    tools: Mapping[str, Tool],
    root: str,
) -> ToolCall | None:
    """The first offered tool that has an argument for each value.

    `editor_command` is for the tools that do several things and are told which.
    """
    for tool in (tools[name] for name in names if name in tools):
        keys = {meanings: _argument(tool, meanings) for meanings in values}
        arguments: dict[str, object] = {key: values[m] for m, key in keys.items() if key}
        if len(arguments) < len(values):
            continue
        path_key = keys[_PATH]
        if path_key and not _is_ours(tool):
            arguments[path_key] = posixpath.join(root, values[_PATH])
        if tool.has_argument("command"):
            arguments["command"] = editor_command
        return ToolCall(tool.name, _completed(tool, arguments))
    return None


def _patch_call(action: ToolUse, tools: Mapping[str, Tool]) -> ToolCall | None:
    tool = tools.get("apply_patch")
    if tool is None or not isinstance(action, Write | Edit):
        return None
    patch = _patch(action)
    if tool.is_freeform:
        return ToolCall(tool.name, freeform=patch)
    if tool.has_argument("input"):
        return ToolCall(tool.name, _completed(tool, {"input": patch}))
    return None


def _patch(action: Write | Edit) -> str:
    """Codex's patch format: paths relative, every line with its sign, no line numbers."""
    if isinstance(action, Write):
        body = [f"*** Add File: {action.path}", *_signed("+", action.content)]
    else:
        body = [
            f"*** Update File: {action.path}",
            "@@",
            *_signed("-", action.old),
            *_signed("+", action.new),
        ]
    return "\n".join(["*** Begin Patch", *body, "*** End Patch"])


def _signed(sign: str, text: str) -> list[str]:
    if not text:
        return []
    return [sign + line for line in text.removesuffix("\n").split("\n")]


def _shell_call(command: str, tools: Mapping[str, Tool]) -> ToolCall | None:
    for tool in (tools[name] for name in _SHELL_TOOLS if name in tools):
        key = _argument(tool, _COMMAND)
        if key is None:
            continue
        value: object = command
        if key == "commands":
            value = [command]
        elif _is_array(tool, key):
            value = ["bash", "-lc", command]
        return ToolCall(tool.name, _completed(tool, {key: value}))
    script = tools.get("exec")
    if script is not None and script.is_freeform:
        # Codex with gpt-6 models: the one tool runs JavaScript that calls the real tools.
        call = f"await tools.exec_command({{cmd: {json.dumps(command)}}})"
        return ToolCall(script.name, freeform=f"const r = {call}; text(JSON.stringify(r));")
    return None


_REPLACE_ONCE = (
    "import pathlib, sys; p = pathlib.Path(sys.argv[1]); t = p.read_text(); "
    "sys.exit('text to replace not found') if sys.argv[2] not in t else "
    "p.write_text(t.replace(sys.argv[2], sys.argv[3], 1))"
)


def _command(action: ToolUse) -> str:
    """`action` as a command for `sh`, run in the working directory."""
    match action:
        case Run():
            return action.command
        case Read():
            return shlex.join(["cat", "--", action.path])
        case Write():
            path, folder = shlex.quote(action.path), posixpath.dirname(action.path)
            make_folder = f"{shlex.join(['mkdir', '-p', '--', folder])} && " if folder else ""
            return f"{make_folder}printf %s {shlex.quote(action.content)} > {path}"
        case Edit():
            return shlex.join(["python3", "-c", _REPLACE_ONCE, action.path, action.old, action.new])
        case _:
            assert_never(action)


def _argument(tool: Tool, meanings: tuple[str, ...]) -> str | None:
    return next((name for name in meanings if tool.has_argument(name)), None)


def _is_ours(tool: Tool) -> bool:
    """A file tool of our own agent, which takes paths relative to the work tree.

    All others are given absolute ones: each of them accepts those, and some demand them.
    """
    is_named_so = tool.name in {"read", "write", "edit"} and tool.has_argument("path")
    return is_named_so and not tool.has_argument("old_str")  # Copilot also has an `edit`


def _is_array(tool: Tool, key: str) -> bool:
    properties = tool.schema.get("properties")
    schema = properties.get(key) if isinstance(properties, Mapping) else None
    return isinstance(schema, Mapping) and str(schema.get("type")).lower() == "array"


def _completed(tool: Tool, arguments: dict[str, object]) -> dict[str, object]:
    """`arguments` with something that fits for each other one that the schema requires."""
    required, properties = tool.schema.get("required"), tool.schema.get("properties")
    if isinstance(required, list) and isinstance(properties, Mapping):
        for name in required:
            if name not in arguments:
                arguments[name] = sample(properties.get(name))
    return arguments
