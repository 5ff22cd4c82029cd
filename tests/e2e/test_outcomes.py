"""One scenario for every way in which a task can end, played by agents of one line of shell."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.configuration import APPROVE, ASK_FOR_MORE, request, shell_agent
from tests.support.repository import make_repository
from tests.support.server import RunnerProcess

from ai_orchestrator.model.states import OutcomeCode, TaskState, exit_code
from ai_orchestrator.model.task import RunOptions

WRITE = "echo $$ >> out.txt"
BREAK = "rm -f tests/test_it.py; echo 'import unittest' > tests/test_it.py; echo x >> out.txt"
RED = """import unittest


class TestRed(unittest.TestCase):
    def test_red(self) -> None:
        self.fail("red")
"""


@dataclass(frozen=True)
class Scenario:
    """A task and how it must end."""

    outcome: OutcomeCode
    exit: int
    coder: dict[str, Any] = field(default_factory=lambda: shell_agent(WRITE, role="implementation"))
    judge: dict[str, Any] = field(default_factory=lambda: shell_agent(APPROVE, role="review"))
    workflow: str = "default"
    document: dict[str, Any] = field(default_factory=dict)
    options: RunOptions = field(default_factory=RunOptions)
    files: dict[str, str] | None = None
    reason: str = ""


def coder(script: str, **more: Any) -> dict[str, Any]:
    """The implementing agent."""
    return shell_agent(script, role="implementation", **more)


def judge(script: str) -> dict[str, Any]:
    """The reviewing agent."""
    return shell_agent(script, role="review")


def finding(words: str) -> str:
    """A review with one finding."""
    return ASK_FOR_MORE.replace("it says too little", words)


ROUNDS = (
    'case "$prompt" in *"iteration 1)"*) '
    + finding("it is slow")
    + ';; *"iteration 2)"*) '
    + finding("names mean nothing")
    + ";; *) "
    + finding("a handle leaks")
    + ";; esac"
)
NEW_FAILURE = "import unittest\nclass T(unittest.TestCase):\n  def test_$$(self): self.fail()\n"

SCENARIOS = {
    "approved-verified": Scenario(OutcomeCode.APPROVED_VERIFIED, 0),
    "approved-verified-by-two-reviewers": Scenario(
        OutcomeCode.APPROVED_VERIFIED, 0, workflow="thorough"
    ),
    "verified": Scenario(OutcomeCode.VERIFIED, 0, workflow="quick"),
    "changed-verified": Scenario(OutcomeCode.CHANGED_VERIFIED, 0, workflow="document"),
    "review-delivered": Scenario(
        OutcomeCode.REVIEW_DELIVERED, 0, judge=judge(ASK_FOR_MORE), workflow="review-only"
    ),
    "review-delivered-with-a-finding-to-fail-on": Scenario(
        OutcomeCode.REVIEW_DELIVERED,
        1,
        judge=judge(ASK_FOR_MORE),
        workflow="review-only",
        options=RunOptions(fail_on="medium"),  # type: ignore[arg-type]  # as JSON has it
    ),
    "unverified": Scenario(
        OutcomeCode.UNVERIFIED, 1, workflow="quick", files={"README": "nothing to run\n"}
    ),
    "unverified-and-allowed": Scenario(
        OutcomeCode.UNVERIFIED,
        0,
        files={"README": "nothing to run\n"},
        options=RunOptions(allow_unverified=True),
    ),
    "not-converged": Scenario(OutcomeCode.NOT_CONVERGED, 1, judge=judge(ROUNDS)),
    "stalled": Scenario(OutcomeCode.STALLED, 1, judge=judge(ASK_FOR_MORE)),
    "stalled-without-a-change": Scenario(
        OutcomeCode.STALLED, 1, coder=coder("echo same > out.txt"), judge=judge(ASK_FOR_MORE)
    ),
    "bound": Scenario(
        OutcomeCode.BOUND, 1, coder=coder("sleep 60", timeout="1s"), workflow="quick"
    ),
    "no-change": Scenario(OutcomeCode.NO_CHANGE, 1, coder=coder("echo I did nothing")),
    "verifier-failed": Scenario(
        OutcomeCode.VERIFIER_FAILED,
        1,
        coder=coder(f'printf "{NEW_FAILURE}" > "tests/test_$(date +%N).py"'),
        workflow="quick",
    ),
    "agent-failed": Scenario(OutcomeCode.AGENT_FAILED, 1, coder=coder("exit 9")),
    "agent-failed-as-reviewer-in-prose": Scenario(
        OutcomeCode.AGENT_FAILED,
        1,
        judge=judge("echo REJECT, looks bad to me"),
        workflow="review-only",
    ),
    "environment-red-base": Scenario(
        OutcomeCode.ENVIRONMENT, 3, files={"tests/__init__.py": "", "tests/test_it.py": RED}
    ),
    "environment-missing-verifier": Scenario(
        OutcomeCode.ENVIRONMENT, 3, document={"verify": ["no-such-program --all"]}
    ),
    "environment-failing-setup": Scenario(
        OutcomeCode.ENVIRONMENT, 3, document={"setup": ["sh -c 'echo broken; exit 4'"]}
    ),
    "no-agent": Scenario(
        OutcomeCode.NO_AGENT,
        3,
        coder={"driver": "command", "command": ["no-such-agent"], "role": "implementation"},
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_outcome_is_reached(runner: RunnerProcess, tmp_path: Path, name: str) -> None:
    """The outcome's code, a reason in words, and the exit code that goes with it."""
    scenario = SCENARIOS[name]
    repository = make_repository(tmp_path / "repository", scenario.files)
    order = request(
        repository,
        {"coder": scenario.coder, "judge": scenario.judge},
        scenario.document,
        workflow=scenario.workflow,
        options=scenario.options,
    )
    view = runner.until_final(runner.backend.submit(order).summary.id)
    summary = view.summary
    assert (summary.outcome, exit_code(summary.state, summary.outcome)) == (
        scenario.outcome,
        scenario.exit,
    ), summary.reason
    assert summary.reason


