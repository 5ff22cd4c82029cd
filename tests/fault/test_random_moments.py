"""Tasks of two rounds, disturbed at random moments: the same result, no finished step run twice.

`ROUNDS` says how often each workflow (3 where nothing is said); `SEED`, which is printed with every
round, repeats a run.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any, Literal, get_args

import psutil
import pytest
from tests.support.configuration import APPROVE, ASK_FOR_MORE, shell_agent
from tests.support.configuration import request as task_request
from tests.support.repository import make_repository
from tests.support.server import (
    DEADLINE_S,
    RunnerProcess,
    processes_naming,
    running,
    wait_for,
)

from ai_orchestrator.base.errors import UnreachableError
from ai_orchestrator.model.states import OutcomeCode
from ai_orchestrator.model.task import TaskRequest, TaskView

pytestmark = pytest.mark.fault

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SEED = os.environ.get("SEED") or secrets.token_hex(4)
MAX_DISTURBANCES = 3
LATEST_S = 4.0
"""A runner that starts and plays the whole scenario takes about so long."""
RED_FIRST = "sh -c 'test -e tests/__init__.py && { [ ! -e out.txt ] || grep -q more out.txt; }'"
"""A verifier that is green on the base and red on the first round."""


WORKFLOWS = ("default", "thorough")
"""One reviewer; two side by side, and a second writer."""


def two_rounds(repository: Path, workflow: str) -> TaskRequest:
    """Red and with a finding, then refined and approved. Agents take long enough to be killed."""
    asks = f'case "$prompt" in *"iteration 1)"*) {ASK_FOR_MORE};; *) {APPROVE};; esac'
    work = (
        "sleep 0.2; [ -e out.txt ] && echo more >> out.txt || echo hello > out.txt; "
        "echo half > half.txt; sleep 0.2; rm half.txt; echo done"
    )
    agents = {
        "coder": shell_agent(work, role="implementation"),
        "judge": shell_agent(f"sleep 0.2; {asks}", role="review"),
    }
    document = {"verify": [RED_FIRST]}
    return task_request(repository, agents, document, workflow=workflow, idempotency_key="once")


def result(view: TaskView) -> dict[str, Any]:
    """What must not depend on when the power went."""
    return {
        "state": view.summary.state,
        "outcome": view.summary.outcome,
        "tree": view.verified_tree,
        "findings": [(entry.fingerprint, entry.state) for entry in view.findings],
        "finished": sorted(finished(view)),
    }


def finished(view: TaskView) -> Counter[tuple[str, int]]:
    """How often each step of each round has an end of its own; red verifiers are one."""
    ends = ("succeeded", "failed")
    return Counter((step.step, step.iteration) for step in view.steps if step.outcome in ends)


@pytest.fixture(scope="module", params=WORKFLOWS)
def expected(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    """A workflow, and the result of a run of it that nobody disturbs."""
    directory = tmp_path_factory.mktemp("expected")
    repository = make_repository(directory / "repository")
    with running(directory / "data") as runner:
        task_id = runner.backend.submit(two_rounds(repository, request.param)).summary.id
        view = runner.until_final(task_id)
    assert view.summary.outcome is OutcomeCode.APPROVED_VERIFIED, view.summary.reason
    assert max(step.iteration for step in view.steps) == 2
    return request.param, result(view)


Disturbance = Literal["kill", "terminate", "lose-guardian"]


def live_until_disturbed(
    data_dir: Path, order: TaskRequest, how: Disturbance, delay_s: float
) -> None:
    """A runner that accepts the task, if it comes to that, and at the moment is disturbed."""
    runner = RunnerProcess(data_dir, "--drain-s", "0.2")
    end_s = time.monotonic() + delay_s
    try:
        while time.monotonic() < end_s:
            try:
                runner.backend.submit(order)
                break
            except UnreachableError:
                time.sleep(0.01)
        time.sleep(max(end_s - time.monotonic(), 0.0))
        if how == "terminate":
            runner.process.send_signal(signal.SIGTERM)
            runner.process.wait(DEADLINE_S)
        if how == "lose-guardian":
            for child in psutil.Process(runner.process.pid).children():
                child.kill()
            time.sleep(delay_s / 4)
    finally:
        runner.kill()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_disturbances_at_random_moments_change_nothing_in_the_end(
    tmp_path: Path, expected: tuple[str, dict[str, Any]], number: int
) -> None:
    """Accepted is not lost, finished is not repeated, nothing runs on without an owner."""
    workflow, wanted = expected
    seed = f"{SEED}-{workflow}-{number}"
    chance = random.Random(seed)
    disturbances = [
        (chance.choice(get_args(Disturbance)), chance.uniform(0.0, LATEST_S))
        for _ in range(chance.randint(1, MAX_DISTURBANCES))
    ]
    print(f"SEED={SEED}, {workflow}, round {number}: {disturbances}")
    repository, data_dir = make_repository(tmp_path / "repository"), tmp_path / "data"
    order = two_rounds(repository, workflow)
    for how, delay_s in disturbances:
        live_until_disturbed(data_dir, order, how, delay_s)
    with running(data_dir) as runner:
        task_id = runner.backend.submit(order).summary.id
        view = runner.until_final(task_id)
        assert result(view) == wanted, view.summary.reason
        assert set(finished(view).values()) == {1}
        assert {step.outcome for step in view.steps} <= {"succeeded", "failed", "interrupted"}
        seqs = [event.seq for event in runner.backend.events(task_id)]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(runner.backend.tasks()) == 1
    wait_for(lambda: not processes_naming(str(data_dir)), "all processes to be gone")
