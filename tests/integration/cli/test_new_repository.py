"""Work goes to where nothing of its repository is, with all of its history."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.commands import Person
from tests.support.repository import git


@pytest.fixture
def task(person: Person, repository: Path) -> str:
    """A task that has made out.txt on top of two commits."""
    (repository / "more.txt").write_text("more\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "more")
    person.has_agent("echo done > out.txt", settings={"default_workflow": "quick"})
    done = person.types("run", "Make out.txt", "--sandbox", "off", "--json", cwd=repository)
    assert done.code == 0, done.err
    return str(done.json_lines[-1]["task"])


def test_output_makes_a_repository_with_the_history_of_the_work(
    person: Person, repository: Path, task: str, tmp_path: Path
) -> None:
    """Also after the repository it started from is gone; the branch is checked out."""
    before = git(repository, "rev-list", "HEAD").split()
    repository.rename(tmp_path / "elsewhere")
    refused = person.types("tasks", "apply", task)
    assert refused.code == 2
    assert "--output DIR" in refused.err
    target = tmp_path / "new"
    done = person.types("tasks", "apply", task, "-o", str(target))
    assert done.code == 0, done.err
    assert git(target, "rev-list", "HEAD").split()[-2:] == before
    assert (target / "out.txt").read_text() == "done\n"
    assert git(target, "status", "--porcelain") == ""
    assert git(target, "symbolic-ref", "HEAD") == "refs/heads/main"
    git(target, "fsck", "--full", "--strict")


@pytest.mark.parametrize("how", ["--branch", "--merge"])
def test_a_folder_takes_the_work_once_it_is_a_repository(
    person: Person, task: str, tmp_path: Path, how: str
) -> None:
    """What the refusal advises works."""
    folder = tmp_path / "folder"
    folder.mkdir()
    refused = person.types("tasks", "apply", task, "--repo", str(folder))
    assert refused.code == 2
    assert "Run `git init` there first" in refused.err
    git(folder, "init", "-q", "-b", "main")
    done = person.types("tasks", "apply", task, "--repo", str(folder), how)
    assert done.code == 0, done.err
    where = "HEAD" if how == "--merge" else git(folder, "for-each-ref", "--format=%(refname)")
    assert git(folder, "show", f"{where}:out.txt") == "done"