def test_a_red_base_is_judged_by_what_it_was_when_that_is_allowed(
    runner: RunnerProcess, tmp_path: Path
) -> None:
    """With --allow-red-base verified means no worse than the base."""
    files = {"tests/__init__.py": "", "tests/test_it.py": RED}
    repository = make_repository(tmp_path / "repository", files)
    agents = {"coder": coder(WRITE), "judge": judge(APPROVE)}
    order = request(repository, agents, options=RunOptions(allow_red_base=True))
    view = runner.until_final(runner.backend.submit(order).summary.id)
    assert view.summary.outcome is OutcomeCode.APPROVED_VERIFIED, view.summary.reason


def test_a_deleted_test_stands_in_the_way_of_success(
    runner: RunnerProcess, repository: Path
) -> None:
    """Green by deletion is not green."""
    agents = {"coder": coder(BREAK), "judge": judge(APPROVE)}
    view = runner.until_final(runner.backend.submit(request(repository, agents)).summary.id)
    assert view.summary.state is TaskState.FAILED
    assert any("test_nothing" in entry.finding.claim for entry in view.findings), view.findings


def test_reviewers_side_by_side_share_one_ledger(runner: RunnerProcess, repository: Path) -> None:
    """Both raise the same flaw, each has its say, and neither loses the other's findings."""
    security = ASK_FOR_MORE.replace("it says too little", "a secret is printed")
    both = f'case "$prompt" in "Step: security-review"*) {security};; *) {ASK_FOR_MORE};; esac'
    agents = {"coder": coder(WRITE), "judge": judge(both)}
    order = request(repository, agents, workflow="thorough")
    view = runner.until_final(runner.backend.submit(order).summary.id)
    claims = {entry.finding.claim for entry in view.findings}
    assert claims == {"it says too little", "a secret is printed"}
    assert view.summary.outcome is OutcomeCode.STALLED, view.summary.reason
