"""The commands that need no task."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.memory import (
    LOST_AGENT,
    SHORT,
    Agent,
    LoginDone,
    MemoryCheck,
    Round,
    World,
    story,
    task_view,
)

from ai_orchestrator import __version__
from ai_orchestrator.base.errors import EnvironmentProblemError, NotFoundError
from ai_orchestrator.model.states import OutcomeCode, TaskState


def test_agents_shows_readiness_and_the_next_command(world: World) -> None:
    """`agents` and `agents list` are the same."""
    done = world.type("agents", "--repo", "/r", "-c", "x.yaml")

    assert "claude  ready      2.1.0  default (env)" in done.out
    assert "codex: npm install -g codex" in done.out
    assert done.out == world.type("agents", "list").out


def test_login_is_made_and_told(world: World) -> None:
    """What runs and where it is kept before, the result after; the vendor's words are passed on."""
    done = world.type("--data-dir", "/d", "agents", "login", "work", "-c", "x", "--", "--device")
    assert done.code == 0
    assert done.out == "claude is logged in: account work (vendor-home).\n"
    assert "/bin/claude auth login: the login will be kept in /home/ann/data/accounts/work" in (
        done.err
    )
    assert world.services.login.arguments == ("--device",)
    assert world.services.asked == ["prepare_login work /d"]
    assert world.services.place is not None
    assert world.services.place.config_file == Path.cwd() / "x"


def test_login_that_failed_is_exit_1(world: World) -> None:
    """With the reason."""
    world.services.login.done = LoginDone(is_ready=False, problem="it ended with exit code 7.")
    done = world.type("agents", "login", "work")
    assert (done.code, done.out) == (1, "")
    assert "it ended with exit code 7. Nothing was changed." in done.err


def test_login_that_is_not_used_says_why(world: World) -> None:
    """It is ready all the same."""
    world.services.login.done = LoginDone(note="A_KEY comes first.")
    done = world.type("agents", "login", "work")
    assert done.code == 0
    assert "A_KEY comes first." in done.err


@pytest.mark.parametrize(
    ("problem", "code"),
    [(NotFoundError("no agent"), 2), (EnvironmentProblemError("no program"), 3)],
    ids=["unknown", "missing"],
)
def test_login_that_cannot_be_made(world: World, problem: Exception, code: int) -> None:
    """Nothing is run."""
    world.services.problem = problem
    assert world.type("agents", "login", "x").code == code
    assert world.services.login.arguments is None


def test_login_is_made_on_this_machine_only(world: World) -> None:
    """A server's logins are made beside it."""
    done = world.type("--server", "http://x", "agents", "login", "work")
    assert done.code == 2
    assert "on the server's own" in done.err
    assert world.services.asked == []


def test_agents_looks_where_it_was_told(world: World) -> None:
    """Both options reach the service as absolute paths."""
    world.type("agents", "--repo", "/r", "-c", "x.yaml")

    assert world.services.place is not None
    assert world.services.place.repository == Path("/r")
    assert world.services.place.config_file == Path.cwd() / "x.yaml"


def test_agents_as_json_is_one_list(world: World) -> None:
    """A version that is not known is null."""
    (agents,) = world.type("agents", "--json").json_lines

    assert agents[1]["version"] is None
    assert agents[1]["next_command"] == LOST_AGENT.next_command


def test_no_agent_is_said(world: World) -> None:
    """An empty configuration is not an empty screen."""
    world.services.agents = ()

    assert "No agent is enabled." in world.type("agents").out


def test_text_of_an_agent_cannot_steer_the_terminal(world: World) -> None:
    """A version string comes from a program that somebody else wrote."""
    world.services.agents = (Agent(version="2\x1b[2J"),)

    assert "\x1b" not in world.type("agents").out


def test_workflows_lists_default_first(world: World) -> None:
    """With the place each comes from."""
    first, second = world.type("workflows").out.splitlines()

    assert first.split()[:2] == ["default", "default"]
    assert "config/agents.yaml:9" in second


def test_a_workflow_is_shown_with_its_steps(world: World) -> None:
    """Nested steps are indented under their loop."""
    out = world.type("workflows", "quick").out

    assert "done when  approved and verified" in out
    assert "  3. rounds  until approved, at most 3 rounds\n    3.1. review  codex" in out


