"""Set-up commands run once, and what they made reaches every later tree as it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.configuration import request, shell_agent
from tests.support.repository import git, make_repository
from tests.support.server import RunnerProcess

from ai_orchestrator.model.events import AgentTextData, StepFinishedData
from ai_orchestrator.model.states import OutcomeCode
from ai_orchestrator.model.task import TaskView

STAMP = "mkdir -p deps && date +%s%N > deps/stamp"
"""Each run leaves another content, so the content tells which run a tree has."""
FILES = {"README": "x\n", ".gitignore": "deps/\n", "package-lock.json": "{}\n"}
DOCUMENT: dict[str, Any] = {
    "setup": [f"sh -c '{STAMP}'"],
    "setup_files": [],
    "verify": ["cat deps/stamp"],
}
SHOW = "cat deps/stamp > out.txt"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a lock file, whose dependencies are ignored."""
    return make_repository(tmp_path / "repository", FILES)


def work(
    runner: RunnerProcess, repository: Path, script: str, document: dict[str, Any] = DOCUMENT
) -> TaskView:
    """The quick workflow with one agent, to its verified end."""
    agents = {"coder": shell_agent(script, role="implementation")}
    order = request(repository, agents, document, workflow="quick")
    view = runner.until_final(runner.backend.submit(order).summary.id)
    assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
    return view


def content(runner: RunnerProcess, view: TaskView, path: str) -> str:
    """A file of the final commit."""
    repository = runner.data_dir / "work" / view.summary.id / "repo.git"
    return git(repository, "show", f"{view.final_commit}:{path}")


def stamps(view: TaskView) -> set[str]:
    """What the verifiers saw, on the base and on the heads."""
    results = [result for step in view.steps for result in step.verifiers]
    return {result.output.strip() for result in results}


def said(runner: RunnerProcess, view: TaskView) -> list[str]:
    """What the log tells of set-ups, in order."""
    data = [event.data for event in runner.backend.events(view.summary.id, follow=False)]
    texts = [
        one.text if isinstance(one, AgentTextData) else one.reason
        for one in data
        if isinstance(one, AgentTextData | StepFinishedData)
    ]
    return [text.partition(" in ")[0] for text in texts if text.startswith("setup ")]


def test_one_run_serves_both_trees_and_the_next_task(
    runner: RunnerProcess, repository: Path
) -> None:
    """Also after a commit that changes no lock file; the log says what was done."""
    first = work(runner, repository, SHOW)
    stamp = content(runner, first, "out.txt")
    assert stamps(first) == {stamp}
    assert sorted(said(runner, first)) == ["setup restored", "setup restored", "setup run"]
    (repository / "README").write_text("y\n")
    git(repository, "commit", "-q", "-a", "-m", "more")
    second = work(runner, repository, SHOW)
    assert content(runner, second, "out.txt") == stamp
    assert said(runner, second) == ["setup restored"] * 3
    assert (first.notes, second.notes) == ((), ())


def test_a_changed_lock_file_has_the_commands_run_again(
    runner: RunnerProcess, repository: Path
) -> None:
    """On the user's branch for the next task, and in the task that changes it."""
    first = work(runner, repository, SHOW)
    (repository / "package-lock.json").write_text("{ }\n")
    git(repository, "commit", "-q", "-a", "-m", "more")
    second = work(runner, repository, f"{SHOW}; echo '{{  }}' > package-lock.json")
    stamp = content(runner, second, "out.txt")
    assert stamp != content(runner, first, "out.txt")
    assert len(stamps(second) - {stamp}) == 1
    assert sorted(said(runner, second)) == ["setup restored", "setup run", "setup run"]


def test_what_an_agent_does_to_its_dependencies_stays_in_its_tree(
    runner: RunnerProcess, repository: Path
) -> None:
    """Neither its verifiers nor the next task see it, also not through a link that it leaves."""
    document = DOCUMENT | {"verify": ["sh -c 'cat deps/*; ! test -e deps/more'"]}
    poison = "chmod -R u+w deps; echo evil > deps/stamp; echo evil > deps/more; ln -s / deps/link"
    first = work(runner, repository, f"{SHOW}; {poison}", document)
    stamp = content(runner, first, "out.txt")
    assert stamps(first) == {stamp}
    second = work(runner, repository, SHOW, document)
    assert content(runner, second, "out.txt") == stamp


def test_what_an_agent_wrote_is_not_kept(runner: RunnerProcess, repository: Path) -> None:
    """A set-up on its commit runs its code; the next task's is another one."""
    git(repository, "rm", "-q", "package-lock.json")
    (repository / "setup.sh").write_text(f"{STAMP}\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "a script")
    document = {"setup": ["sh setup.sh"], "verify": ["cat deps/stamp"]}
    evil = "echo 'mkdir -p deps; echo evil > deps/stamp' > setup.sh"
    first = work(runner, repository, f"{SHOW}; {evil}", document)
    assert "evil" in stamps(first)
    second = work(runner, repository, SHOW, document)
    assert content(runner, second, "out.txt") == content(runner, first, "out.txt")


def test_sources_count_for_a_command_that_is_not_known(
    runner: RunnerProcess, repository: Path
) -> None:
    """What was made of the base's sources must not stand in for the head's."""
    document = {
        "setup": ["sh -c 'mkdir -p deps; cp README deps/built'"],
        "verify": ["cat deps/built"],
    }
    view = work(runner, repository, "cp deps/built out.txt; echo new > README", document)
    assert content(runner, view, "out.txt") == "x"
    assert "new" in stamps(view)


def test_a_failed_restore_is_told_and_the_commands_run(
    runner: RunnerProcess, repository: Path
) -> None:
    """Nothing of it is hidden, and nothing of the task is lost."""
    first = work(runner, repository, SHOW)
    stored = next(
        path
        for path in (runner.data_dir / "setup").glob("*/files/deps/stamp")
        if path.read_text().strip() == content(runner, first, "out.txt")
    )
    stored.write_text("")
    second = work(runner, repository, SHOW)
    assert content(runner, second, "out.txt") not in ("", content(runner, first, "out.txt"))
    assert any("could not be restored" in note for note in second.notes)
    third = work(runner, repository, SHOW)
    assert content(runner, third, "out.txt") == content(runner, second, "out.txt")


def test_garbage_collection_by_force_makes_the_commands_run_again(
    runner: RunnerProcess, repository: Path
) -> None:
    """The user's way out, should something wrong be kept."""
    work(runner, repository, SHOW)
    removed = runner.backend.gc(dry_run=False, force=True).removed
    assert any(line.startswith("setup sh -c") for line in removed), removed
    assert list((runner.data_dir / "setup").iterdir()) == []
    assert "setup run" in said(runner, work(runner, repository, SHOW))
