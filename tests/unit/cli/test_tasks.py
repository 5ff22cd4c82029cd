"""`tasks` and its commands."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import msgspec
import pytest
from tests.unit.cli.memory import (
    BASE,
    FINAL,
    SCREEN,
    SHORT,
    TASK,
    USAGE,
    Round,
    World,
    story,
    task_view,
)

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.cli.summary import next_words
from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.review import FindingState
from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.task import Diff


def test_tasks_alone_lists(world: World) -> None:
    """Short id, state, age and cost of each task."""
    done = world.type("tasks")

    assert done.code == 0
    assert f"{SHORT}  queued  30s  default   unmeasured  Fix the mean" in done.out
    assert world.backend.asked == ["tasks 50"]


def test_options_of_list_work_without_its_name(world: World) -> None:
    """`tasks --limit 7 --json` is `tasks list --limit 7 --json`."""
    done = world.type("tasks", "--limit", "7", "--json")

    assert done.json_lines[0][0]["id"] == TASK
    assert world.backend.asked == ["tasks 7"]


def test_a_failed_task_is_listed_with_its_outcome(world: World) -> None:
    """The list says why, not only that."""
    world.backend.view = task_view(TaskState.FAILED, OutcomeCode.NOT_CONVERGED)

    assert "failed: not converged" in world.type("tasks").out


def test_an_empty_list_says_how_to_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is left in front of an empty table."""
    monkeypatch.setattr(world.backend, "tasks", lambda *, limit: [])

    assert "ai-orchestrator run" in world.type("tasks").out


def test_show_has_steps_verifiers_findings_and_commands(world: World) -> None:
    """Everything about a task on one screen."""
    world.backend.view = task_view()

    out = world.type("tasks", "show", SHORT).out

    assert f"task       {SHORT}" in out
    assert TASK not in out
    assert "implement  claude (opus)  succeeded" in out
    assert "tests red (exit 1, 0.8s)" in out
    assert "fixed medium calculator/core.py:12" in out
    assert f"next:      ai-orchestrator tasks diff {SHORT}" in out


def test_show_as_json_is_the_task(world: World) -> None:
    """The same struct that the API speaks."""
    (view,) = world.type("tasks", "show", SHORT, "--json").json_lines

    assert view["summary"]["id"] == TASK
    assert view["findings"][0]["state"] == FindingState.FIXED


def test_an_unknown_task_exits_two_with_a_hint(world: World) -> None:
    """The backend's own words reach the person."""
    done = world.type("tasks", "show", "n0pe")

    assert done.code == 2
    assert "no task 'n0pe'. See: ai-orchestrator tasks" in done.err


def test_watch_exits_as_the_task_did(world: World) -> None:
    """A watcher of a failed task exits 1, after the whole story."""
    world.backend.rounds = [Round(story(), task_view(TaskState.FAILED, OutcomeCode.STALLED))]

    done = world.type("tasks", "watch", SHORT)

    assert done.code == 1
    assert "started: codex" in done.out


def test_watch_as_json_ends_with_the_result(world: World) -> None:
    """The same stream as `run --json`."""
    lines = world.type("tasks", "watch", SHORT, "--json").json_lines

    assert [line["type"] for line in lines[-2:]] == ["task.state", "result"]


def test_logs_are_passed_byte_for_byte_to_a_pipe(world: World) -> None:
    """Programs get what was recorded, also what is no text."""
    world.backend.log_chunks = (b"plain\n",)

    assert world.type("tasks", "logs", SHORT, "--step", "implement").out == "plain\n"
    assert world.backend.asked[-1] == "logs implement"


def test_logs_cannot_steer_a_terminal(world: World) -> None:
    """Where a person looks, control characters are left out."""
    world.terminal = SCREEN
    world.backend.log_chunks = (b"a \x1b[2J\x07b\n",)

    assert world.type("tasks", "logs", SHORT).out == "a [2Jb\n"