def test_an_unknown_workflow_lists_the_known(world: World) -> None:
    """Exit 2."""
    done = world.type("workflows", "quik")

    assert done.code == 2
    assert "no workflow 'quik'. Known: default, quick." in done.err


def test_workflows_as_json_carries_the_whole_spec(world: World) -> None:
    """For programs."""
    (listed,) = world.type("workflows", "quick", "--json").json_lines

    assert [item["workflow"]["name"] for item in listed] == ["quick"]
    assert listed[0]["workflow"]["steps"][1]["type"] == "agent"


def test_validate_says_valid(world: World) -> None:
    """Exit 0 and one word."""
    done = world.type("validate")

    assert (done.code, done.out) == (0, "valid\n")


def test_validate_prints_every_problem_and_exits_two(world: World) -> None:
    """All at once, as the configuration package words them."""
    world.services.config_problems = ("a.yaml:3 agents.x: unknown", "a.yaml:9 steps: empty")

    done = world.type("validate", "a.yaml")

    assert done.code == 2
    assert done.out == "a.yaml:3 agents.x: unknown\na.yaml:9 steps: empty\n2 problems\n"
    assert world.services.place is not None
    assert world.services.place.config_file == Path.cwd() / "a.yaml"


def test_validate_as_json_says_so_too(world: World) -> None:
    """The exit code stays."""
    world.services.config_problems = ("a.yaml:3 x",)

    done = world.type("validate", "--json")

    assert done.code == 2
    assert done.json_lines == [{"is_valid": False, "problems": ["a.yaml:3 x"], "notes": []}]


@pytest.mark.parametrize("command", ["validate", "config show", "workflows", "agents"])
def test_notes_about_the_configuration_are_told(world: World, command: str) -> None:
    """On stderr: what programs read on stdout stays as it is."""
    world.services.notes = ("config/agents.yaml is not used.",)

    done = world.type(*command.split())

    assert done.code == 0
    assert done.err == "ai-orchestrator: config/agents.yaml is not used.\n"


def test_validate_takes_its_file_once(world: World) -> None:
    """FILE and -c are one thing."""
    assert world.type("validate", "a.yaml", "-c", "b.yaml").code == 2


def test_trust_names_what_is_trusted(world: World) -> None:
    """Every file, since each may run commands."""
    done = world.type("trust")

    assert done.code == 0
    assert "trusted /home/ann/calculator" in done.out
    assert "  config/agents.yaml\n" in done.out


def test_trust_as_json_has_the_digest(world: World) -> None:
    """What the trust is bound to."""
    (record,) = world.type("trust", "/r", "--json").json_lines

    assert record["digest"] == "sha256:abc"


def test_trust_outside_a_repository_is_an_error(world: World) -> None:
    """In the service's words."""
    world.services.problem = NotFoundError("/r is in no git repository.")

    assert world.type("trust", "/r").code == 2


def test_config_shows_each_value_with_its_origin(world: World) -> None:
    """A value without an origin of its own has that of what holds it."""
    out = world.type("config").out

    assert 'agents.claude.command    "claude"  # origin not recorded' in out
    assert 'workflows.mine[0].agent  "claude"  # config/agents.yaml:9' in out
    assert "settings.max_iterations  3  # flag --max-iterations" in out
    assert 'settings.tags            ["a", "b"]' in out


def test_config_show_takes_a_part(world: World) -> None:
    """A key and everything below it, but no namesake."""
    (rows,) = world.type("config", "show", "agents.claude", "--json").json_lines

    assert [row["key"] for row in rows] == ["agents.claude.enabled", "agents.claude.command"]
    assert (rows[0]["value"], rows[0]["line"]) == (True, 3)


def test_config_show_suggests_for_an_unknown_key(world: World) -> None:
    """Exit 2."""
    done = world.type("config", "show", "settings.max_iteration")

    assert done.code == 2
    assert "Did you mean: settings.max_iterations" in done.err


def test_config_init_writes_and_says_what_to_do(world: World, tmp_path: Path) -> None:
    """And refuses to replace a file unless forced."""
    target = tmp_path / "agents.yaml"

    assert f"ai-orchestrator validate {target}" in world.type("config", "init", str(target)).out
    target.touch()
    assert "Use --force" in world.type("config", "init", str(target)).err
    assert world.type("config", "init", str(target), "--force").code == 0


