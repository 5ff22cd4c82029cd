"""What a tree is given beside its commit: ignored files, set-up commands, ports."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.support.configuration import request, shell_agent
from tests.support.repository import git, make_repository
from tests.support.server import RunnerProcess, running, wait_for
from tests.support.vendors import claude_agent

from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.task import RunOptions, TaskView

FILES = {"README": "x\n", ".gitignore": ".env\ndeps/\ndata/\n"}


def work(
    runner: RunnerProcess, repository: Path, script: str, document: dict[str, Any]
) -> TaskView:
    """The quick workflow with one agent, to its end."""
    order = request(
        repository,
        {"coder": shell_agent(script, role="implementation")},
        document,
        workflow="quick",
    )
    return runner.until_final(runner.backend.submit(order).summary.id)


def content(runner: RunnerProcess, view: TaskView, path: str) -> str:
    """A file of the final commit."""
    repository = runner.data_dir / "work" / view.summary.id / "repo.git"
    return git(repository, "show", f"{view.final_commit}:{path}")


def test_agent_and_verifiers_get_copies_set_up_and_ports(
    runner: RunnerProcess, tmp_path: Path
) -> None:
    """Both trees hold them, and none of them is committed."""
    repository = make_repository(tmp_path / "repository", FILES)
    (repository / ".env").write_text("TOKEN=1\n")
    (repository / "data").mkdir()
    (repository / "data" / "big").write_text("big\n")
    check = "cat .env deps/ok data/big"
    document = {
        "copy": [".env"],
        "link": ["data"],
        "setup": ["sh -c 'mkdir -p deps && echo yes > deps/ok'"],
        "ports": 2,
        "verify": [check, """sh -c 'test "$PORT" = "$PORT_0" -a -n "$PORT_1"'"""],
    }
    script = f'{check} > out.txt && echo "$PORT $PORT_0 $PORT_1" > ports.txt'
    view = work(runner, repository, script, document)
    assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
    assert content(runner, view, "out.txt") == "TOKEN=1\nyes\nbig"
    first, same, second = content(runner, view, "ports.txt").split()
    assert first == same
    assert int(second) == int(first) + 1
    changed = {change.path for change in runner.backend.diff(view.summary.id).files}
    assert changed == {"out.txt", "ports.txt"}


def test_what_a_pattern_does_not_find_is_said(runner: RunnerProcess, tmp_path: Path) -> None:
    """A typing error in `copy:` is worth a word with the task."""
    repository = make_repository(tmp_path / "repository", FILES)
    document = {"copy": [".envv"], "verify": ["true"]}
    view = work(runner, repository, "echo x > out.txt", document)
    assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
    assert any(".envv" in note for note in view.notes), view.notes


def test_what_holds_only_in_a_sandbox_is_said_where_there_is_none(
    runner: RunnerProcess, tmp_path: Path
) -> None:
    """`network: none` with `--sandbox off`: the task runs, and its person knows."""
    order = request(
        make_repository(tmp_path / "repository", FILES),
        {"coder": shell_agent("echo x > out.txt", role="implementation")},
        {"verify": ["true"], "settings": {"network": "none"}},
        workflow="quick",
        options=RunOptions(sandbox="off"),
    )
    view = runner.until_final(runner.backend.submit(order).summary.id)
    assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
    assert any("network: none` does not hold" in note for note in view.notes), view.notes


def test_a_tool_that_a_verifier_would_need_is_named(runner: RunnerProcess, tmp_path: Path) -> None:
    """What fits the repository and cannot be used is no silent gap."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "cat"):
        (tools / name).symlink_to(f"/bin/{name}")
    files = FILES | {"package.json": '{"scripts": {"test": "node t.js"}}'}
    order = request(
        make_repository(tmp_path / "repository", files),
        {"coder": shell_agent("echo x > out.txt", role="implementation")},
        {},
        workflow="quick",
        options=RunOptions(allow_unverified=True),
        path=str(tools),
    )
    view = runner.until_final(runner.backend.submit(order).summary.id)
    assert any("npm" in note for note in view.notes), view.notes


