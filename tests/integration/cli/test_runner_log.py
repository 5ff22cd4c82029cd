"""What the runner's log holds of an ordinary day."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import Person
from tests.support.server import wait_for


def test_a_cancellation_is_one_line(person: Person, repository: Path) -> None:
    """A person asked for it: no error, and no trace of the engine's library."""
    reached = person.home / "reached"
    person.has_agent(f"touch {reached}; sleep 600", settings={"default_workflow": "quick"})
    options = ("--detach", "--sandbox", "off", "--json")
    task = str(person.types("run", "Wait", *options, cwd=repository).json_lines[-1]["task"])
    wait_for(reached.exists, "the agent to run")
    assert person.types("tasks", "cancel", task).code == 0
    assert person.types("tasks", "watch", task).code == 4
    told = (person.data / "logs" / "runner.log").read_text()
    assert "Traceback" not in told
    assert "ERROR" not in told
    assert told.count(f"task {task}: cancelled by its user") == 1
