"""Two tasks with one kept login under a real runner: turns, secrecy, and no login at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.configuration import request, shell_agent
from tests.support.repository import git, make_repository
from tests.support.server import RunnerProcess, processes_naming, running, wait_for
from tests.support.vendor_login import LOGIN_FILE, claude_agent, claude_program, log_in

from ai_orchestrator.model.events import encode_event
from ai_orchestrator.model.states import OutcomeCode
from ai_orchestrator.model.task import TaskView

OLD, NEW = "sk-ant-oat01-old-0123456789", "sk-ant-oat01-new-0123456789"
ACCOUNTS = {"work": {"agent": "claude", "kind": "vendor-home"}}
WORKS = f"""
token=$(cut -d '"' -f 6 $state/{LOGIN_FILE})
echo "$prompt" | grep -q "first of two" && until test -e $state/go; do sleep 0.02; done
mkdir -p $state/projects/-work && echo "transcript" > $state/projects/-work/$$.jsonl
ls -R $state > seen.txt
write_token {NEW}
newer=$(cut -d '"' -f 6 $state/{LOGIN_FILE})
echo "debug: $token $newer" >&2
said='{{"type":"text","text":"I am '$token' and '$newer'"}}'
echo '{{"type":"assistant","message":{{"id":"m","content":['"$said"']}}}}'
"""


def ask(
    runner: RunnerProcess, repository: Path, task: str, agents: dict[str, Any], **more: Any
) -> str:
    """The id of a task for one of them, under the workflow without a review."""
    order = request(repository, agents, {"accounts": ACCOUNTS}, task=task, workflow="quick", **more)
    return runner.backend.submit(order).summary.id


def told(runner: RunnerProcess, task_id: str) -> str:
    """All events of a task as they are stored."""
    return "\n".join(encode_event(e).decode() for e in runner.backend.events(task_id))


def seen_by(runner: RunnerProcess, view: TaskView) -> str:
    """What the agent wrote down of the account's directory."""
    assert view.final_commit is not None
    own = runner.data_dir / "work" / view.summary.id / "repo.git"
    return git(own, "show", f"{view.final_commit}:seen.txt")


@pytest.fixture
def claude(tmp_path: Path) -> dict[str, Any]:
    """An agent whose program is a script."""
    return {"claude": claude_agent(claude_program(tmp_path / "bin", run=WORKS))}


def test_two_tasks_take_turns_and_tell_nothing(
    runner: RunnerProcess, repository: Path, claude: dict[str, Any]
) -> None:
    """The second waits in the open; the login is in no event, log, command line or view."""
    state = log_in(runner.data_dir / "accounts", "work", OLD)
    first = ask(runner, repository, "The first of two", claude)
    wait_for((state / "projects").exists, "the first task's agent")
    second = ask(runner, repository, "The other one", claude)
    wait_for(lambda: '"agent.wait"' in told(runner, second), "the second task to say that it waits")
    assert processes_naming(OLD) == []
    (state / "go").touch()
    for task_id in (first, second):
        view = runner.until_final(task_id)
        assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
        assert ".jsonl" in seen_by(runner, view)
        assert seen_by(runner, view).count(".jsonl") == 1, "its own transcript only"
        log = b"".join(runner.backend.logs(task_id)).decode()
        assert "debug: [redacted:accessToken" in log
        events = told(runner, task_id)
        assert "I am [redacted:accessToken" in events
        for text in (log, events, str(view)):
            assert OLD not in text
            assert NEW not in text
    waits = [e.data for e in runner.backend.events(second) if e.type == "agent.wait"]
    assert [wait.is_over for wait in waits] == [False, True]  # type: ignore[union-attr]  # by type
    assert '"agent.wait"' not in told(runner, first)
    assert [path.name for path in state.iterdir()] == [LOGIN_FILE]
    assert NEW in (state / LOGIN_FILE).read_text()


def test_a_task_without_the_account_does_not_see_it(
    runner: RunnerProcess, repository: Path
) -> None:
    """Another agent's task, while the login is there."""
    accounts = runner.data_dir / "accounts"
    log_in(accounts, "other", OLD)
    script = (
        f"(ls -a $HOME; cat {accounts}/other/{LOGIN_FILE}; ls {runner.data_dir}) > seen.txt 2>&1"
    )
    coder = {"coder": shell_agent(f"{script}; echo done", role="implementation")}
    order = request(repository, coder, workflow="quick")
    view = runner.until_final(runner.backend.submit(order).summary.id)
    assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
    seen = seen_by(runner, view)
    assert OLD not in seen
    assert ".account" not in seen
    assert f"{LOGIN_FILE}: No such file" in seen
    assert "accounts" not in seen.splitlines()


def test_without_a_login_the_task_says_what_to_type(tmp_path: Path, claude: dict[str, Any]) -> None:
    """Before its agent is started: what the machine lacks is no fault of the agent's."""
    repository = make_repository(tmp_path / "repository")
    with running(tmp_path / "data") as runner:
        view = runner.until_final(ask(runner, repository, "x", claude))
    assert view.summary.outcome is OutcomeCode.ENVIRONMENT, view.summary.reason
    assert "ai-orchestrator agents login work" in view.summary.reason