def test_diff_shows_files_then_the_patch(world: World) -> None:
    """Counts per file, binary files named as such, renames with both names."""
    out = world.type("tasks", "diff", SHORT, "--step", "refine").out

    assert "modified      +34 -2          calculator/core.py" in out
    assert "binary          logo.png" in out
    assert "a.py -> b.py" in out
    assert out.endswith("@@ -1 +1 @@\n-old\n+new\n")
    assert world.backend.asked == ["diff refine", "patch refine"]


def test_diff_is_coloured_line_by_line_on_a_terminal(world: World) -> None:
    """A line that was cut between two chunks is put together first."""
    world.terminal = SCREEN

    out = world.type("tasks", "diff", SHORT).out

    assert "\x1b[31m-old\x1b[0m\n\x1b[32m+new\x1b[0m\n" in out


def test_a_very_long_line_is_shown_in_pieces(world: World) -> None:
    """The memory of the command is bounded, whatever the patch holds."""
    world.terminal = SCREEN
    world.backend.patch_chunks = [b"+" + b"x" * 60_000, b"x" * 60_000, b"y\n"]

    out = world.type("tasks", "diff", SHORT).out

    assert out.count("x") == 120_000
    assert "xy" not in out


def test_stat_alone_asks_for_no_patch(world: World) -> None:
    """`--stat` is cheap."""
    world.type("tasks", "diff", SHORT, "--stat")

    assert world.backend.asked == ["diff None"]


def test_diff_as_json_is_the_list_of_changes(world: World) -> None:
    """Programs get counts; binary files have none."""
    (changes,) = world.type("tasks", "diff", SHORT, "--json").json_lines

    assert changes["files"][1]["insertions"] is None


def test_nothing_changed_is_said(world: World) -> None:
    """An empty output would look like a failure."""
    world.backend.changes = Diff(BASE, BASE, (), "")

    assert world.type("tasks", "diff", SHORT).out.startswith("Nothing was changed.")
    assert world.type("tasks", "files", SHORT).out == "No file was changed.\n"


def test_files_lists_one_per_line(world: World) -> None:
    """And as JSON the same structs."""
    assert len(world.type("tasks", "files", SHORT).out.splitlines()) == 3
    (files,) = world.type("tasks", "files", SHORT, "--json").json_lines
    assert [file["status"] for file in files] == ["modified", "added", "renamed"]


@pytest.mark.parametrize(
    ("words", "applied", "told"),
    [
        pytest.param((), (TASK, None, "branch"), "merge ai/", id="default"),
        pytest.param(("--branch",), (TASK, None, "branch"), "is in", id="branch"),
        pytest.param(
            ("--merge",),
            (TASK, None, "merge"),
            f"the work of task {SHORT} is merged into main (2222222222) of /home/ann/calculator",
            id="merge",
        ),
        pytest.param(("--repo", "/r"), (TASK, Path("/r"), "branch"), "/r", id="repo"),
        pytest.param(("-o", "/n"), (TASK, Path("/n"), "new-directory"), "/n", id="output"),
    ],
)
def test_apply_brings_the_work_where_it_was_asked(
    world: World, words: tuple[str, ...], applied: object, told: str
) -> None:
    """The mode reaches the service, and the person is told what arrived where."""
    done = world.type("tasks", "apply", TASK, *words)

    assert done.code == 0
    assert world.services.applied == applied
    assert told in done.out


def test_apply_as_json_names_branch_and_commit(world: World) -> None:
    """For programs."""
    (applied,) = world.type("tasks", "apply", TASK, "--merge", "--json").json_lines

    assert (applied["commit"], applied["is_merged"]) == (FINAL, True)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--branch", "--merge"), id="branch-merge"),
        pytest.param(("--merge", "--patch", "-"), id="merge-patch"),
        pytest.param(("--patch", "p", "--repo", "/r"), id="patch-repo"),
        pytest.param(("--patch", "-", "--json"), id="patch-json"),
    ],
)
def test_contradicting_ways_to_apply_are_refused(world: World, words: tuple[str, ...]) -> None:
    """Nothing is written when it is not clear what was meant."""
    done = world.type("tasks", "apply", SHORT, *words)

    assert done.code == 2
    assert world.services.applied is None
    assert world.backend.asked == []