def test_a_script_step_s_change_is_committed_like_an_agent_s(
    runner: RunnerProcess, tmp_path: Path
) -> None:
    """`run:` changes the tree, and its output is in the log."""
    repository = make_repository(tmp_path / "repository", FILES)
    steps = [{"task": "implement"}, {"run": "sh -c 'tr a-z A-Z < out.txt > loud.txt; echo ok'"}]
    document = {
        "verify": ["grep -q HELLO loud.txt"],
        "workflows": {"loud": {"success": "verified", "steps": steps}},
    }
    order = request(
        repository,
        {"coder": shell_agent("echo hello > out.txt", role="implementation")},
        document,
        workflow="loud",
    )
    view = runner.until_final(runner.backend.submit(order).summary.id)
    assert view.summary.outcome is OutcomeCode.ENVIRONMENT, view.summary.reason
    document["workflows"]["loud"]["baseline"] = "expect-red"  # type: ignore[index]  # a dict
    order = request(
        repository,
        {"coder": shell_agent("echo hello > out.txt", role="implementation")},
        document,
        workflow="loud",
    )
    view = runner.until_final(runner.backend.submit(order).summary.id)
    assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
    assert content(runner, view, "loud.txt") == "HELLO"


def waits_for_a_quota(runner: RunnerProcess, tmp_path: Path, document: dict[str, Any]) -> str:
    """A task whose agent is asked again in 5 s, and needs then what its tree was given."""
    repository = make_repository(tmp_path / "repository", FILES)
    (repository / ".env").write_text("TOKEN=1\n")
    asked = tmp_path / "asked"
    script = f"""
    if [ ! -e {asked} ]; then : > {asked}; limited_for 5; refused 429; fi
    cat .env deps/ok > out.txt; end done"""
    order = request(
        repository,
        {"coder": claude_agent(tmp_path, script)},
        {"copy": [".env"], "verify": ["true"], **document},
        workflow="quick",
        options=RunOptions(sandbox="off"),
    )
    task_id = runner.backend.submit(order).summary.id
    wait_for(
        lambda: runner.backend.task(task_id).summary.state is TaskState.WAITING_QUOTA, "the wait"
    )
    return task_id


@pytest.mark.parametrize("moment", ["at-work", "not-running", "killed-while-setting-up"])
def test_a_tree_that_is_lost_on_the_way_is_set_up_again(tmp_path: Path, moment: str) -> None:
    """Whatever took it away while the task waited; a person is told.

    What the commands do to files of the repository is not taken for the agent's change.
    """
    mark, data = tmp_path / "mark", tmp_path / "data"
    makes = "mkdir -p deps; echo yes > deps/ok; echo by-setup >> README"
    hangs = f"[ ! -e {mark} ] || {{ rm {mark}; touch {mark}.reached; sleep 600; }}"
    document = {"setup": [f"sh -c '{hangs}; {makes}'"]}
    with running(data) as runner:
        task_id = waits_for_a_quota(runner, tmp_path, document)
        tree = data / "work" / task_id / "a1" / "tree"
        if moment == "not-running":
            runner.kill()
        if moment == "killed-while-setting-up":
            mark.touch()
        shutil.rmtree(tree)
        if moment == "killed-while-setting-up":
            wait_for(Path(f"{mark}.reached").exists, "the second set-up")
            runner.kill()
        if moment == "at-work":
            runner.until_final(task_id)
    with running(data) as runner:
        view = runner.until_final(task_id)
        assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
        assert content(runner, view, "out.txt") == "TOKEN=1\nyes"
        assert [change.path for change in runner.backend.diff(task_id).files] == ["out.txt"]
        assert any("set up anew" in note for note in view.notes), view.notes
