"""`run` in a repository, in a dirty one, and where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.commands import Person
from tests.support.repository import git

LIST = "ls > out.txt"
QUICK: dict[str, Any] = {"settings": {"default_workflow": "quick"}}
UNTRACKED = "ai-orchestrator: 2 untracked files or folders are not part of the work.\n"


@pytest.mark.parametrize("words", [(), ("--dry-run",)], ids=["run", "dry-run"])
def test_where_no_repository_is_both_ways_out_are_told(
    person: Person, words: tuple[str, ...]
) -> None:
    """Exit 2, before a runner is started."""
    person.has_agent(LIST, **QUICK)
    done = person.types("run", "Do it", *words)
    assert done.code == 2
    assert f"{person.home} is not in a git repository." in done.err
    assert "--repo PATH|URL" in done.err
    assert "--output DIR" in done.err
    assert person.runner_pid is None


def test_dirty_repository_is_refused_with_the_ways_out(person: Person, repository: Path) -> None:
    """Exit 2: what would be left out is named, and nothing was accepted."""
    person.has_agent(LIST, **QUICK)
    (repository / "tests/test_it.py").write_text("changed\n")
    done = person.types("run", "Do it", cwd=repository)
    assert done.code == 2
    assert "uncommitted changes: tests/test_it.py." in done.err
    assert "Commit or stash them, or start from them with --include-dirty." in done.err
    assert person.types("tasks", "--json").json_lines == [[]]


def test_uncommitted_changes_are_the_start_where_that_is_asked_for(
    person: Person, repository: Path
) -> None:
    """With --include-dirty the agent sees them, and the checkout stays as it is."""
    person.has_agent("cp tests/test_it.py out.txt", **QUICK)
    changed = (repository / "tests/test_it.py").read_text() + "# changed\n"
    (repository / "tests/test_it.py").write_text(changed)
    done = person.types("run", "Do it", "--include-dirty", "--json", cwd=repository)
    assert done.code == 0, done.err
    result = done.json_lines[-1]
    assert git(Path(result["repository"]), "show", f"{result['final_commit']}:out.txt") == (
        changed.strip()
    )
    assert git(repository, "status", "--porcelain") == "M tests/test_it.py"


def test_untracked_files_are_told_in_one_line_and_stay_out(
    person: Person, repository: Path
) -> None:
    """Whoever expects them in the work learns it at the start; the task keeps the note."""
    person.has_agent(LIST, **QUICK)
    (repository / "notes.txt").write_text("mine\n")
    (repository / "drafts").mkdir()
    (repository / "drafts/one.txt").write_text("mine\n")
    done = person.types("run", "Do it", cwd=repository)
    assert (done.code, done.err) == (0, UNTRACKED)
    (listed,) = person.types("tasks", "list", "--json").json_lines[0]
    (view,) = person.types("tasks", "show", listed["id"], "--json").json_lines
    assert view["notes"] == ["2 untracked files or folders are not part of the work."]
    own = person.data / "work" / listed["id"] / "repo.git"
    assert git(own, "show", f"{view['final_commit']}:out.txt").split() == ["out.txt", "tests"]


def test_step_that_is_left_out_is_told(person: Person, repository: Path) -> None:
    """The note of the workflow comes with those of the repository."""
    steps = [
        {"task": "implement"},
        {"task": "test", "agent": "gone", "optional": True},
    ]
    gone = {"gone": {"driver": "command", "command": "gone", "enabled": False}}
    path = person.has_agent(LIST, workflows={"mine": {"steps": steps}}, others=gone)
    done = person.types("run", "Do it", "-w", "mine", cwd=repository)
    assert done.code == 0, done.err
    assert done.err == (
        f"ai-orchestrator: {path}:1 workflows.mine.steps[1].agent: the agent 'gone' is disabled: "
        "the step is left out.\n"
    )
