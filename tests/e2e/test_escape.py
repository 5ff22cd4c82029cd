"""A hostile agent and a hostile repository, in the whole system: what they reach, and what not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.configuration import APPROVE, request, shell_agent
from tests.support.repository import git, make_repository
from tests.support.server import RunnerProcess

from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.task import TaskView

SECRET = "sk-ant-api03-this-is-the-other-account-s-key"  # made up

PROBE = r"""
try() { if out=$(sh -c "$2" 2>&1); then echo "REACHED $1: $out"; else echo "refused $1"; fi; }
try write-etc 'touch /etc/hostile'
try write-root 'touch /hostile'
try write-usr 'touch /usr/hostile'
try write-victim 'echo hostile > VICTIM'
try read-victim 'cat VICTIM'
try see-other-tasks 'ls DATA/work | sed 1d | grep .'
try see-data 'ls DATA | grep -v -x -e work -e repos'
try write-objects 'touch DATA/work/*/repo.git/objects/hostile'
try write-mirror 'touch DATA/repos/*/objects/hostile'
try read-database 'cat DATA/db.sqlite'
try read-key 'cat DATA/secret.key'
try connect-socket 'test -S DATA/runner.sock'
try read-root-home 'cat /root/.bashrc /root/.gitconfig'
try see-processes 'cat /proc/[0-9]*/cmdline | tr "\0" " " | grep [a]i_orchestrator.runner'
try read-environments 'cat /proc/[0-9]*/environ | tr "\0" "\n" | grep OTHER_KEY'
try mount 'mount -t tmpfs none /mnt'
try ptrace-parent 'cat /proc/1/root/etc/shadow'
try write-switch 'echo hostile > /proc/sys/kernel/core_pattern'
try device 'mknod /work/disk b 254 0'
"""


def reached(view_text: str) -> list[str]:
    """What the probe got at."""
    return [line for line in view_text.splitlines() if line.startswith("REACHED")]


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A file of somebody else on the same machine."""
    path = tmp_path / "victim.txt"
    path.write_text("private\n")
    yield path
    assert path.read_text() == "private\n"


def work(
    runner: RunnerProcess,
    repository: Path,
    script: str,
    document: dict[str, Any] | None = None,
    **more: Any,
) -> TaskView:
    """The default workflow with a hostile implementer and an easy reviewer, to its end."""
    agents = {
        "coder": shell_agent(script, role="implementation"),
        "judge": shell_agent(APPROVE, role="review"),
    }
    order = request(repository, agents, document, **more)
    return runner.until_final(runner.backend.submit(order).summary.id)


def content(runner: RunnerProcess, view: TaskView, path: str) -> str:
    """A file of the final commit."""
    repository = runner.data_dir / "work" / view.summary.id / "repo.git"
    return git(repository, "show", f"{view.final_commit}:{path}")


def test_an_agent_reaches_nothing_but_its_tree(
    runner: RunnerProcess, repository: Path, victim: Path
) -> None:
    """Neither the machine, nor the orchestrator, nor another person's files."""
    probe = PROBE.replace("VICTIM", str(victim)).replace("DATA", str(runner.data_dir))
    (repository / "probe.sh").write_text(probe)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "a probe")
    view = work(
        runner,
        repository,
        "sh probe.sh > reached.txt; env > environment.txt",
        credentials={"OTHER_KEY": SECRET},
    )
    assert view.summary.outcome is OutcomeCode.APPROVED_VERIFIED, view.summary.reason
    text = content(runner, view, "reached.txt")
    assert text.count("refused") == PROBE.count("\ntry "), text
    assert reached(text) == []
    environment = content(runner, view, "environment.txt")
    assert SECRET not in environment
    assert {line.partition("=")[0] for line in environment.splitlines()} <= {
        *("PATH", "HOME", "TMPDIR", "LANG", "TERM", "NO_COLOR", "PWD", "OLDPWD", "SHLVL", "_"),
        *("AI_ORCHESTRATOR_TREE", "CI"),
    }