def test_patch_to_stdout_is_only_the_patch(world: World) -> None:
    """It can be piped into `git apply`."""
    assert world.type("tasks", "apply", SHORT, "--patch", "-").out == (
        "diff --git a/x b/x\n@@ -1 +1 @@\n-old\n+new\n"
    )
    assert world.services.applied is None


def test_patch_is_written_to_a_file(world: World, tmp_path: Path) -> None:
    """With the command that takes it in."""
    target = tmp_path / "fix.patch"

    done = world.type("tasks", "apply", SHORT, "--patch", str(target))

    assert target.read_bytes().startswith(b"diff --git")
    assert f"git apply --index {target}" in done.out
    assert list(tmp_path.iterdir()) == [target]


def test_a_broken_stream_leaves_the_old_patch(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a patch is never left under the name that was asked for."""
    target = tmp_path / "fix.patch"
    target.write_text("old")

    def broken(task_id: str, *, attempt: int | None = None) -> object:
        yield b"new"
        raise EnvironmentProblemError("gone.")

    monkeypatch.setattr(world.backend, "patch", broken)
    assert world.type("tasks", "apply", SHORT, "--patch", str(target)).code == 3

    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_patch_to_a_device_does_not_replace_it(world: World) -> None:
    """`--patch /dev/null` writes into it."""
    assert world.type("tasks", "apply", SHORT, "--patch", "/dev/null").code == 0

    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_patch_into_no_directory_is_refused(world: World) -> None:
    """Bad input, not a crash."""
    done = world.type("tasks", "apply", SHORT, "--patch", "/nowhere/x.patch")

    assert done.code == 2
    assert "--patch /nowhere/x.patch" in done.err


def test_cancel_says_that_it_takes_a_moment(world: World) -> None:
    """The state is shown as it is, with the command that waits for the end."""
    out = world.type("tasks", "cancel", SHORT).out

    assert "cancelling" in out
    assert f"tasks watch {SHORT}" in out
    assert "tasks cancel" not in out


def test_cancelling_what_has_ended_says_that_it_had(world: World) -> None:
    """No error: whoever cancels wants it ended. But nothing was cancelled."""
    world.backend.view = task_view()
    done = world.type("tasks", "cancel", SHORT)

    assert done.code == 0
    assert f"task {SHORT} had ended already: " in done.out


def test_retry_queues_and_tells_how_to_watch(world: World) -> None:
    """It does not watch unless asked."""
    done = world.type("tasks", "retry", SHORT)

    assert done.code == 0
    assert f"tasks watch {SHORT}" in done.out
    assert world.backend.asked == [f"task {SHORT}", f"retry {SHORT}"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("/home/ann/calculator", Path("/home/ann/calculator"), id="its-repository"),
        pytest.param("https://example.org/x.git", None, id="here-for-a-url"),
    ],
)
def test_retry_sends_the_credentials_anew(world: World, source: str, expected: Path | None) -> None:
    """Those of the last attempt were deleted at its end."""
    summary = msgspec.structs.replace(world.backend.view.summary, repository=source)
    world.backend.view = msgspec.structs.replace(world.backend.view, summary=summary)

    assert world.type("tasks", "retry", SHORT).code == 0
    assert world.backend.credentials == {"ANTHROPIC_API_KEY": "k"}
    assert world.services.place is not None
    assert world.services.place.repository == expected


def test_retry_with_watch_follows(world: World) -> None:
    """And exits as the task does."""
    world.backend.rounds = [Round(story(), task_view(TaskState.CANCELLED, None))]

    assert world.type("tasks", "retry", SHORT, "--watch").code == 4


def test_delete_of_unapplied_work_needs_force(world: World) -> None:
    """The refusal says what to do; with `--force` it goes."""
    refused = world.type("tasks", "delete", SHORT)

    assert refused.code == 2
    assert "Apply it, or use --force." in refused.err
    assert world.type("tasks", "delete", SHORT, "--force").out == f"deleted task {SHORT}\n"


def test_every_command_closes_what_it_opened(world: World) -> None:
    """Also when it fails."""
    world.type("tasks", "show", "n0pe")

    assert world.backend.is_closed


def test_unmeasured_usage_of_a_task_is_shown_as_such(world: World) -> None:
    """In the list and in the view."""
    world.backend.view = task_view(usage=Usage())

    assert "unmeasured" in world.type("tasks").out
    assert "tokens unmeasured, cost unmeasured" in world.type("tasks", "show", SHORT).out


def test_a_partly_measured_cost_of_a_task_is_shown_as_a_lower_bound(world: World) -> None:
    """In the list, in the view, and to programs."""
    partly = msgspec.structs.replace(USAGE, is_cost_whole=False)
    world.backend.view = task_view(usage=partly)

    assert ">= $0.42" in world.type("tasks").out
    assert "cost at least $0.42" in world.type("tasks", "show", SHORT).out
    shown = json.loads(world.type("tasks", "show", "--json", SHORT).out)
    assert shown["summary"]["usage"]["is_cost_whole"] is False


@pytest.mark.parametrize(
    ("outcome", "has_agent", "told", "not_told"),
    [
        pytest.param(OutcomeCode.REVIEW_DELIVERED, True, ["show"], ["logs", "retry"], id="review"),
        pytest.param(OutcomeCode.NO_AGENT, True, ["agents", "doctor"], ["logs"], id="no-agent"),
        pytest.param(OutcomeCode.ENVIRONMENT, False, ["show", "doctor"], ["logs"], id="no-step"),
        pytest.param(OutcomeCode.AGENT_FAILED, True, ["logs", "retry"], ["doctor"], id="agent"),
    ],
)
def test_what_to_type_after_a_failure_leads_to_its_cause(
    outcome: OutcomeCode, *, has_agent: bool, told: list[str], not_told: list[str]
) -> None:
    """Findings are in `tasks show`; where no agent ran there are no logs."""
    view = task_view(TaskState.FAILED, outcome)
    view = view if has_agent else msgspec.structs.replace(view, steps=())

    typed = [word for words in next_words(view) for word in words]

    assert set(told) <= set(typed)
    assert not set(not_told) & set(typed)


def test_show_does_not_send_to_itself(world: World) -> None:
    """Its findings were just read."""
    world.backend.view = task_view(TaskState.FAILED, OutcomeCode.REVIEW_DELIVERED)

    assert "tasks show" not in world.type("tasks", "show", SHORT).out


NO_IDS = [
    pytest.param("", id="empty"),
    pytest.param("../agents", id="path"),
    pytest.param("a\udcff", id="no-unicode"),
    pytest.param("t-01jd3", id="cut-at-its-end"),
    pytest.param(f"{TASK}0", id="too-long"),
]


@pytest.mark.parametrize("text", NO_IDS)
@pytest.mark.parametrize(
    "command", ["show", "watch", "logs", "diff", "files", "apply", "cancel", "retry", "delete"]
)
def test_what_is_no_id_is_refused_before_anybody_is_asked(
    world: World, command: str, text: str
) -> None:
    """The message says what an id looks like; no request is made that could mean something else."""
    done = world.type("tasks", command, text)

    assert done.code == 2
    assert "is no task id: one looks like a1m3k9x2" in done.err
    assert world.backend.asked == []


@pytest.mark.parametrize("text", [TASK, TASK.upper(), SHORT, "m3k9x2"])
def test_a_whole_id_and_its_end_are_ids(world: World, text: str) -> None:
    """As the server reads them; whether there is such a task only it knows."""
    world.type("tasks", "show", text)

    assert world.backend.asked == [f"task {text}"]


@pytest.mark.parametrize("command", ["diff", "files", "logs"])
def test_a_step_that_is_no_text_is_refused(world: World, command: str) -> None:
    """It could not even be asked for."""
    done = world.type("tasks", command, SHORT, "--step", "a\udcff")

    assert done.code == 2
    assert "is no name of a step" in done.err
