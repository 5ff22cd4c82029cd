"""`run`: what it hands over, what it prints, how it exits."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
import msgspec.inspect
import pytest
from tests.unit.cli.memory import (
    FINAL,
    QUEUED,
    SHORT,
    TASK,
    ManualClock,
    MemoryPlan,
    Round,
    World,
    story,
    task_view,
)

from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError, UnreachableError
from ai_orchestrator.cli.run import RunFlags, run
from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.review import Severity
from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.task import RunOptions


def test_run_tells_the_story_and_what_to_type_next(world: World) -> None:
    """A piped run prints one line per event, the outcome, and commands with the short id."""
    done = world.type("run", "Fix the mean")

    assert done.code == 0
    assert "started: claude (opus)" in done.out
    assert "new medium calculator/core.py:12 empty list divides by zero" in done.out
    assert "| assert 1 == 2" in done.out
    assert "succeeded (approved verified): approved, tests green" in done.out
    assert f"ai-orchestrator tasks diff {SHORT}" in done.out
    assert f"ai-orchestrator tasks apply {SHORT}" in done.out
    assert world.backend.is_closed


def test_every_flag_of_run_reaches_the_request(world: World, tmp_path: Path) -> None:
    """No option is parsed and then ignored."""
    flags = [
        "-w",
        "quick",
        "-m",
        "2",
        "--agents",
        "claude,codex",
        "--repo",
        "/r",
        "--ref",
        "main",
        "--include-dirty",
        "--model",
        "m",
        "--sandbox",
        "off",
        "--allow-red-base",
        "--allow-unverified",
        "--fail-on",
        "high",
        "--max-cost",
        "1.5",
        "--max-tokens",
        "900",
        "--idempotency-key",
        "k",
        "--in-process",
        "-v",
        "-c",
        "agents.yaml",
    ]
    world.type("--data-dir", "/d", "run", "t", "-o", str(tmp_path / "o"), *flags)

    told = world.services.arguments
    assert told is not None
    assert (told.workflow, told.repository, told.ref) == ("quick", "/r", "main")
    assert told.include_dirty
    assert told.output == tmp_path / "o"
    assert told.idempotency_key == "k"
    options = told.options
    assert (options.max_iterations, options.only_agents) == (2, ("claude", "codex"))
    assert (options.sandbox, options.fail_on) == ("off", Severity.HIGH)
    assert (options.max_cost_usd, options.max_tokens, options.model) == (1.5, 900, "m")
    assert options.allow_red_base
    assert options.allow_unverified
    assert told.settings.in_process
    assert told.settings.data_dir == Path("/d")
    assert told.settings.config_file == Path.cwd() / "agents.yaml"
    assert told.settings.verbose == 1


def test_flags_of_run_are_those_that_its_type_names() -> None:
    """The TypedDict that `run` reads and the options that Click parses stay the same set."""
    assert {parameter.name for parameter in run.params} == set(RunFlags.__annotations__)


@pytest.mark.parametrize("name", ["max_iterations", "max_cost_usd", "max_tokens"])
def test_the_ranges_of_flags_are_those_of_the_request(name: str) -> None:
    """Said twice, since a command line that only prints its help has no time for the model."""
    flag = next(param for param in run.params if param.name in (name, name.removesuffix("_usd")))
    assert isinstance(flag.type, (click.IntRange, click.FloatRange))
    info = msgspec.inspect.type_info(RunOptions)
    assert isinstance(info, msgspec.inspect.StructType)
    field = next(one for one in info.fields if one.name == name).type
    assert isinstance(field, msgspec.inspect.UnionType)
    number = next(one for one in field.types if not isinstance(one, msgspec.inspect.NoneType))
    assert isinstance(number, (msgspec.inspect.IntType, msgspec.inspect.FloatType))
    least = number.gt if flag.type.min_open else number.ge
    assert (flag.type.min, flag.type.max) == (least, number.le)


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        pytest.param(("run", "-"), "from stdin\n", id="dash"),
        pytest.param(("run", "--task-file", "-"), "from stdin\n", id="task-file-dash"),
    ],
)
def test_task_is_read_from_stdin(world: World, words: tuple[str, ...], stdin: str) -> None:
    """A dash stands for stdin, and blank ends are cut."""
    assert world.type(*words, stdin=stdin).code == 0
    assert world.services.arguments is not None
    assert world.services.arguments.task == "from stdin"


def test_task_is_read_from_a_file(world: World, tmp_path: Path) -> None:
    """`--task-file` takes the file's text."""
    (tmp_path / "task.md").write_text("Käse\n", encoding="utf-8")

    world.type("run", "--task-file", str(tmp_path / "task.md"))

    assert world.services.arguments is not None
    assert world.services.arguments.task == "Käse"