def test_a_verifier_that_an_agent_wrote_reaches_no_more(
    runner: RunnerProcess, tmp_path: Path, victim: Path
) -> None:
    """A test run by the orchestrator is the agent's code in another coat."""
    repository = make_repository(tmp_path / "repository")
    probe = PROBE.replace("VICTIM", str(victim)).replace("DATA", str(runner.data_dir))
    hostile = (
        "import os, subprocess, unittest\n"
        "class T(unittest.TestCase):\n"
        "    def test_probe(self):\n"
        f"        probe = {probe!r}\n"
        "        done = subprocess.run(['sh', '-c', probe], capture_output=True, text=True)\n"
        "        text = done.stdout\n"
        "        self.assertIn('refused', text)\n"
        "        self.assertNotIn('REACHED', text, text)\n"
        "        self.assertNotIn('sk-ant', str(dict(os.environ)))\n"
    )
    script = "cat > tests/test_probe.py <<'EOF'\n" + hostile + "EOF\n"
    view = work(runner, repository, script, credentials={"ANTHROPIC_API_KEY": SECRET})
    assert view.summary.outcome is OutcomeCode.APPROVED_VERIFIED, _said(view)


def test_a_read_only_reviewer_cannot_write(runner: RunnerProcess, repository: Path) -> None:
    """The tree is read-only for it, and what it tries leaves no trace."""
    agents = {
        "coder": shell_agent("echo hello > out.txt", role="implementation"),
        "judge": shell_agent(f"echo x > sneaked.txt; {APPROVE}", role="review"),
    }
    view = runner.until_final(runner.backend.submit(request(repository, agents)).summary.id)
    changed = {change.path for change in runner.backend.diff(view.summary.id).files}
    assert changed == {"out.txt"}


@pytest.mark.parametrize(
    ("files", "script"),
    [
        pytest.param(
            {"Makefile": "test:\n\t@test ! -e out.txt\n"},
            "echo x > out.txt; printf 'test:\\n\\t@true\\n' > Makefile",
            id="the-makefile-that-says-what-a-test-is",
        ),
        pytest.param(
            {
                "tests/__init__.py": "",
                "tests/test_it.py": (
                    "import os, unittest\n\n\nclass T(unittest.TestCase):\n"
                    "    def test_out(self):\n        assert not os.path.exists('out.txt')\n"
                ),
            },
            "echo x > out.txt; echo 'import unittest' > tests/test_it.py",
            id="the-test-that-fails",
        ),
        pytest.param(
            {
                "tests/__init__.py": "",
                "tests/test_it.py": (
                    "import os, unittest\n\n\nclass T(unittest.TestCase):\n"
                    "    def test_out(self):\n        assert not os.path.exists('out.txt')\n"
                ),
            },
            "echo x > out.txt; "
            "sed -i 's/    def/    @unittest.skip(1)\\n    def/' tests/test_it.py",
            id="the-test-that-is-skipped",
        ),
    ],
)
def test_who_changes_the_judge_does_not_win(
    runner: RunnerProcess, tmp_path: Path, files: dict[str, str], script: str
) -> None:
    """Verifiers run with the base's word, and lost tests stand in the way."""
    repository = make_repository(tmp_path / "repository", {"README": "x\n", **files})
    view = work(runner, repository, script)
    assert view.summary.state is TaskState.FAILED, _said(view)
    assert view.findings, _said(view)


def test_an_agent_s_git_runs_nothing_of_ours(
    runner: RunnerProcess, repository: Path, tmp_path: Path
) -> None:
    """Hooks, monitors, filters and alternates that it leaves behind stay words."""
    marker = tmp_path / "ran"
    script = (
        "git config core.fsmonitor 'touch /tmp/ran';"
        "git config filter.evil.clean 'touch /tmp/ran; cat';"
        "echo '* filter=evil' > .gitattributes;"
        "mkdir -p .git/hooks; printf '#!/bin/sh\\ntouch /tmp/ran\\n' > .git/hooks/pre-commit;"
        "chmod +x .git/hooks/pre-commit; echo /etc > .git/objects/info/alternates;"
        "echo hello > out.txt"
    ).replace("/tmp/ran", str(marker))
    view = work(runner, repository, script)
    assert view.summary.outcome is OutcomeCode.APPROVED_VERIFIED, _said(view)
    assert not marker.exists()
    assert content(runner, view, "out.txt") == "hello"


def _said(view: TaskView) -> str:
    outputs = [result.output for step in view.steps for result in step.verifiers]
    return "\n".join([view.summary.reason, *outputs[-1:]])
