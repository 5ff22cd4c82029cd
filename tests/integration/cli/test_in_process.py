"""`run --in-process` where a runner is there already."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import DEADLINE_S, Person
from tests.support.server import wait_for


def test_it_takes_the_directory_over_and_says_what_it_waits_for(
    person: Person, repository: Path
) -> None:
    """The runner comes to the end of its step first; its task is not lost."""
    gate, reached = person.home / "gate", person.home / "reached"
    waits = f"touch {reached}; while [ ! -e {gate} ]; do sleep 0.05; done; echo done > out.txt"
    quick = {"default_workflow": "quick"}
    person.has_agent(waits, settings=quick)
    options = ("--sandbox", "off")
    first = person.types("run", "First", "--detach", *options, cwd=repository)
    assert first.code == 0, first.err
    wait_for(reached.exists, "the agent to run")
    before = person.runner_pid
    person.has_agent("echo second > out.txt", settings=quick)
    with person.begins("run", "Second", "--in-process", *options, cwd=repository) as second:
        assert second.stderr is not None
        waited = f"waiting for the runner {before} to end its step and leave ..."
        assert any(waited in line for line in second.stderr)
        gate.touch()
        _, said = second.communicate(timeout=DEADLINE_S)
        assert second.returncode == 0, said
