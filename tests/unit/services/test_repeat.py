"""Which request is the same again, and which only has the same key."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.support.configuration import APPROVE, request, shell_agent

from ai_orchestrator.model.review import Severity
from ai_orchestrator.model.states import TaskState
from ai_orchestrator.model.task import RepositorySource, RunOptions, TaskRequest
from ai_orchestrator.services.repeat import difference, repository_name
from ai_orchestrator.store.tables import TaskContext
from ai_orchestrator.store.views import FrozenTask
from ai_orchestrator.workflows.loading.load import freeze

GIVEN = RunOptions(
    max_iterations=2,
    only_agents=("coder", "critic"),
    sandbox="off",
    allow_red_base=True,
    allow_unverified=True,
    fail_on=Severity.HIGH,
    max_cost_usd=3.0,
    max_tokens=1000,
)


@pytest.fixture
def asked(tmp_path: Path) -> TaskRequest:
    """A request for the default workflow, without flags."""
    agents = {
        "coder": shell_agent("echo x > out.txt", role="implementation"),
        "critic": shell_agent(APPROVE, role="review"),
    }
    return request(tmp_path / "repository", agents)


def frozen(asked: TaskRequest) -> FrozenTask:
    """The task that the request came to."""
    return FrozenTask(
        id="t-x",
        project_id="default",
        principal="local:me",
        title="",
        task=asked.task,
        workflow=asked.workflow or "default",
        source=asked.repository,
        spec=freeze(asked.config, asked.workflow, asked.options),
        context=TaskContext("", ""),
        state=TaskState.QUEUED,
        task_attempt=1,
        base_commit=None,
        final_commit=None,
        verified_tree=None,
        branch="",
        is_applied=False,
    )


@pytest.mark.parametrize(
    "options", [RunOptions(), GIVEN, RunOptions(model="m")], ids=["none", "all", "model"]
)
def test_the_same_request_is_the_same(asked: TaskRequest, options: RunOptions) -> None:
    """Also where it names the workflow that was the default."""
    if options.model is not None:
        options = replace(options, only_agents=("coder",))
        asked = replace(asked, workflow="quick")
    asked = replace(asked, options=options)
    assert difference(asked, frozen(asked)) == ""


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        (RunOptions(max_iterations=5), "--max-iterations"),
        (RunOptions(only_agents=("critic",)), "--agents"),
        (RunOptions(sandbox="off"), "--sandbox"),
        (RunOptions(allow_red_base=True), "--allow-red-base"),
        (RunOptions(allow_unverified=True), "--allow-unverified"),
        (RunOptions(fail_on=Severity.LOW), "--fail-on"),
        (RunOptions(max_cost_usd=9.0), "--max-cost"),
        (RunOptions(max_tokens=9), "--max-tokens"),
        (RunOptions(model="m"), "--model"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_flag_is_another_task(asked: TaskRequest, options: RunOptions, flag: str) -> None:
    """One that is not given this time may be anything: what the workflow says is meant."""
    plain = frozen(asked)
    assert difference(replace(asked, options=options), plain) == f"another {flag}"
    assert difference(asked, frozen(replace(asked, options=GIVEN))) == ""


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (RepositorySource(path="/r"), "/r"),
        (RepositorySource(url="https://h/r"), "https://h/r"),
        (RepositorySource(new_directory="/new"), "/new"),
    ],
    ids=["path", "url", "new"],
)
def test_a_source_is_known_by_what_was_typed(source: RepositorySource, name: str) -> None:
    """In messages and lists."""
    assert repository_name(source) == name
