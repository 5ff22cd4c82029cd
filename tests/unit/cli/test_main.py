"""The way in and the way out: parsing, failures, the look of errors."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import get_args

import pytest
from tests.unit.cli.memory import SHORT, TASK, World

from ai_orchestrator.base.errors import ConflictError
from ai_orchestrator.cli.failures import is_json_wanted
from ai_orchestrator.cli.lines import Span, line, table, to_text
from ai_orchestrator.cli.options import SANDBOX_MODES, SEVERITIES
from ai_orchestrator.cli.reference import commands
from ai_orchestrator.cli.terminal import clean, clean_chunks, with_short_ids
from ai_orchestrator.model.agent import SandboxMode
from ai_orchestrator.model.ids import short_id
from ai_orchestrator.model.review import Severity


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(("tsks",), "No such command 'tsks'. Did you mean 'tasks'?", id="command"),
        pytest.param(("tasks", "shwo"), "Did you mean 'show'?", id="subcommand"),
        pytest.param(("run", "t", "--detatch"), "Did you mean '--detach'?", id="option"),
        pytest.param(("tasks", "show"), "Missing argument 'TASK'", id="argument"),
        pytest.param(("completion",), "Choose from: bash, zsh, fish", id="choices"),
        pytest.param(("--server", "u", "--data-dir", "d", "tasks"), "exclude", id="both"),
    ],
)
def test_a_command_line_that_is_wrong_exits_two(
    world: World, words: tuple[str, ...], told: str
) -> None:
    """One line that says what is wrong and where the help is."""
    done = world.type(*words)

    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1
    assert re.search(r"Try: ai-orchestrator.* --help\n$", done.err)


def test_a_wrong_command_line_with_json_is_a_problem_too(world: World) -> None:
    """Although parsing failed before `--json` could mean anything."""
    done = world.type("tasks", "list", "--json", "--limit", "many")

    (problem,) = done.json_lines
    assert (problem["code"], problem["exit_code"], problem["status"]) == ("bad-input", 2, 422)


def test_json_inside_the_task_is_no_option() -> None:
    """Words after `--` are arguments."""
    assert is_json_wanted(["run", "--json", "t"])
    assert not is_json_wanted(["run", "--", "--json"])


def test_nothing_at_all_prints_the_help(world: World) -> None:
    """On stderr, exit 2: a script that forgot its command notices."""
    done = world.type()

    assert done.code == 2
    assert "Commands:" in done.err


def test_a_defect_exits_70_and_writes_a_report(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traceback goes to a private file; the task's text goes nowhere."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    world.services.problem = ZeroDivisionError("oops\x1b[2J")

    done = world.type("run", "confidential words", "--json")

    (report,) = tmp_path.iterdir()
    assert done.code == 70
    assert f"internal error: ZeroDivisionError: oops[2J. The report is in {report}." in done.err
    assert "Traceback" not in done.err
    assert "ZeroDivisionError" in report.read_text()
    assert "confidential" not in report.read_text()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert done.json_lines[0]["code"] == "internal"


def test_a_defect_without_a_writable_directory_is_still_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first problem is not hidden by a second one."""
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    world.services.problem = ZeroDivisionError("oops")

    done = world.type("tasks")

    assert done.code == 70
    assert "No report could be written" in done.err


def test_words_of_the_options_are_those_of_the_model() -> None:
    """They are written twice only because importing the model would slow `--help`."""
    assert tuple(Severity) == SEVERITIES
    assert get_args(SandboxMode) == SANDBOX_MODES


@pytest.mark.parametrize("path", [path for path, _ in commands()])
def test_every_command_has_help_and_so_has_every_option(path: str) -> None:
    """A person can find out everything without the manual."""
    command = dict(commands())[path]

    assert command.help
    for parameter in command.params:
        assert parameter.param_type_name == "argument" or parameter.help


def test_groups_say_the_same_about_a_command_as_itself() -> None:
    """The table's line is the beginning of the help or says the same in short."""
    known = dict(commands())
    groups = [(path, group) for path, group in known.items() if hasattr(group, "entries")]

    assert {path for path, _ in groups} == {
        "ai-orchestrator",
        "ai-orchestrator tasks",
        "ai-orchestrator agents",
        "ai-orchestrator config",
    }
    for path, group in groups:
        for name, entry in group.entries.items():
            assert known[f"{path} {name}"].name == name
            assert entry.summary.endswith(".")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(f"task {TASK}: is running.", f"task {SHORT}: is running.", id="message"),
        pytest.param(f"fits {TASK}, {TASK}.", f"fits {SHORT}, {SHORT}.", id="several"),
        pytest.param(f"/data/work/{TASK}/a1", f"/data/work/{TASK}/a1", id="path"),
        pytest.param(f"logs/{TASK}", f"logs/{TASK}", id="end-of-a-path"),
        pytest.param(f"x{TASK} {TASK}0", f"x{TASK} {TASK}0", id="other-words"),
    ],
)
def test_people_read_short_ids(text: str, told: str) -> None:
    """One form of an id, and the one that they type; files keep their names."""
    assert with_short_ids(text) == told
    assert short_id(TASK) == SHORT


def test_a_problem_has_a_short_id_for_people_and_the_whole_one_in_json(world: World) -> None:
    """Programs compare ids."""
    world.services.problem = ConflictError(f"task {TASK}: is running.")
    done = world.type("run", "t", "--json")

    assert f"task {SHORT}: is running." in done.err
    assert TASK in done.json_lines[0]["title"]


def test_control_characters_are_cut_and_letters_stay() -> None:
    """Tabs, line feeds and other scripts are text."""
    assert clean("a\tb\nc\x1b[31m\x9b\u202eé漢") == "a\tb\nc[31mé漢"
    assert b"".join(clean_chunks(["a\tb\n\x07é".encode()])) == "a\tb\né".encode()


def test_control_characters_of_two_bytes_are_cut_wherever_a_chunk_ends() -> None:
    """Terminals act on them in UTF-8; a broken character does not hide what follows."""
    text = "é\x9b31m\u202ered".encode()
    for end in range(len(text)):
        assert b"".join(clean_chunks([text[:end], text[end:]])) == "é31mred".encode()
    assert b"".join(clean_chunks([b"a\xc2"])) == "a\ufffd".encode()


def test_a_line_is_the_same_text_with_and_without_colour() -> None:
    """Colour adds nothing that a pipe would lose."""
    spans = line("plain ", Span("green", "good"), Span("", "bad"), Span(" dim", "dim"))
    coloured = to_text(spans, is_coloured=True)

    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == to_text(spans, is_coloured=False)


def test_a_table_aligns_its_columns() -> None:
    """By characters shown; the last column is left as it is."""
    rows = table([["a", Span("bb", "good"), "x"], ["aaa", "b", "y"]])

    assert [to_text(row, is_coloured=False) for row in rows] == ["a    bb  x", "aaa  b   y"]
