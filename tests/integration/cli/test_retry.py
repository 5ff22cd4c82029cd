"""A task that is tried again gets the credentials that are there then."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.support.commands import Person
from tests.support.repository import git

from ai_orchestrator.model.ids import final_ref

DOCUMENT: dict[str, Any] = {
    "settings": {"default_workflow": "quick"},
    "accounts": {"work": {"agent": "coder", "kind": "env", "variables": ["WORK_KEY"]}},
}


def test_retry_takes_the_key_that_the_first_run_lacked(person: Person, repository: Path) -> None:
    """The person sets the variable and types what the failed run told them.

    The result names the repository that holds the commits of this attempt.
    """
    person.has_agent('test "$WORK_KEY" = right && echo done > out.txt', **DOCUMENT)
    first = person.types("run", "Do it", "--json", cwd=repository)
    assert first.code == 1, first.err
    person.variables["WORK_KEY"] = "right"
    task = first.json_lines[-1]["task"]
    second = person.types("tasks", "retry", task, "--watch", "--json")
    assert second.code == 0, second.out
    result = second.json_lines[-1]
    assert result["task_attempt"] == 2
    refs = git(Path(result["repository"]), "for-each-ref", "--format=%(refname)")
    assert final_ref(task, 2) in refs.splitlines()


@pytest.mark.parametrize("what", ["its repository", "our copy of its repository"])
def test_retry_is_refused_where_the_start_is_gone(
    person: Person, repository: Path, what: str
) -> None:
    """With what to do, instead of an attempt that must fail; the task stays as it was."""
    person.has_agent("echo done > out.txt", settings={"default_workflow": "quick"})
    task = str(person.types("run", "Do it", "--json", cwd=repository).json_lines[-1]["task"])
    if what == "its repository":
        repository.rename(repository.with_name("elsewhere"))
    else:
        shutil.rmtree(person.data / "repos")
    refused = person.types("tasks", "retry", task)
    assert refused.code == 2, refused.err
    assert f"cannot start again, since {what} /" in refused.err
    assert "ai-orchestrator run --repo PATH" in refused.err
    assert '"task_attempt":1' in person.types("tasks", "show", task, "--json").out
