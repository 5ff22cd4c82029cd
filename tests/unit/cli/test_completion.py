"""Shell completion: scripts, and names that only the system knows."""

from __future__ import annotations

import pytest
from click.shell_completion import ShellComplete
from tests.unit.cli.memory import SHORT, TASK, World

from ai_orchestrator.base.errors import UnreachableError
from ai_orchestrator.cli.app import App
from ai_orchestrator.cli.completing import DEMO_AGENTS
from ai_orchestrator.cli.main import cli
from ai_orchestrator.services.demo_configuration import MODELS


def offered(world: World, *words: str, incomplete: str = "") -> list[str]:
    """What pressing Tab after these words offers."""
    app = App(services=lambda: world.services)
    complete = ShellComplete(cli, {"obj": app}, "ai-orchestrator", "_X")
    return [item.value for item in complete.get_completions(list(words), incomplete)]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_names_the_program(world: World, shell: str) -> None:
    """Each shell's script asks the program through the same variable."""
    done = world.type("completion", shell)

    assert done.code == 0
    assert f"_AI_ORCHESTRATOR_COMPLETE={shell}_complete" in done.out
    assert world.services.asked == []


def test_an_unknown_shell_lists_the_known(world: World) -> None:
    """Exit 2."""
    done = world.type("completion", "tcsh")

    assert done.code == 2
    assert "'bash', 'zsh', 'fish'" in done.err


def test_commands_are_offered_without_importing_them(world: World) -> None:
    """By their beginning."""
    assert offered(world, incomplete="va") == ["validate"]
    assert "watch" in offered(world, "tasks")


def test_tasks_are_offered_by_short_id(world: World) -> None:
    """By the whole id once its prefix was typed."""
    assert offered(world, "tasks", "show") == [SHORT]
    assert offered(world, "tasks", "show", incomplete="t-") == [TASK]
    assert offered(world, "tasks", "show", incomplete="zzz") == []


def test_steps_are_offered_for_the_task_before(world: World) -> None:
    """For `--step`."""
    assert offered(world, "tasks", "diff", SHORT, "--step") == ["implement"]


def test_workflows_and_agents_are_offered(world: World) -> None:
    """Agents one after the other in a list."""
    assert offered(world, "run", "-w") == ["default", "quick"]
    assert offered(world, "run", "--agents") == ["claude"]
    assert offered(world, "run", "--agents", incomplete="claude,") == []
    assert offered(world, "run", "--agents", incomplete="x,cl") == ["x,claude"]


def test_agents_of_the_demo_are_offered(world: World) -> None:
    """Those that its scripted model can answer, whatever is configured."""
    assert set(DEMO_AGENTS) == set(MODELS)
    assert offered(world, "demo", "--agents") == list(DEMO_AGENTS)
    assert offered(world, "demo", "--agents", incomplete="claude,co") == [
        "claude,codex",
        "claude,copilot",
    ]


def test_completion_never_starts_a_runner(world: World) -> None:
    """Pressing Tab must not leave a process behind."""
    offered(world, "--data-dir", "/d", "tasks", "show")

    assert world.services.settings is not None
    assert not world.services.settings.may_start
    assert str(world.services.settings.data_dir) == "/d"
    assert world.backend.is_closed


def test_completion_is_silent_where_nobody_answers(world: World) -> None:
    """No suggestion, no message over the prompt."""
    world.services.problem = UnreachableError("no runner.")

    assert offered(world, "tasks", "show") == []
    assert offered(world, "run", "-w") == []
