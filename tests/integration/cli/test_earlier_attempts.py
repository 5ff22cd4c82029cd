"""Work of an attempt stays reachable and is not collected, whatever later attempts came to."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.commands import Person
from tests.support.repository import git

ON_FIRST = "if [ -e {mark} ]; then sleep 600; fi; touch {mark}; echo first > out.txt"


def retried_and_cancelled(person: Person, repository: Path) -> tuple[str, str]:
    """A task that succeeded, was tried again and cancelled then; and what `retry` told."""
    script = ON_FIRST.format(mark=person.home / "mark")
    person.has_agent(script, settings={"default_workflow": "quick"})
    options = ("--sandbox", "off", "--json")
    first = person.types("run", "Make out.txt", *options, cwd=repository)
    assert first.code == 0, first.err
    task = str(first.json_lines[-1]["task"])
    retried = person.types("tasks", "retry", task)
    assert retried.code == 0, retried.err
    person.types("tasks", "cancel", task)
    assert person.types("tasks", "watch", task).code == 4
    return task, retried.err


def test_only_force_loses_the_work_of_an_earlier_attempt(person: Person, repository: Path) -> None:
    """Neither `gc` nor `delete` takes what was verified and not applied."""
    task, _ = retried_and_cancelled(person, repository)
    own = person.data / "work" / task / "repo.git"
    collected = person.types("gc")
    assert f"{task[-8:]} has work of attempt 1 that was not applied." in collected.out
    refused = person.types("tasks", "delete", task)
    assert refused.code == 2
    assert f"tasks apply {task[-8:]} --attempt 1" in refused.err
    assert own.is_dir()
    assert person.types("gc", "--force").code == 0
    assert not own.exists()


def test_the_work_of_an_earlier_attempt_is_named_and_applied(
    person: Person, repository: Path
) -> None:
    """`retry` and the last attempt's emptiness name it; what is applied may be collected."""
    task, told = retried_and_cancelled(person, repository)
    short = task[-8:]
    command = f"ai-orchestrator tasks apply {short} --attempt 1"
    assert f"the work of attempt 1 stays: {command}" in told
    empty = person.types("tasks", "apply", task)
    assert empty.code == 2
    assert "Attempt 1 has verified work: add --attempt 1." in empty.err
    shown = person.types("tasks", "show", task).out
    assert "attempt 1: its tree was verified, not applied" in shown
    assert command in shown
    for words in (("files",), ("diff",)):
        nothing = person.types("tasks", *words, task)
        assert "add --attempt 1" in nothing.err
        assert "out.txt" in person.types("tasks", *words, task, "--attempt", "1").out
    applied = person.types("tasks", "apply", task, "--attempt", "1")
    assert applied.code == 0, applied.err
    branch = git(repository, "for-each-ref", "--format=%(refname)", "refs/heads/ai")
    assert git(repository, "show", f"{branch}:out.txt") == "first"
    assert "AI-Orchestrator-Verified" in git(repository, "log", "-1", branch)
    assert f"removed {short}" in person.types("gc").out
    assert not (person.data / "work" / task).exists()


@pytest.mark.parametrize("attempt", ["2", "7"], ids=["without-work", "unknown"])
def test_an_attempt_without_work_is_refused_by_name(
    person: Person, repository: Path, attempt: str
) -> None:
    """With the one that has some."""
    task, _ = retried_and_cancelled(person, repository)
    done = person.types("tasks", "apply", task, "--attempt", attempt)
    assert done.code == 2
    assert f"attempt {attempt} has no work. Attempt 1 has verified work" in done.err
