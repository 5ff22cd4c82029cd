"""Where an agent has nothing but a shell, the commands do what the action says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ai_orchestrator.scripted.conversation import Tool
from ai_orchestrator.scripted.scenario import Edit, Read, ToolUse, Write
from ai_orchestrator.scripted.tools import tool_call

SHELL = (Tool("bash", {"properties": {"command": {"type": "string"}}}),)

NASTY = [
    pytest.param("plain\n", id="plain"),
    pytest.param("no end of line", id="no-end-of-line"),
    pytest.param("", id="empty"),
    pytest.param('it\'s "quoted" $HOME `id` \\n %s %d\n', id="shell-characters"),
    pytest.param("tab\there\n\n\nthree empty lines\n", id="whitespace"),
    pytest.param("Grüße, 世界 🎉\n", id="unicode"),
    pytest.param("EOF\n'EOF'\n", id="here-document-ends"),
]


def done(action: ToolUse, tree: Path) -> subprocess.CompletedProcess[str]:
    """The action's command, run in `tree`."""
    call = tool_call(action, SHELL, "/work")
    assert call is not None
    command = str(call.arguments["command"])
    return subprocess.run(
        ["sh", "-c", command], cwd=tree, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("content", NASTY)
@pytest.mark.parametrize("path", ["a.txt", "new folder/sub/it's.txt", "-n"])
def test_command_writes_exactly_the_content(tmp_path: Path, path: str, content: str) -> None:
    """Into new folders too, and whatever the shell thinks of the characters."""
    assert done(Write(path, content), tmp_path).returncode == 0
    assert (tmp_path / path).read_text() == content


@pytest.mark.parametrize("content", NASTY)
def test_command_reads_the_file(tmp_path: Path, content: str) -> None:
    """The agent's tool result is the file."""
    (tmp_path / "a b").write_text(content)
    assert done(Read("a b"), tmp_path).stdout == content


def test_command_replaces_once_and_only_what_is_there(tmp_path: Path) -> None:
    """A text that is not there fails and says so, as an agent's own tool would."""
    file = tmp_path / "a.py"
    file.write_text("x = 'a'\ny\nx = 'a'\n")
    assert done(Edit("a.py", "x = 'a'\n", "x = $1\n"), tmp_path).returncode == 0
    assert file.read_text() == "x = $1\ny\nx = 'a'\n"
    failed = done(Edit("a.py", "z\n", ""), tmp_path)
    assert failed.returncode == 1
    assert "text to replace not found" in failed.stderr
