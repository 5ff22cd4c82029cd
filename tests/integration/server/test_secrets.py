"""A secret that is sent with a task, whatever its agent does with it: nowhere in the clear."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support.configuration import request, shell_agent
from tests.support.server import RunnerProcess, running, wait_for
from tests.support.vendors import claude_agent

from ai_orchestrator.model.states import OutcomeCode
from ai_orchestrator.model.task import RunOptions, TaskView

SECRET = "correct-horse-battery-9471"
VARIABLE = "ANTHROPIC_API_KEY"
ENCODED = base64.b64encode(SECRET.encode()).decode().rstrip("=")


def run(
    runner: RunnerProcess, repository: Path, agent: dict[str, Any], sandbox: str, **more: Any
) -> TaskView:
    """The end of a task for one agent that is given the secret."""
    order = request(
        repository,
        {"coder": agent},
        more.pop("document", None),
        workflow="quick",
        options=RunOptions(sandbox=sandbox),  # type: ignore[arg-type]  # one of the three
        credentials=more.pop("credentials", {VARIABLE: SECRET}),
    )
    return runner.until_final(runner.backend.submit(order).summary.id)


def leaks(directory: Path) -> list[str]:
    """Files that hold the secret, plain or encoded. Nothing of a task is left in the trash."""
    trash = directory / "trash"
    wait_for(lambda: not trash.exists() or not any(trash.iterdir()), "the trash to be emptied")
    words = (SECRET.encode(), ENCODED.encode(), SECRET.encode().hex().encode())
    return [
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file() and any(word in path.read_bytes() for word in words)
    ]


def argvs() -> str:
    """What everybody on this machine can read of running programs."""
    found = []
    for process in psutil.process_iter():
        try:
            found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return "\n".join(found)


def test_a_secret_is_in_no_command_line(tmp_path: Path, repository: Path) -> None:
    """Neither of the agent nor of the sandbox around it."""
    script = f'[ -n "${VARIABLE}" ] && touch running; while [ ! -e go ]; do sleep 0.05; done; end x'
    agent = claude_agent(tmp_path, script)
    with running(tmp_path / "data") as runner:
        order = request(
            repository, {"coder": agent}, workflow="quick", credentials={VARIABLE: SECRET}
        )
        task_id = runner.backend.submit(order).summary.id
        tree = runner.data_dir / "work" / task_id / "a1" / "tree"
        wait_for((tree / "running").exists, "the agent to run with its key")
        seen = argvs()
        (tree / "go").touch()
        runner.until_final(task_id)
    assert str(tmp_path / "data") in seen
    assert SECRET not in seen


@pytest.mark.parametrize("sandbox", ["required", "off"])
def test_what_an_agent_says_of_a_secret_is_stored_nowhere(
    tmp_path: Path, repository: Path, sandbox: str
) -> None:
    """In its words, encoded, on standard error, in a commit of its own, in a verifier."""
    script = f"""
    echo "the key is ${VARIABLE}" >&2
    say_text() {{ cat <<END
{{"type":"assistant","message":{{"id":"$1","content":[{{"type":"text","text":"$2"}}]}}}}
END
    }}
    say_text m2 "my key is ${VARIABLE}"
    say_text m3 "it is $(printf %s "${VARIABLE}" | base64) encoded"
    printf %s "${VARIABLE}" | rev > out.txt
    git -c user.name=a -c user.email=a@b commit -q -a --allow-empty -m "with ${VARIABLE}"
    end "done with ${VARIABLE}"
    """
    document = {"verify": ["sh -c '[ ! -e out.txt ] || rev out.txt'"]}
    agent = claude_agent(tmp_path, script)
    with running(tmp_path / "data") as runner:
        view = run(runner, repository, agent, sandbox, document=document)
        assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
        log = b"".join(runner.backend.logs(view.summary.id))
        assert log.count(f"[redacted:{VARIABLE}]".encode()) == 4, log
        verified = view.steps[-1].verifiers[0].output
        assert verified == f"[redacted:{VARIABLE}]"
        assert leaks(runner.data_dir) == []


def test_an_error_that_repeats_a_secret_is_stored_without_it(
    tmp_path: Path, repository: Path
) -> None:
    """In the row, in the events, in the outcome's reason and in the journal."""
    agent = claude_agent(tmp_path, f'failed "refused: ${VARIABLE}"')
    with running(tmp_path / "data") as runner:
        view = run(runner, repository, agent, "off")
        assert view.summary.outcome is OutcomeCode.AGENT_FAILED
        assert f"refused: [redacted:{VARIABLE}]" in view.summary.reason
        assert leaks(runner.data_dir) == []


