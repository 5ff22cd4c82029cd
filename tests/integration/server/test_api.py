"""Every route over the socket, with good and with bad input; errors have one shape."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.configuration import request, shell_agent
from tests.support.repository import git, make_repository
from tests.support.server import RunnerProcess, processes_naming, running, wait_for

from ai_orchestrator.base.errors import OrchestratorError
from ai_orchestrator.client.transport import UnixTransport
from ai_orchestrator.model.events import Event
from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.task import (
    Problem,
    RepositorySource,
    RunOptions,
    TaskRequest,
    TaskView,
)

OFF = RunOptions(sandbox="off")
UNKNOWN = "t-00000000000000000000000000"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    kind: str
    body: bytes

    @property
    def problem(self) -> Problem:
        """The body as the one shape of an error; nothing else is in it."""
        assert self.kind == "application/problem+json", self.body
        found = msgspec.json.decode(self.body, type=Problem)
        assert found.status == self.status
        assert found.detail
        return found


def ask(runner: RunnerProcess, method: str, path: str, body: bytes | None = None) -> Answer:
    """One request as any program may make it."""
    connection = UnixTransport(runner.socket).connect()
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, f"/api/v1{path}", body, headers)
        response = connection.getresponse()
        kind = response.headers.get_content_type()
        return Answer(response.status, kind, response.read())
    finally:
        connection.close()


def coder(script: str) -> dict[str, Any]:
    """The one agent."""
    return {"coder": shell_agent(script, role="implementation")}


@dataclass(frozen=True)
class Site:
    """A runner with one task of each kind."""

    runner: RunnerProcess
    repository: Path
    gate: Path
    done: TaskView
    unchanged: TaskView
    running: TaskView


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three tasks: succeeded with a change, failed without one, still running."""
    root = tmp_path_factory.mktemp("api")
    repository, gate = make_repository(root / "repository"), root / "gate"
    waits = f"touch {gate}.reached; while [ ! -e {gate} ]; do sleep 0.02; done"
    with running(root / "data", "--max-tasks", "24") as runner:
        ids = [
            runner.backend.submit(
                request(repository, coder(script), workflow="quick", options=OFF)
            ).summary.id
            for script in ("echo hi > out.txt; echo said", "echo nothing to do", waits)
        ]
        done, unchanged = runner.until_final(ids[0]), runner.until_final(ids[1])
        wait_for(Path(f"{gate}.reached").exists, "the third agent to run")
        yield Site(runner, repository, gate, done, unchanged, runner.backend.task(ids[2]))
        runner.backend.cancel(ids[2])
        runner.until_final(ids[2])


def order(site: Site, **more: Any) -> TaskRequest:
    """A task that would succeed."""
    agents = coder("echo hi > out.txt")
    return request(site.repository, agents, workflow="quick", options=OFF, **more)


def test_who_answers_is_told(site: Site) -> None:
    """Release, epoch, process and what is left to do."""
    info = json.loads(ask(site.runner, "GET", "/info").body)
    assert info["pid"] == site.runner.process.pid
    assert info["unfinished_tasks"] >= 1
    assert info["data_directory"] == str(site.runner.data_dir)


def test_tasks_are_listed_newest_first(site: Site) -> None:
    """As many as are asked for."""
    ids = [task.id for task in site.runner.backend.tasks(limit=1000)]
    assert ids == sorted(ids, reverse=True)
    assert {site.done.summary.id, site.unchanged.summary.id} <= set(ids)
    assert len(site.runner.backend.tasks(limit=1)) == 1


