"""Actions become calls of each agent's own tools."""

from __future__ import annotations

import pytest

from ai_orchestrator.scripted.conversation import Tool
from ai_orchestrator.scripted.scenario import Edit, Read, Run, ToolUse, Write
from ai_orchestrator.scripted.tools import ToolCall, tool_call

ROOT = "/srv/tree"
WRITE = Write("src/a.py", "x = 1\ny = 2\n")
EDIT = Edit("src/a.py", "x = 1\n", "x = 3\n")
READ = Read("src/a.py")
RUN = Run("make test")


def tool(tool_name: str, *arguments: str, required: tuple[str, ...] = (), **types: str) -> Tool:
    """A tool whose arguments are strings, other types by keyword."""
    kinds = dict.fromkeys(arguments, "string") | types
    properties = {name: {"type": kind} for name, kind in kinds.items()}
    return Tool(tool_name, {"type": "object", "properties": properties, "required": list(required)})


CLAUDE = (
    tool("Bash", "command", "description", required=("command",)),
    tool("Edit", "file_path", "old_string", "new_string"),
    tool("Read", "file_path", "offset"),
    tool("Write", "file_path", "content"),
)
CODEX = (tool("exec_command", "cmd", "workdir"), Tool("apply_patch", is_freeform=True))
CODEX_OLD = (tool("shell", "workdir", command="array"), tool("apply_patch", "input"))
CODEX_6 = (Tool("exec", is_freeform=True), tool("request_user_input", "questions"))
GEMINI = (
    tool(
        "replace", "file_path", "instruction", "old_string", "new_string", required=("instruction",)
    ),
    tool("write_file", "file_path", "content"),
    tool("read_file", "file_path"),
    tool("run_shell_command", "command", is_background="boolean", required=("is_background",)),
)
COPILOT = (
    tool("bash", "command", "description", required=("description",)),
    tool("view", "path"),
    tool("create", "path", "file_text"),
    tool("edit", "path", "old_str", "new_str"),
)
EDITOR = (tool("str_replace_editor", "command", "path", "file_text", "old_str", "new_str"),)
BUILT_IN = (
    tool("read", "path"),
    tool("write", "path", "content"),
    tool("edit", "path", "old", "new"),
    tool("run", "command"),
    tool("search", "pattern", "path"),
)
OPENCODE = (
    tool("bash", "command"),
    tool("write", "filePath", "content"),
    tool("edit", "filePath", "oldString", "newString"),
    tool("read", "filePath"),
)

ABSOLUTE = "/srv/tree/src/a.py"
PATCHED_WRITE = "*** Begin Patch\n*** Add File: src/a.py\n+x = 1\n+y = 2\n*** End Patch"
PATCHED_EDIT = "*** Begin Patch\n*** Update File: src/a.py\n@@\n-x = 1\n+x = 3\n*** End Patch"