@pytest.mark.parametrize(
    ("words", "stdin", "told"),
    [
        pytest.param((), b"", "No task was given", id="none"),
        pytest.param(("  \n",), b"", "the task is empty", id="blank"),
        pytest.param(("-",), b"", "stdin: the task is empty", id="empty-stdin"),
        pytest.param(("t", "--task-file", "f"), b"", "given twice", id="twice"),
        pytest.param(("--task-file", "/nowhere/f"), b"", "there is no such file", id="no-file"),
        pytest.param(("--task-file", "/"), b"", "--task-file /:", id="a-directory"),
        pytest.param(("-",), b"x" * 262_145, "longer than 256 KB", id="too-long"),
        pytest.param(("-",), b"a\xff", "not UTF-8 at byte 1", id="no-text"),
        pytest.param(("-",), b"a\0b", "holds a NUL character", id="no-text-file"),
        pytest.param(("t", "--agents", "a,,b"), b"", "empty name", id="empty-agent"),
        pytest.param(("t", "--detach", "--in-process"), b"", "exclude each other", id="detach"),
        pytest.param(("t", "--detach", "--no-wait"), b"", "drop --no-wait", id="detach-no-wait"),
        pytest.param(("t", "--fail-on", "dire"), b"", "'dire' is not one of", id="severity"),
        pytest.param(("t", "--max-cost", "0"), b"", "0.0 is not in the range", id="no-money"),
        pytest.param(("t", "--max-cost", "nan"), b"", "nan is not in the range", id="nan"),
        pytest.param(("t", "--max-cost", "inf"), b"", "inf is not in the range", id="endless-cost"),
        pytest.param(("t", "--max-cost", "-inf"), b"", "-inf is not in the range", id="minus-inf"),
        pytest.param(("t", "-m", "1000"), b"", "1000 is not in the range", id="endless-rounds"),
        pytest.param(("t", "--max-tokens", "9" * 20), b"", "is not in the range", id="tokens"),
        pytest.param(("t", "extra"), b"", "unexpected extra argument", id="unquoted-task"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    world: World, words: tuple[str, ...], stdin: bytes, told: str
) -> None:
    """Exit 2, one sentence on stderr, and no backend was opened."""
    done = world.type("run", *words, stdin=stdin)

    assert done.code == 2
    assert told in done.err
    assert done.err.startswith("ai-orchestrator: ")
    assert world.services.asked == []


def test_a_task_that_was_accepted_before_is_told_as_that(world: World) -> None:
    """Nobody is to believe that something new was started."""
    world.backend.view = msgspec.structs.replace(QUEUED, is_repeat=True)

    done = world.type("run", "t", "--idempotency-key", "k")

    assert f"task {SHORT} was accepted before under this key" in done.err
    assert "accepted, workflow" not in done.out


def test_a_task_of_exactly_256_kb_is_taken(world: World) -> None:
    """The limit itself is allowed."""
    assert world.type("run", "-", stdin="x" * 262_144).code == 0


def test_server_and_in_process_exclude_each_other(world: World) -> None:
    """A command cannot be client of two runners."""
    done = world.type("--server", "http://x", "run", "t", "--in-process")

    assert done.code == 2
    assert "--server and --in-process" in done.err


def test_dry_run_prints_the_plan_and_starts_nothing(world: World) -> None:
    """Steps, agents, verifiers and limits are shown; no backend is opened."""
    done = world.type("run", "t", "--dry-run")

    assert done.code == 0
    assert "2. implement  claude  change, write, at most 30m00s" in done.out
    assert "3.1. review  codex" in done.out
    assert "codex   not ready" in done.out
    assert "pytest -q" in done.out
    assert "tokens unlimited, $5.00" in done.out
    assert "open_backend" not in world.services.asked


@pytest.mark.parametrize(
    ("verifiers", "told"),
    [
        pytest.param(None, "looked for once the task has started", id="unknown"),
        pytest.param((), "none: nothing can be verified", id="none"),
    ],
)
def test_dry_run_says_what_is_known_of_verifiers(
    world: World, verifiers: tuple[()] | None, told: str
) -> None:
    """Not known yet and none at all are different things."""
    world.services.the_plan = MemoryPlan(verifiers=verifiers)

    assert told in world.type("run", "t", "--dry-run").out


def test_dry_run_as_json_is_one_plan(world: World) -> None:
    """Programs get the workflow as it would be frozen."""
    (plan,) = world.type("run", "t", "--dry-run", "--json").json_lines

    assert plan["type"] == "plan"
    assert plan["workflow"]["name"] == "default"
    assert [agent["is_ready"] for agent in plan["agents"]] == [True, False]


def test_json_run_prints_every_event_and_one_last_result(world: World) -> None:
    """NDJSON: the events as the log has them, then what came out."""
    done = world.type("run", "t", "--json")
    *events, result = done.json_lines

    assert [event["seq"] for event in events] == [event.seq for event in story()]
    assert result["type"] == "result"
    assert (result["task"], result["task_attempt"]) == (TASK, 1)
    assert (result["state"], result["outcome"]) == ("succeeded", "approved_verified")
    assert (result["exit_code"], result["is_detached"]) == (0, False)
    assert result["final_commit"] == FINAL
    assert result["steps"][0]["commit"] == "3" * 40
    assert result["usage"]["cost_usd"] == "0.4212"
    assert result["data_directory"] == "/home/ann/data"
    assert result["repository"] == "/home/ann/data/repos/x.git"


@pytest.mark.parametrize(
    ("state", "outcome", "code"),
    [
        pytest.param(TaskState.FAILED, OutcomeCode.STALLED, 1, id="stalled"),
        pytest.param(TaskState.FAILED, OutcomeCode.NO_AGENT, 3, id="no-agent"),
        pytest.param(TaskState.CANCELLED, None, 4, id="cancelled"),
        pytest.param(TaskState.FAILED, OutcomeCode.BUDGET, 5, id="budget"),
        pytest.param(TaskState.FAILED, OutcomeCode.INTERNAL, 70, id="internal"),
    ],
)
def test_exit_code_follows_the_outcome(
    world: World, state: TaskState, outcome: OutcomeCode | None, code: int
) -> None:
    """A task that did not succeed never exits 0, and the result line says the same code."""
    world.backend.rounds = [Round([], task_view(state, outcome, reason="why"))]

    done = world.type("run", "t", "--json")

    assert done.code == code
    assert done.json_lines[-1]["exit_code"] == code


def test_failed_run_offers_logs_and_retry(world: World) -> None:
    """Where nothing can be applied, the next commands are about finding out."""
    world.backend.rounds = [Round([], task_view(TaskState.FAILED, OutcomeCode.AGENT_FAILED))]

    out = world.type("run", "t").out

    assert f"tasks logs {SHORT}" in out
    assert f"tasks retry {SHORT}" in out
    assert "tasks apply" not in out


@pytest.mark.parametrize("words", [(), ("--detach",)], ids=["watched", "detached"])
def test_notes_of_the_task_are_told_once_it_is_accepted(
    world: World, words: tuple[str, ...]
) -> None:
    """Before the work, on stderr, and not a second time at the end."""
    note = "2 untracked files or folders are not part of the work."
    late = "verifier lint was not found."
    world.backend.view = msgspec.structs.replace(world.backend.view, notes=(note,))
    ended = msgspec.structs.replace(task_view(), notes=(note, late))
    world.backend.rounds = [Round(story(), ended)]

    done = world.type("run", "t", *words)

    assert done.err == f"ai-orchestrator: {note}\n"
    assert note not in done.out
    assert (late in done.out) == (not words)


def test_detach_hands_over_and_exits_zero(world: World) -> None:
    """Nothing is watched, and the way back is printed."""
    done = world.type("run", "t", "--detach")

    assert done.code == 0
    assert f"ai-orchestrator tasks watch {SHORT}" in done.out
    assert not any(asked.startswith("events") for asked in world.backend.asked)


def test_detached_json_is_one_result_that_says_so(world: World) -> None:
    """Programs learn the id and that the task goes on."""
    (result,) = world.type("run", "t", "--detach", "--json").json_lines

    assert (result["is_detached"], result["state"], result["exit_code"]) == (True, "queued", 0)


def test_next_commands_repeat_the_global_options(world: World) -> None:
    """A command that is pasted talks to the same server."""
    out = world.type("--data-dir", "/d ir", "run", "t").out

    assert f"ai-orchestrator --data-dir '/d ir' tasks diff {SHORT}" in out


def test_result_is_delivered_where_output_says(world: World, tmp_path: Path) -> None:
    """`-o` makes a repository there once the task has succeeded."""
    done = world.type("run", "t", "-o", str(tmp_path / "new"), "--json")

    assert world.services.applied == (TASK, tmp_path / "new", "new-directory")
    assert done.json_lines[-1]["delivered_to"] == str(tmp_path / "new")


def test_output_of_a_failed_task_is_not_delivered(world: World, tmp_path: Path) -> None:
    """Unproven work goes nowhere by itself."""
    world.backend.rounds = [Round([], task_view(TaskState.FAILED, OutcomeCode.STALLED))]

    assert world.type("run", "t", "-o", str(tmp_path)).code == 1
    assert world.services.applied is None


def test_a_delivery_that_fails_is_told_after_the_result(world: World, tmp_path: Path) -> None:
    """The result line is printed all the same, then the problem with its exit code."""
    world.services.apply_problem = BadInputError("the directory is not empty.")

    done = world.type("run", "t", "-o", str(tmp_path), "--json")

    *_, result, problem = done.json_lines
    assert result["type"] == "result"
    assert problem["title"] == "the directory is not empty."
    assert done.code == 2


def test_a_failed_delivery_leaves_the_command_to_repeat_it(world: World, tmp_path: Path) -> None:
    """People are told how to fetch the result once the reason is gone."""
    world.services.apply_problem = BadInputError("the directory is not empty.")

    out = world.type("run", "t", "-o", str(tmp_path)).out

    assert f"ai-orchestrator tasks apply {SHORT} -o {tmp_path}" in out


def test_notes_of_the_preparation_go_to_stderr(world: World) -> None:
    """Programs that read stdout are not disturbed."""
    world.services.notes = ("agents use your own login in ~/.claude",)

    done = world.type("run", "t", "--json")

    assert "ai-orchestrator: agents use your own login" in done.err
    assert all(isinstance(line, dict) for line in done.json_lines)


def test_problem_is_one_line_for_people_and_one_for_programs(world: World) -> None:
    """Stderr says what and what to do; stdout carries the same as a problem document."""
    world.services.problem = EnvironmentProblemError("the base is red.", hint="--allow-red-base")

    done = world.type("run", "t", "--json")

    assert done.code == 3
    assert done.err == "ai-orchestrator: the base is red. --allow-red-base\n"
    (problem,) = done.json_lines
    assert (problem["code"], problem["exit_code"]) == ("environment", 3)
    assert "Traceback" not in done.err


def test_several_problems_are_told_one_per_line(world: World) -> None:
    """The details of an error are shown and given to programs."""
    error = BadInputError("2 problems in agents.yaml.")
    error.details = ("agents.yaml:3 a", "agents.yaml:9 b")
    world.services.problem = error

    done = world.type("run", "t", "--json")

    assert "\n  agents.yaml:3 a\n  agents.yaml:9 b\n" in done.err
    assert done.json_lines[0]["errors"] == ["agents.yaml:3 a", "agents.yaml:9 b"]


def test_losing_the_server_says_how_to_come_back(world: World) -> None:
    """Exit 7; the task is not lost with the connection."""
    lost = UnreachableError("no answer from the runner.")
    world.backend.rounds = [Round([*story()[:3], lost], task_view())]

    done = world.type("run", "t")

    assert done.code == 7
    assert f"To come back: ai-orchestrator tasks watch {SHORT}" in done.err


def test_unmeasured_cost_is_called_unmeasured(world: World) -> None:
    """Never zero, never left out."""
    world.backend.rounds = [Round([], task_view(usage=Usage()))]

    assert "tokens unmeasured, cost unmeasured" in world.type("run", "t").out


def test_text_of_strangers_cannot_steer_the_terminal(world: World) -> None:
    """Escape sequences in a reason are not printed."""
    world.backend.rounds = [Round([], task_view(reason="done \x1b]0;title\x07\u202e!"))]

    out = world.type("run", "t").out

    assert "\x1b" not in out
    assert "\u202e" not in out


def test_resumed_tasks_are_told_by_the_command_that_started_the_runner(world: World) -> None:
    """Once: a runner that was there before says nothing new."""
    world.backend.resumed = (TASK,)
    world.backend.started_at = ManualClock().now()

    assert f"resumed 1 unfinished task: {SHORT}" in world.type("run", "t", "--detach").err
    world.backend.started_at = world.backend.started_at.replace(year=2020)
    assert "resumed" not in world.type("run", "t", "--detach").err