def test_a_task_is_found_by_the_end_of_its_id(site: Site) -> None:
    """As people see it."""
    short = site.done.summary.id[-8:]
    assert site.runner.backend.task(short).summary.id == site.done.summary.id


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "many", "1.5"])
def test_a_limit_out_of_range_is_refused(site: Site, limit: str) -> None:
    """With what was wrong, and the exit code of bad input."""
    problem = ask(site.runner, "GET", f"/tasks?limit={limit}").problem
    assert (problem.status, problem.exit_code) == (400, 2)
    assert "limit" in f"{problem.detail} {problem.errors}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/events"),
        ("GET", "/diff"),
        ("GET", "/patch"),
        ("GET", "/bundle"),
        ("GET", "/logs"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("POST", "/applied"),
        ("DELETE", ""),
    ],
)
@pytest.mark.parametrize(
    ("task", "status"), [(UNKNOWN, 404), ("00000000", 404), ("not%20an%20id!", 422)]
)
def test_a_task_that_does_not_exist_is_a_problem(
    site: Site, method: str, path: str, task: str, status: int
) -> None:
    """On every route alike."""
    bodies = {"/retry": b"{}", "/applied": b'{"how": "branch"}'}
    problem = ask(site.runner, method, f"/tasks/{task}{path}", bodies.get(path)).problem
    assert (problem.status, problem.exit_code) == (status, 2)
    assert problem.hint


def test_a_short_id_of_several_tasks_names_them(site: Site) -> None:
    """So that more characters can be typed."""
    common = "0"
    ids = [task.id for task in site.runner.backend.tasks(limit=1000)]
    ends = [text[-1] for text in ids]
    common = next((end for end in ends if ends.count(end) > 1), "")
    while not common:  # until two ids end alike; at most 33 tasks
        made = site.runner.backend.submit(order(site)).summary.id
        if made[-1] in ends:
            common = made[-1]
        ids.append(made)
        ends.append(made[-1])
    problem = ask(site.runner, "GET", f"/tasks/{common}").problem
    assert (problem.status, problem.exit_code) == (422, 2)
    assert sum(text in problem.detail for text in ids) >= 2


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="not-json"),
        pytest.param(b"[]", id="another-shape"),
        pytest.param(b'{"task": "x"}', id="parts-missing"),
        pytest.param(b'{"task": 1, "repository": {}, "config": {}}', id="another-type"),
        pytest.param(b"\xff\xfe", id="not-text"),
        pytest.param(None, id="no-body"),
    ],
)
def test_a_body_that_is_no_task_is_refused(site: Site, body: bytes | None) -> None:
    """Before anything of it is stored; the message says where it is wrong."""
    before = len(site.runner.backend.tasks(limit=1000))
    problem = ask(site.runner, "POST", "/tasks", body).problem
    assert problem.status in (400, 422)
    assert problem.exit_code == 2
    assert len(site.runner.backend.tasks(limit=1000)) == before


@pytest.mark.parametrize(
    "options",
    [{"max_iterations": 0}, {"max_iterations": 101}, {"max_tokens": -1}, {"max_cost_usd": 0}],
    ids=str,
)
def test_options_beyond_their_range_are_refused(site: Site, options: dict[str, int]) -> None:
    """The command line's own check is not everybody's."""
    body = msgspec.to_builtins(order(site)) | {"options": options}
    problem = ask(site.runner, "POST", "/tasks", msgspec.json.encode(body)).problem
    assert (problem.status, problem.exit_code) == (400, 2)
    assert next(iter(options)) in " ".join((problem.detail, *problem.errors))


def test_the_place_of_a_mistake_in_a_body_is_told(site: Site) -> None:
    """That something is wrong somewhere helps nobody."""
    body = b'{"task": 1, "repository": {}, "config": {"document": {}, "origins": {}}}'
    problem = ask(site.runner, "POST", "/tasks", body).problem
    assert "task" in " ".join((problem.detail, *problem.errors))
    assert "str" in " ".join((problem.detail, *problem.errors))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        pytest.param({"task": "   \n"}, "empty", id="nothing-to-do"),
        pytest.param({"task": "x" * 300_000}, "262144", id="too-long"),
        pytest.param({"workflow": "no-such"}, "no-such", id="unknown-workflow"),
    ],
)
def test_a_task_that_cannot_be_done_is_refused(
    site: Site, changes: dict[str, Any], word: str
) -> None:
    """With exit code 2 and what is wrong."""
    fields = {name: value for name, value in changes.items() if name != "workflow"}
    wanted = order(site, **fields)
    if "workflow" in changes:
        wanted = msgspec.structs.replace(wanted, workflow=changes["workflow"])
    with pytest.raises(OrchestratorError, match=word) as caught:
        site.runner.backend.submit(wanted)
    assert (caught.value.exit_code, caught.value.http_status) == (2, 422)