@pytest.mark.parametrize(
    ("tools", "action", "name", "arguments"),
    [
        pytest.param(
            CLAUDE,
            WRITE,
            "Write",
            {"file_path": ABSOLUTE, "content": WRITE.content},
            id="claude-write",
        ),
        pytest.param(
            CLAUDE,
            EDIT,
            "Edit",
            {"file_path": ABSOLUTE, "old_string": "x = 1\n", "new_string": "x = 3\n"},
            id="claude-edit",
        ),
        pytest.param(CLAUDE, READ, "Read", {"file_path": ABSOLUTE}, id="claude-read"),
        pytest.param(CLAUDE, RUN, "Bash", {"command": "make test"}, id="claude-run"),
        pytest.param(CODEX, RUN, "exec_command", {"cmd": "make test"}, id="codex-run"),
        pytest.param(CODEX, READ, "exec_command", {"cmd": "cat -- src/a.py"}, id="codex-read"),
        pytest.param(
            CODEX_OLD, RUN, "shell", {"command": ["bash", "-lc", "make test"]}, id="codex-shell-run"
        ),
        pytest.param(
            CODEX_OLD, WRITE, "apply_patch", {"input": PATCHED_WRITE}, id="codex-patch-function"
        ),
        pytest.param(
            GEMINI,
            WRITE,
            "write_file",
            {"file_path": ABSOLUTE, "content": WRITE.content},
            id="gemini-write",
        ),
        pytest.param(
            GEMINI,
            EDIT,
            "replace",
            {
                "file_path": ABSOLUTE,
                "old_string": "x = 1\n",
                "new_string": "x = 3\n",
                "instruction": "scripted",
            },
            id="gemini-edit",
        ),
        pytest.param(GEMINI, READ, "read_file", {"file_path": ABSOLUTE}, id="gemini-read"),
        pytest.param(
            GEMINI,
            RUN,
            "run_shell_command",
            {"command": "make test", "is_background": False},
            id="gemini-run",
        ),
        pytest.param(
            COPILOT,
            WRITE,
            "create",
            {"path": ABSOLUTE, "file_text": WRITE.content},
            id="copilot-write",
        ),
        pytest.param(
            COPILOT,
            EDIT,
            "edit",
            {"path": ABSOLUTE, "old_str": "x = 1\n", "new_str": "x = 3\n"},
            id="copilot-edit",
        ),
        pytest.param(COPILOT, READ, "view", {"path": ABSOLUTE}, id="copilot-read"),
        pytest.param(
            COPILOT,
            RUN,
            "bash",
            {"command": "make test", "description": "scripted"},
            id="copilot-run",
        ),
        pytest.param(
            EDITOR,
            WRITE,
            "str_replace_editor",
            {"command": "create", "path": ABSOLUTE, "file_text": WRITE.content},
            id="editor-write",
        ),
        pytest.param(
            EDITOR,
            EDIT,
            "str_replace_editor",
            {
                "command": "str_replace",
                "path": ABSOLUTE,
                "old_str": "x = 1\n",
                "new_str": "x = 3\n",
            },
            id="editor-edit",
        ),
        pytest.param(
            EDITOR,
            READ,
            "str_replace_editor",
            {"command": "view", "path": ABSOLUTE},
            id="editor-read",
        ),
        pytest.param(
            BUILT_IN,
            WRITE,
            "write",
            {"path": "src/a.py", "content": WRITE.content},
            id="built-in-write",
        ),
        pytest.param(
            BUILT_IN,
            EDIT,
            "edit",
            {"path": "src/a.py", "old": "x = 1\n", "new": "x = 3\n"},
            id="built-in-edit",
        ),
        pytest.param(BUILT_IN, READ, "read", {"path": "src/a.py"}, id="built-in-read"),
        pytest.param(BUILT_IN, RUN, "run", {"command": "make test"}, id="built-in-run"),
        pytest.param(
            OPENCODE,
            WRITE,
            "write",
            {"filePath": ABSOLUTE, "content": WRITE.content},
            id="opencode-write",
        ),
    ],
)
def test_action_uses_the_agents_own_tool(
    tools: tuple[Tool, ...], action: ToolUse, name: str, arguments: dict[str, object]
) -> None:
    """Name, argument names and absolute or relative path are those of the agent at hand."""
    assert tool_call(action, tools, ROOT) == ToolCall(name, arguments)


@pytest.mark.parametrize(
    ("action", "patch"),
    [
        pytest.param(WRITE, PATCHED_WRITE, id="write"),
        pytest.param(EDIT, PATCHED_EDIT, id="edit"),
        pytest.param(
            Write("empty", ""),
            "*** Begin Patch\n*** Add File: empty\n*** End Patch",
            id="empty-file",
        ),
        pytest.param(
            Edit("a", "one\n\ntwo\n", ""),
            "*** Begin Patch\n*** Update File: a\n@@\n-one\n-\n-two\n*** End Patch",
            id="deleted-lines",
        ),
    ],
)
def test_codex_gets_a_freeform_patch(action: ToolUse, patch: str) -> None:
    """Every line of the file stands in the patch with its sign."""
    assert tool_call(action, CODEX, ROOT) == ToolCall("apply_patch", freeform=patch)


def test_codex_with_one_script_tool_gets_javascript() -> None:
    """The newest models' only tool runs a script that calls the real one."""
    call = tool_call(Run('echo "it\'s"'), CODEX_6, ROOT)
    assert call is not None
    assert call.name == "exec"
    assert call.freeform == (
        'const r = await tools.exec_command({cmd: "echo \\"it\'s\\""}); text(JSON.stringify(r));'
    )


def test_file_tool_without_a_needed_argument_is_passed_over() -> None:
    """A tool that only shares the name is not used; the shell does the work instead."""
    offered = (tool("write", "session_id", "chars"), tool("bash", "command"))
    call = tool_call(WRITE, offered, ROOT)
    assert call is not None
    assert call.name == "bash"


@pytest.mark.parametrize("action", [WRITE, EDIT, READ, RUN], ids=["write", "edit", "read", "run"])
def test_no_call_where_no_tool_fits(action: ToolUse) -> None:
    """Tools that are of no use are not bent into one."""
    assert tool_call(action, (tool("web_search", "query"),), ROOT) is None


def test_absolute_path_is_used_as_it_is() -> None:
    """A path that starts with a slash does not hang below the working directory."""
    call = tool_call(Read("/etc/hostname"), CLAUDE, ROOT)
    assert call == ToolCall("Read", {"file_path": "/etc/hostname"})
