"""Commands typed where one cannot stand, and tasks whose place is taken away."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from tests.support.commands import Person
from tests.support.server import wait_for


@pytest.mark.parametrize(
    "words",
    ["tasks", "run x", "validate", "agents", "config show", "workflows", "doctor", "trust"],
)
def test_a_working_directory_that_is_gone_is_named(person: Person, words: str) -> None:
    """It is the person's to change; no defect."""
    place = person.home / "gone"
    place.mkdir()
    done = person.types_in_shell(f'rmdir "$PWD"; exec "$@" {words}', cwd=place)
    assert (done.code, done.out) == (3, "")
    assert "The working directory does not exist any more." in done.err


def test_a_checkout_that_somebody_removed_costs_the_task_and_is_no_defect(
    person: Person, repository: Path
) -> None:
    """Exit code 1 with the place; another try makes it anew."""
    gate, mark = person.home / "gate", person.home / "mark"
    script = f"touch {mark}; while [ ! -e {gate} ]; do sleep 0.05; done; echo x > $0.out"
    person.has_agent(script, settings={"default_workflow": "quick"})
    words = ("run", "Do it", "--json", "--sandbox", "off", "--allow-unverified")
    with person.begins(*words, cwd=repository) as command:
        wait_for(mark.exists, "the agent to run")
        (tree,) = (person.data / "work").glob("t-*/a1/tree")
        shutil.rmtree(tree)
        gate.touch()
        out, _ = command.communicate(timeout=60)
    assert command.returncode == 1
    assert '"outcome":"agent_failed"' in out
    assert "no longer the folder" in out


def test_a_server_in_the_command_keeps_its_log_to_itself(person: Person, repository: Path) -> None:
    """What is said on stderr is for people; the file has the rest."""
    mark = person.home / "mark"
    person.has_agent(f"touch {mark}; sleep 600", settings={"default_workflow": "quick"})
    words = ("run", "Do it", "--in-process", "--sandbox", "off", "--allow-unverified")
    with person.begins(*words, cwd=repository) as command:
        wait_for(mark.exists, "the agent to run")
        command.send_signal(signal.SIGTERM)
        out, err = command.communicate(timeout=60)
    assert command.returncode == 130, err
    assert "goes on when the next command starts a runner" in out
    told = [line for line in err.splitlines() if line]
    assert all(line.startswith("ai-orchestrator: ") for line in told), err
    assert (person.data / "logs" / "runner.log").exists()
