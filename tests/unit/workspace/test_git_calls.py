"""What may be asked of git, and how it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_orchestrator.base.errors import EnvironmentProblemError, InternalError
from ai_orchestrator.workspace.chains import moving, recording, stepping
from ai_orchestrator.workspace.git import (
    Answer,
    Call,
    DiskFullError,
    GitFailedError,
    Place,
    argv,
    check_commit,
    clean_environment,
    serious,
    users_environment,
)
from ai_orchestrator.workspace.git_client import find_git

GIT = Path("/usr/bin/git")
OURS = Place(Path("/data/repo.git"), Path("/data/tree"), Path("/data/index"))
CALL = Call(("add", "--all"))


def settings(line: tuple[str, ...]) -> dict[str, str]:
    """The settings on a command line; a later one wins."""
    given = [line[n + 1] for n, part in enumerate(line) if part == "-c"]
    return dict(setting.split("=", 1) for setting in given if "=" in setting)


@pytest.mark.parametrize("call", [CALL, recording()], ids=["call", "chain"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("core.hooksPath", "/dev/null"),
        ("core.fsmonitor", "false"),
        ("protocol.ext.allow", "never"),
        ("gc.auto", "0"),
        ("core.trustctime", "true"),
        ("commit.gpgSign", "false"),
    ],
)
def test_every_call_carries_the_safe_settings(call: Call, name: str, value: str) -> None:
    """On the command line they win over any file."""
    assert settings(argv(GIT, OURS, call))[name] == value


def test_the_users_repository_keeps_its_settings_but_not_its_hooks() -> None:
    """What decides how files are read is the user's business there."""
    theirs = Place(Path("/home/u/p/.git"), is_ours=False)
    given = settings(argv(GIT, theirs, CALL))
    assert given["core.hooksPath"] == "/dev/null"
    assert given["core.fsmonitor"] == "false"
    assert not {"core.autocrlf", "core.fileMode", "core.excludesFile"} & set(given)


def test_a_calls_own_settings_win() -> None:
    """They come last."""
    call = Call(("add",), settings=(("core.excludesFile", "/x"),))
    assert settings(argv(GIT, OURS, call))["core.excludesFile"] == "/x"


def test_a_clean_environment_names_no_program_and_no_file_of_anybody() -> None:
    """A git that tries to start something fails."""
    environment = clean_environment()
    for name in ("PATH", "GIT_EXEC_PATH", "HOME", "XDG_CONFIG_HOME"):
        assert not Path(environment[name]).exists()
        assert Path(environment[name]).parent == Path("/dev/null")
    assert environment["GIT_CONFIG_NOSYSTEM"] == "1"
    assert environment["GIT_CONFIG_GLOBAL"] == "/dev/null"
    assert environment["GIT_ALLOW_PROTOCOL"] == "none"


def test_the_values_of_a_chain_are_no_part_of_its_script() -> None:
    """A ref or message cannot become a command."""
    chain = stepping("$(touch x)", "'t'", b"message; rm -rf /")
    assert chain.variables == {"PARENT": "$(touch x)", "OLD_TREE": "'t'"}
    assert chain.script == stepping("p", "t", b"").script
    assert "message" not in chain.script
    assert moving("x", keep_ignored=True).variables["CLEAN"] == "-ffdq"
    assert moving("x", keep_ignored=False).variables["CLEAN"] == "-ffdqx"


def test_variables_that_turn_git_elsewhere_are_left_out() -> None:
    """The rest of the user's environment stays."""
    given = {"GIT_DIR": "/x", "GIT_INDEX_FILE": "/y", "HOME": "/home/u", "GIT_SSH_COMMAND": "ssh"}
    kept = users_environment(given)
    assert (kept["HOME"], kept["GIT_SSH_COMMAND"]) == ("/home/u", "ssh")
    assert not {"GIT_DIR", "GIT_INDEX_FILE"} & set(kept)


@pytest.mark.parametrize(
    "sentence",
    [
        "fatal: unable to write loose object file: No space left on device",
        "error: file write error: Disk quota exceeded",
    ],
)
def test_a_full_disk_is_told_from_other_failures(sentence: str) -> None:
    """The way out is in the message."""
    answer = Answer(128, b"", sentence.encode(), is_truncated=False)
    error = serious(CALL, OURS, answer)
    assert isinstance(error, DiskFullError)
    assert "gc" in error.hint


def test_a_signal_is_an_error_and_a_status_is_an_answer() -> None:
    """A caller may expect a status."""
    killed = Answer(-1, b"", b"", is_truncated=False)
    assert isinstance(serious(CALL, OURS, killed), GitFailedError)
    assert serious(CALL, OURS, Answer(1, b"", b"no", is_truncated=False)) is None


@pytest.mark.parametrize("text", ["", "HEAD", "-x", "A" * 40, "a" * 39, "a" * 64 + "\n", "main"])
def test_only_a_whole_id_is_a_commit(text: str) -> None:
    """Anything else might be an option or a name."""
    with pytest.raises(InternalError):
        check_commit(text)


@pytest.mark.parametrize("chars", [40, 64])
def test_both_hash_functions_are_commits(chars: int) -> None:
    """SHA-1 and SHA-256."""
    assert check_commit("a" * chars) == "a" * chars


def test_a_path_without_git_says_so(tmp_path: Path) -> None:
    """Before anything is tried."""
    with pytest.raises(EnvironmentProblemError, match="Install git"):
        find_git(str(tmp_path))