def test_half_a_character_in_a_task_is_refused(site: Site) -> None:
    """JSON can say it, UTF-8 cannot."""
    body = msgspec.json.encode(order(site)).replace(b"Say hello", b"\\ud800")
    problem = ask(site.runner, "POST", "/tasks", body).problem
    assert problem.status in (400, 422)
    assert problem.exit_code == 2


def test_a_body_of_more_than_16_mb_is_refused(site: Site) -> None:
    """With the server's own words, although it does not read to the end."""
    with pytest.raises(OrchestratorError) as caught:
        site.runner.backend.submit(order(site, task="x" * (17 * 2**20)))
    assert caught.value.http_status == 413
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("PUT", "/tasks", 405), ("DELETE", "/info", 405)],
)
def test_an_unknown_route_is_a_problem_too(site: Site, method: str, path: str, status: int) -> None:
    """In the same shape as all others."""
    problem = ask(site.runner, method, path).problem
    assert (problem.status, problem.exit_code) == (status, 2)


def test_the_same_key_gives_the_same_task(site: Site) -> None:
    """Whoever does not know whether it was accepted asks again."""
    first = site.runner.backend.submit(order(site, idempotency_key="k1"))
    again = site.runner.backend.submit(order(site, idempotency_key="k1"))
    assert again.summary.id == first.summary.id
    assert (first.is_repeat, again.is_repeat) == (False, True)
    other = site.runner.backend.submit(order(site, idempotency_key="k2"))
    assert other.summary.id != first.summary.id


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"task": "other words"}, "another text"),
        ({"workflow": "thorough"}, "another workflow: quick"),
        ({"repository": RepositorySource(path="/elsewhere")}, "another start: "),
        ({"options": RunOptions(max_tokens=7)}, "another --max-tokens"),
    ],
    ids=["text", "workflow", "repository", "flags"],
)
def test_the_same_key_for_something_else_is_a_conflict(
    site: Site, changes: dict[str, Any], told: str
) -> None:
    """Its answer would be taken for that of a task that nobody works on."""
    first = site.runner.backend.submit(order(site, idempotency_key="k3"))
    wanted = msgspec.structs.replace(order(site, idempotency_key="k3"), **changes)
    problem = ask(site.runner, "POST", "/tasks", msgspec.json.encode(wanted)).problem
    assert (problem.status, problem.code, problem.exit_code) == (409, "conflict", 2)
    assert first.summary.id[-8:] in problem.detail
    assert told in problem.detail


def test_the_same_key_at_the_same_moment_gives_one_task(site: Site) -> None:
    """Two that both find no earlier one must not both be accepted."""
    wanted = order(site, idempotency_key="at-once")
    with ThreadPoolExecutor(8) as pool:
        views = list(pool.map(lambda _: site.runner.backend.submit(wanted), range(8)))
    assert len({view.summary.id for view in views}) == 1
    assert site.runner.until_final(views[0].summary.id).summary.state is TaskState.SUCCEEDED


