"""Places that a person named to write to, and that cannot be written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.support.commands import Person

COMMANDS = [
    pytest.param(("config", "init"), "a.yaml", id="config-init"),
    pytest.param(("demo", "--directory"), "d", id="demo"),
]


@pytest.mark.parametrize(("words", "name"), COMMANDS)
def test_a_target_below_a_file_is_bad_input(
    person: Person, words: tuple[str, ...], name: str
) -> None:
    """Exit 2 with the name and the reason, and no report of a defect."""
    (person.home / "file").write_text("")
    done = person.types(*words, f"file/{name}")
    assert done.code == 2
    assert f"{person.home}/file/{name} cannot be written: " in done.err
    assert "defect" not in done.err


@pytest.mark.parametrize(("words", "name"), COMMANDS)
def test_a_target_that_may_not_be_written_is_bad_input(
    person: Person, words: tuple[str, ...], name: str
) -> None:
    """In the words of the system, which lets not even root make anything there."""
    done = person.types(*words, f"/sys/{name}")
    assert done.code == 2
    refusals = ("Permission denied", "Operation not permitted", "Read-only file system")
    assert any(f"cannot be written: {refusal}." in done.err for refusal in refusals), done.err


def test_a_configuration_in_a_repository_follows_the_umask(
    person: Person, repository: Path
) -> None:
    """What is to be committed is no secret; one's own configuration stays one's own."""
    before = os.umask(0o022)
    try:
        assert person.types("config", "init", "config/agents.yaml", cwd=repository).code == 0
        assert person.types("config", "init").code == 0
    finally:
        os.umask(before)
    made, own = repository / "config", person.home / ".config/ai-orchestrator"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (made, made / "agents.yaml", own)]
    assert modes == [0o755, 0o644, 0o700]


def test_a_configuration_that_is_there_is_kept(person: Person) -> None:
    """A directory of that name as well; neither is a defect."""
    (person.home / "a.yaml").write_text("mine")
    (person.home / "d").mkdir()
    assert "exists already" in person.types("config", "init", "a.yaml").err
    done = person.types("config", "init", "--force", "d")
    assert (done.code, "Is a directory" in done.err) == (2, True)
    assert (person.home / "a.yaml").read_text() == "mine"
