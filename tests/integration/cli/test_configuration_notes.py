"""What is right in a configuration and still not what its reader would expect is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.commands import Person
from tests.support.repository import make_repository

FILE = Path(__file__).parents[2] / "data" / "configurations" / "of_the_past.yaml"
MINE = "agents: {mine: {driver: command, command: cat, role: review}}\n"


def test_file_of_the_past_is_valid_and_every_dead_key_is_told(person: Person) -> None:
    """Exit 0, `valid` on stdout, one line on stderr for each key and for the step left out."""
    done = person.types("validate", str(FILE))
    assert (done.code, done.out) == (0, "valid\n")
    lines = done.err.splitlines()
    assert len([line for line in lines if "has no effect." in line]) == 9
    assert len([line for line in lines if "the name is now" in line]) == 2
    assert len([line for line in lines if "the step is left out." in line]) == 1
    assert len(lines) == 12


def test_programs_get_the_notes_too(person: Person) -> None:
    """In the document that `--json` prints."""
    (said,) = person.types("validate", str(FILE), "--json").json_lines
    assert said["is_valid"]
    assert len(said["notes"]) == 12


@pytest.mark.parametrize(
    "command", ["validate", "config show", "workflows", "agents", "workflows default"]
)
def test_repository_that_is_not_trusted_is_told(
    person: Person, tmp_path: Path, command: str
) -> None:
    """Its file is not used, and the way to use it is named."""
    repository = make_repository(tmp_path / "shop", {"config/agents.yaml": MINE})
    done = person.types(*command.split(), cwd=repository)
    assert done.code == 0, done.err
    assert "config/agents.yaml is not used: the repository is not trusted" in done.err
    assert "`ai-orchestrator trust`" in done.err
    assert "mine" not in done.out


def test_trusted_repository_is_used_without_a_word(person: Person, tmp_path: Path) -> None:
    """After `trust` the agent of the repository is there."""
    repository = make_repository(tmp_path / "shop", {"config/agents.yaml": MINE})
    assert person.types("trust", cwd=repository).code == 0
    done = person.types("config", "show", "agents.mine", cwd=repository)
    assert "agents.mine.command" in done.out
    assert done.err == ""


def test_trust_is_of_the_data_directory_that_every_command_is_given(
    person: Person, tmp_path: Path
) -> None:
    """What one command trusts the others use, and the way to trust names the directory."""
    repository = make_repository(tmp_path / "shop", {"config/agents.yaml": MINE})
    other = ("--data-dir", str(tmp_path / "other"))
    assert person.types("trust", cwd=repository).code == 0
    told = person.types(*other, "config", "show", cwd=repository)
    assert f"`ai-orchestrator --data-dir {tmp_path}/other trust`" in told.err
    assert person.types(*other, "trust", cwd=repository).code == 0
    for command in ("config show agents.mine", "agents"):
        assert "mine" in person.types(*other, *command.split(), cwd=repository).out


def test_wrong_configuration_tells_its_problems_and_nothing_else(
    person: Person, tmp_path: Path
) -> None:
    """Problems first: notes come once there is a configuration to have notes about."""
    file = tmp_path / "agents.yaml"
    file.write_text("settings: {max_iteration: 3, output_dir: x}\n")
    done = person.types("validate", str(file))
    assert done.code == 2
    assert "no key 'max_iteration'" in done.out
