"""Makes a tree ready by the workflow's `setup:`: from what was kept of an earlier run, or anew.

Used for the agent's tree before the first agent (`prepare_step`) and wherever an agent left nothing
of it that could be used, and for the verifiers' tree before each verification (`judging`).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.base.sandbox import WORK_DIR
from ai_orchestrator.model.orders import AttemptPaths, SetupOrder
from ai_orchestrator.workflows.commands.tree_command import TreeCommand, run_in_tree
from ai_orchestrator.workflows.running.ports import TaskTree
from ai_orchestrator.workflows.running.world import TaskFacts, World

SETUP_TIMEOUT_S = 1800.0
SETUP_OUTPUT_CHARS = 2_000
_MADE_ANEW = "The work tree was lost or was not ready any more: it is set up anew."


@dataclass(frozen=True, slots=True)
class SetUp:
    """A tree to make ready."""

    tree: TaskTree
    which: Literal["work", "clean"]
    work: Path
    """The tree on the host."""
    name: str
    """Of its process trees, unique among those alive."""
    furnished: tuple[str, ...] = ()
    """What `copy:` and `link:` brought into it."""
    is_before_agents: bool = False
    """It is at the task's base and no agent has run in it: what is made there may be kept."""


async def put_in_place(
    world: World, facts: TaskFacts, tree: TaskTree, commit: str, name: str
) -> None:
    """The agent's tree equals the commit; one that had to be made anew is made ready again.

    `name`: of the step that wants it. Raises as `set_up`.
    """
    if await tree.start_from(commit):
        return
    await world.records.add_note(facts.task_id, _MADE_ANEW)
    equipment = await world.trees.equip(
        facts.task_id, facts.task_attempt, facts.source, facts.spec.environment
    )
    await set_up(world, facts, SetUp(tree, "work", tree.work, name, equipment.paths))
    tree.mark_ready()
    # What the commands did to files of the repository is nobody's change.
    if not await tree.start_from(commit):
        raise EnvironmentProblemError(
            f"setup: what it leaves in {tree.work} cannot be put back to {commit[:10]}.",
            hint="Have it leave the repository's own files as they are.",
        )


async def set_up(world: World, facts: TaskFacts, order: SetUp) -> str:
    """What was done, as a sentence; empty where the workflow has no `setup:`.

    Raises `EnvironmentProblemError` where a command fails. What of the cache fails is a note of
    the task, and the commands run.
    """
    commands = facts.spec.environment.setup
    if not commands:
        return ""
    began_s = world.clock.monotonic_s()
    asked = _asked(world, facts, order)
    found = await order.tree.restore_setup(asked)
    if found.is_done:
        return f"setup restored in {_since(world, began_s)}, not run"
    await _note(world, facts, found.trouble)
    for number, argv in enumerate(commands, start=1):
        await _run_one(world, facts, order, argv, f"{order.name}.setup{number}")
    done = f"setup run in {_since(world, began_s)}"
    return f"{done}, {await _keep(world, facts, order, asked, found.key)}"


def _asked(world: World, facts: TaskFacts, order: SetUp) -> SetupOrder:
    environment = facts.spec.environment
    return SetupOrder(
        commands=environment.setup,
        which=order.which,
        seen_at=str(_seen_at(world, facts, order)),
        path_env=facts.path_env,
        files=environment.setup_files,
        furnished=order.furnished,
    )


def _seen_at(world: World, facts: TaskFacts, order: SetUp) -> Path:
    is_sandboxed = world.enclosure.is_sandboxed(facts.spec.sandbox)
    return Path(WORK_DIR) if is_sandboxed else order.work


async def _keep(world: World, facts: TaskFacts, order: SetUp, asked: SetupOrder, key: str) -> str:
    """What became of the result, as the end of a sentence."""
    if not order.is_before_agents:
        return "not kept: it is not the base"
    if order.which == "work" and asked.seen_at == str(order.work):
        # Without a sandbox programs hold the tree's own path, where no other tree will ever be;
        # the verifiers' tree is made anew at its place, time after time.
        return "not kept: there is no sandbox"
    kept = await order.tree.keep_setup(asked, key)
    await _note(world, facts, kept.trouble)
    if kept.is_done:
        return "kept for the next tree"
    return f"not kept: {kept.reason}" if kept.reason else "not kept"


async def _note(world: World, facts: TaskFacts, trouble: str) -> None:
    if trouble:
        await world.records.add_note(facts.task_id, trouble)


def _since(world: World, began_s: float) -> str:
    return f"{world.clock.monotonic_s() - began_s:.1f} s"


async def _run_one(
    world: World, facts: TaskFacts, order: SetUp, argv: tuple[str, ...], name: str
) -> None:
    paths = order.tree.attempt_paths(name, role="setup", agent="setup", account=None)
    try:
        await _run_setup(world, facts, argv, replace(paths, work=order.work), name)
    finally:
        order.tree.discard_attempt(name)


async def _run_setup(
    world: World, facts: TaskFacts, argv: tuple[str, ...], paths: AttemptPaths, name: str
) -> None:
    order = TreeCommand(
        argv=argv,
        paths=paths,
        path_env=facts.path_env,
        sandbox=facts.spec.sandbox,
        has_network=True,
        timeout_s=SETUP_TIMEOUT_S,
        tree=name,
    )
    completed = await run_in_tree(world.spawner, world.enclosure, order)
    if completed.exit.is_success and not completed.is_timed_out:
        return
    said = (completed.stdout + completed.stderr).decode("utf-8", "replace")
    how = "did not end in time" if completed.is_timed_out else f"exit {completed.exit.code}"
    raise EnvironmentProblemError(
        f"setup: {shlex.join(argv)} failed ({how}).\n{said[-SETUP_OUTPUT_CHARS:]}",
        hint="Mend the machine and type `ai-orchestrator tasks retry`, or mend the command and "
        "give the task anew: it keeps the configuration that it was accepted with.",
    )