def test_doctor_says_what_to_type_and_exits_three(world: World) -> None:
    """OK, WARN and FAIL with reasons."""
    world.services.checks = (
        MemoryCheck("git", "ok", "git 2.43"),
        MemoryCheck("bubblewrap", "fail", "not found", "sudo apt-get install bubblewrap"),
        MemoryCheck("disk", "warn", "3 GB left"),
    )

    done = world.type("doctor")

    assert done.code == 3
    assert "OK    git              git 2.43" in done.out
    assert "FAIL  bubblewrap       not found\n      next: sudo apt-get install" in done.out
    assert done.out.endswith("3 checks, 1 failed, 1 warned\n")


def test_doctor_with_warnings_only_exits_zero(world: World) -> None:
    """A warning is no failure."""
    world.services.checks = (MemoryCheck("disk", "warn", "3 GB left"),)

    assert world.type("doctor").code == 0


def test_doctor_as_json_is_one_list(world: World) -> None:
    """With the levels as words."""
    (checks,) = world.type("doctor", "--json").json_lines

    assert checks[0]["level"] == "ok"


def test_demo_shows_a_whole_task(world: World) -> None:
    """Notes first, then the story, then the outcome's exit code."""
    done = world.type("demo", "--directory", "/tmp/somewhere")

    assert done.code == 0
    assert "no key is used" in done.err
    assert "started: claude" in done.out
    assert f"ai-orchestrator --data-dir /home/ann/data tasks diff {SHORT}" in done.out
    assert world.backend.is_closed


@pytest.mark.parametrize(
    ("words", "agents"),
    [((), ()), (("--agents", "claude, codex"), ("claude", "codex"))],
    ids=["built-in", "named"],
)
def test_demo_is_played_by_whom_one_names(
    world: World, words: tuple[str, ...], agents: tuple[str, ...]
) -> None:
    """Without a word, by the built-in agent."""
    assert world.type("demo", *words).code == 0
    assert world.services.demo_agents == agents


@pytest.mark.parametrize("words", [("--data-dir", "/x"), ("--server", "http://127.0.0.1:1")])
def test_demo_is_not_shown_where_it_does_not_run(world: World, words: tuple[str, ...]) -> None:
    """An option without effect is refused with the reason and what to use."""
    done = world.type(*words, "demo")

    assert done.code == 2
    assert f"{words[0]} has no effect on the demo" in done.err
    assert "--directory" in done.err


def test_demo_that_fails_exits_like_its_task(world: World) -> None:
    """It does not pretend."""
    world.backend.rounds = [Round(story(), task_view(TaskState.FAILED, OutcomeCode.AGENT_FAILED))]

    assert world.type("demo", "--json").code == 1


def test_gc_says_what_went_and_what_was_kept(world: World) -> None:
    """Work that was not applied is named."""
    out = world.type("gc").out

    assert f"removed {SHORT}\n" in out
    assert "kept t-kept has changes that were not applied.\n" in out
    assert "removed 1 item, 3.4 MB" in out


def test_gc_passes_its_flags_on(world: World) -> None:
    """And words a dry run as one."""
    done = world.type("gc", "--dry-run", "--force")

    assert world.backend.asked == ["gc True True"]
    assert "would remove 1 item" in done.out


def test_gc_as_json_is_the_report(world: World) -> None:
    """In bytes."""
    assert world.type("gc", "--json").json_lines[0]["freed_bytes"] == 3_400_000


@pytest.mark.parametrize("words", [("version",), ("--version",)], ids=["command", "option"])
def test_version_is_printed_without_asking_anybody(world: World, words: tuple[str, ...]) -> None:
    """Neither services nor a backend is loaded."""
    assert world.type(*words).out == f"ai-orchestrator {__version__}\n"
    assert world.services.asked == []


def test_version_as_json(world: World) -> None:
    """With the interpreter's version."""
    assert world.type("version", "--json").json_lines[0]["version"] == __version__


def test_config_and_validate_start_no_runner(world: World) -> None:
    """They must work on a machine where nothing runs."""
    for words in (("config",), ("validate",), ("workflows",), ("agents",)):
        world.type(*words)

    assert world.services.asked == []