def test_a_step_that_raises_repeats_no_secret(tmp_path: Path, repository: Path) -> None:
    """The runner's own log neither; the database has the configuration, which holds it here."""
    agent = claude_agent(tmp_path, "echo hi > out.txt; end x")
    document = {"setup": [f"sh -c 'echo {SECRET}; exit 3'"]}
    with running(tmp_path / "data") as runner:
        view = run(runner, repository, agent, "off", document=document)
        assert view.summary.outcome is OutcomeCode.ENVIRONMENT
        assert "[redacted" in view.summary.reason
        assert [path for path in leaks(runner.data_dir) if not path.startswith("db.")] == []


def test_secrets_are_forgotten_at_the_end(tmp_path: Path, repository: Path) -> None:
    """Their row is gone, and their value is a text like any other again."""
    data = tmp_path / "data"
    agent = claude_agent(tmp_path, "echo hi > out.txt; end x")
    with running(data) as runner:
        run(runner, repository, agent, "off")
        with closing(sqlite3.connect(data / "db.sqlite")) as database:
            rows = database.execute("SELECT count(*) FROM orchestrator_credentials").fetchone()
        assert rows == (0,)
        speaks = shell_agent(f"echo {SECRET}; echo hi > out.txt", role="implementation")
        view = run(runner, repository, speaks, "off", credentials={})
        assert SECRET.encode() in b"".join(runner.backend.logs(view.summary.id))


@pytest.mark.parametrize("end", ["cancelled", "killed-and-taken-up"])
def test_secrets_live_as_long_as_their_task(tmp_path: Path, repository: Path, end: str) -> None:
    """A cancelled task needs them no more; one that is taken up finds them again."""
    data, mark = tmp_path / "data", tmp_path / "mark"
    script = f"""
    [ "$(printf %s "${VARIABLE}" | wc -c)" = {len(SECRET)} ] || exit 5
    [ -e {mark} ] || {{ touch {mark}; sleep 600; }}
    echo hi > out.txt; end "${VARIABLE}" """
    order = request(
        repository,
        {"coder": claude_agent(tmp_path, script)},
        workflow="quick",
        options=RunOptions(sandbox="off"),
        credentials={VARIABLE: SECRET},
    )
    with running(data) as runner:
        task_id = runner.backend.submit(order).summary.id
        wait_for(mark.exists, "the agent to run")
        if end == "cancelled":
            runner.backend.cancel(task_id)
            runner.until_final(task_id)
        else:
            runner.kill()
    with running(data) as runner:
        view = runner.until_final(task_id)
        if end != "cancelled":
            assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
        with closing(sqlite3.connect(data / "db.sqlite")) as database:
            rows = database.execute("SELECT count(*) FROM orchestrator_credentials").fetchone()
        assert rows == (0,)
        assert leaks(data) == []


def test_a_key_typed_into_the_task_is_taken_out_of_it(tmp_path: Path, repository: Path) -> None:
    """Before it is stored, prompted or becomes a branch; a person is told."""
    key = "sk-proj-" + "Zx81" * 10
    prompt = tmp_path / "prompt"
    with running(tmp_path / "data") as runner:
        order = request(
            repository,
            {"coder": shell_agent(f'echo "$prompt" > {prompt}; echo x > out.txt')},
            {"verify": ["true"]},
            workflow="quick",
            options=RunOptions(sandbox="off"),
            task=f"Use {key} for the calls",
            idempotency_key="twice",
        )
        view = runner.until_final(runner.backend.submit(order).summary.id)
        assert view.summary.outcome is OutcomeCode.VERIFIED, view.summary.reason
        assert runner.backend.submit(order).summary.id == view.summary.id
    assert "Use [redacted:" in view.task
    assert "Use [redacted:" in prompt.read_text()
    assert view.branch.endswith("-for-the-calls")
    assert any("looks like a key" in note for note in view.notes)
    for path in (tmp_path / "data").rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes(), path