def test_events_are_dense_and_can_be_read_from_any_place(site: Site) -> None:
    """What was seen is not told again."""
    backend, task_id = site.runner.backend, site.done.summary.id
    whole = list(backend.events(task_id))
    assert [event.seq for event in whole] == list(range(1, site.done.last_seq + 1))
    for after in (0, 1, len(whole) // 2, len(whole), len(whole) + 5):
        assert list(backend.events(task_id, after_seq=after)) == whole[after:]
    assert list(backend.events(task_id, follow=True)) == whole


@pytest.mark.parametrize("query", ["after=-1", "after=x", "follow=perhaps"])
def test_a_place_that_is_none_is_refused(site: Site, query: str) -> None:
    """With exit code 2."""
    path = f"/tasks/{site.done.summary.id}/events?{query}"
    problem = ask(site.runner, "GET", path).problem
    assert (problem.status, problem.exit_code) == (400, 2)


def test_a_follower_that_reconnects_misses_nothing(site: Site) -> None:
    """Cut off after every second event, it still sees each once, to the end."""
    gate = site.gate.with_name("gate-of-followers")
    script = f"echo a; while [ ! -e {gate} ]; do sleep 0.02; done; echo hi > out.txt; echo b"
    wanted = request(site.repository, coder(script), workflow="quick", options=OFF)
    task_id = site.runner.backend.submit(wanted).summary.id
    seen: list[Event] = []
    while not seen or seen[-1].type != "task.state" or not _is_end(seen[-1]):
        stream = site.runner.backend.events(
            task_id, after_seq=seen[-1].seq if seen else 0, follow=True
        )
        for event, _ in zip(stream, range(2), strict=False):
            seen.append(event)
            if event.type == "agent.text":
                gate.touch()
        stream.close()  # type: ignore[attr-defined]  # it is a generator
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
    assert seen == list(site.runner.backend.events(task_id))


def _is_end(event: Event) -> bool:
    return TaskState(event.data.state).is_final  # type: ignore[union-attr]  # by its type


def test_a_silent_stream_says_that_it_lives(site: Site) -> None:
    """A blank line within the 10 s that clients rely on."""
    last = site.runner.backend.task(site.running.summary.id).last_seq
    connection = UnixTransport(site.runner.socket).connect()
    path = f"/api/v1/tasks/{site.running.summary.id}/events?after={last}&follow=true"
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.headers.get_content_type() == "application/x-ndjson"
        assert response.readline() == b"\n"
    finally:
        connection.close()


def test_a_change_can_be_looked_at(site: Site) -> None:
    """As a list of files, as a patch, as a bundle, of the task and of a step."""
    backend, task_id = site.runner.backend, site.done.summary.id
    assert [file.path for file in backend.diff(task_id).files] == ["out.txt"]
    assert b"+hi" in b"".join(backend.patch(task_id))
    assert b"".join(backend.bundle(task_id)).startswith(b"# v2 git bundle")
    assert backend.diff(task_id, step="improve/implement").files == backend.diff(task_id).files
    assert b"==> improve/implement <==\nsaid" in b"".join(backend.logs(task_id, step="implement"))


def test_a_patch_has_binary_files_and_can_be_applied(site: Site) -> None:
    """As `git apply` takes it."""
    agents = coder("printf 'a\\000b' > logo.png")
    order = request(site.repository, agents, workflow="quick", options=OFF)
    task_id = site.runner.backend.submit(order).summary.id
    site.runner.until_final(task_id)
    patch = b"".join(site.runner.backend.patch(task_id))
    assert b"GIT binary patch" in patch
    target = site.repository.with_name("other")
    git(site.repository.parent, "clone", "-q", str(site.repository), str(target))
    (target / ".git" / "p").write_bytes(patch)
    git(target, "apply", "--index", ".git/p")
    assert (target / "logo.png").read_bytes() == b"a\0b"


def test_a_task_without_a_change_has_an_empty_patch_and_no_bundle(site: Site) -> None:
    """Nothing is something to look at, but nothing to take along."""
    backend, task_id = site.runner.backend, site.unchanged.summary.id
    assert site.unchanged.summary.outcome is OutcomeCode.NO_CHANGE
    assert backend.diff(task_id).files == ()
    assert b"".join(backend.patch(task_id)) == b""
    problem = ask(site.runner, "GET", f"/tasks/{task_id}/bundle").problem
    assert (problem.status, problem.exit_code) == (404, 2)


@pytest.mark.parametrize("what", ["diff", "patch", "logs"])
def test_an_unknown_step_is_not_found(site: Site, what: str) -> None:
    """The message repeats it and lists those that are known."""
    path = f"/tasks/{site.done.summary.id}/{what}?step=no-such"
    problem = ask(site.runner, "GET", path).problem
    assert (problem.status, problem.exit_code) == (404, 2)
    assert "no-such" in problem.detail
    assert "improve/implement" in problem.hint


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("DELETE", "", None), ("DELETE", "?force=true", None), ("POST", "/retry", b"{}")],
    ids=["delete", "delete-by-force", "retry"],
)
def test_a_running_task_stands_in_the_way(
    site: Site, method: str, path: str, body: bytes | None
) -> None:
    """Conflict, with the way out; the task goes on."""
    problem = ask(site.runner, method, f"/tasks/{site.running.summary.id}{path}", body).problem
    assert (problem.status, problem.code, problem.exit_code) == (409, "conflict", 2)
    assert "ancel" in problem.hint
    assert site.runner.backend.task(site.running.summary.id).summary.state is TaskState.RUNNING


