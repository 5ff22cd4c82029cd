"""`run --in-process` where a runner is there already."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import Person
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
    person.has_agent(f"touch {gate}; echo second > out.txt", settings=quick)
    second = person.types("run", "Second", "--in-process", *options, cwd=repository)
    assert second.code == 0, second.err
    assert f"waiting for the runner {before} to end its step and leave ..." in second.err