def test_work_that_was_not_applied_is_deleted_by_force_only(site: Site) -> None:
    """And then it is gone: rows, files, journal."""
    backend = site.runner.backend
    task_id = backend.submit(order(site)).summary.id
    site.runner.until_final(task_id)
    problem = ask(site.runner, "DELETE", f"/tasks/{task_id}").problem
    assert (problem.status, problem.exit_code) == (409, 2)
    backend.delete(task_id, force=True)
    assert ask(site.runner, "GET", f"/tasks/{task_id}").status == 404
    assert not (site.runner.data_dir / "work" / task_id).exists()
    assert not (site.runner.data_dir / "logs" / task_id).exists()


def test_what_was_applied_is_remembered(site: Site) -> None:
    """Then it may be deleted without force."""
    backend = site.runner.backend
    task_id = backend.submit(order(site)).summary.id
    site.runner.until_final(task_id)
    backend.mark_applied(task_id, "branch")
    assert backend.task(task_id).is_applied
    backend.delete(task_id)
    assert ask(site.runner, "GET", f"/tasks/{task_id}").status == 404


def test_cancelling_what_has_ended_changes_nothing(site: Site) -> None:
    """It is no error either: whoever cancels wants it ended."""
    view = site.runner.backend.cancel(site.done.summary.id)
    assert view.summary.state is TaskState.SUCCEEDED


def test_cancelling_twice_is_cancelling_once(site: Site) -> None:
    """Whoever is impatient does no harm."""
    gate = site.gate.with_name("gate-never-opened")
    wanted = request(
        site.repository, coder(f"touch {gate}; sleep 600"), workflow="quick", options=OFF
    )
    task_id = site.runner.backend.submit(wanted).summary.id
    wait_for(gate.exists, "the agent to run")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: site.runner.backend.cancel(task_id), range(4)))
    assert site.runner.until_final(task_id).summary.state is TaskState.CANCELLED
    events = list(site.runner.backend.events(task_id))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert sum(event.type == "task.state" and _is_end(event) for event in events) == 1


def test_garbage_is_counted_before_it_is_collected(site: Site) -> None:
    """A dry run removes nothing."""
    report = site.runner.backend.gc(dry_run=True, force=False)
    assert report.is_dry_run
    assert site.runner.backend.task(site.done.summary.id).final_commit


def test_who_answers_is_told_while_many_agents_run(site: Site) -> None:
    """Twenty busy agents do not keep the server from answering within a second."""
    gate = site.gate.with_name("gate-of-many")
    busy = f"while [ ! -e {gate} ]; do echo line; sleep 0.05; done"
    wanted = request(site.repository, coder(busy), workflow="quick", options=OFF)
    ids = [site.runner.backend.submit(wanted).summary.id for _ in range(20)]

    def states() -> set[TaskState]:
        return {site.runner.backend.task(task_id).summary.state for task_id in ids}

    wait_for(lambda: states() == {TaskState.RUNNING}, "all to run")
    wait_for(lambda: len(processes_naming(str(gate))) >= 20, "all agents to run")
    slowest_s = max(_seconds_for_info(site.runner) for _ in range(50))
    gate.touch()
    for task_id in ids:
        site.runner.until_final(task_id)
    assert slowest_s < 1.0


def _seconds_for_info(runner: RunnerProcess) -> float:
    began_s = time.monotonic()
    runner.backend.info()
    return time.monotonic() - began_s


def test_what_is_no_http_is_answered_and_survived(site: Site) -> None:
    """A stray program on the socket does no harm."""
    connection = UnixTransport(site.runner.socket).connect()
    connection.connect()
    connection.sock.sendall(b"\x16\x03\x01 hello\r\n\r\n")
    connection.sock.recv(1000)
    connection.close()
    assert site.runner.backend.info().pid == site.runner.process.pid
