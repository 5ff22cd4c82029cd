"""Runs the verifiers on a commit: on a clean checkout, equipped like the agent's tree.

Used for the base, before any agent, and for every head that is to count.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.model.orders import AttemptPaths
from ai_orchestrator.model.review import Verifier, VerifierResult
from ai_orchestrator.workflows.ports import TaskTree
from ai_orchestrator.workflows.tree_command import TreeCommand, run_in_tree
from ai_orchestrator.workflows.verify import VerifyOrder
from ai_orchestrator.workflows.world import TaskFacts, World

SETUP_TIMEOUT_S = 1800.0
SETUP_OUTPUT_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Judging:
    """A commit to judge. `name`: of its process trees, unique among those alive."""

    commit: str
    verifiers: Sequence[Verifier]
    name: str
    base_paths: tuple[str, ...] = ()
    """Put back as they are in the base."""


async def judge_commit(
    world: World, facts: TaskFacts, tree: TaskTree, judging: Judging
) -> tuple[VerifierResult, ...]:
    """A result per verifier. Raises `EnvironmentProblemError` where one cannot be started."""
    checkout = await tree.clean_checkout(judging.commit, base_paths=judging.base_paths)
    environment = facts.spec.environment
    if environment.copy or environment.link:
        await world.trees.equip(
            facts.task_id, facts.task_attempt, facts.source, environment, which="clean"
        )
    await set_up(world, facts, tree, judging.name, work=checkout)
    paths = tree.attempt_paths(judging.name, role="verify", agent="verify", account=None)
    try:
        return await world.verifiers(facts.task_id).run(
            VerifyOrder(
                name=judging.name,
                verifiers=tuple(judging.verifiers),
                checkout=checkout,
                home=paths.home,
                tmp=paths.tmp,
                path_env=facts.path_env,
                sandbox=facts.spec.sandbox,
                read_only=paths.read_only,
            )
        )
    finally:
        tree.discard_attempt(judging.name)


async def set_up(world: World, facts: TaskFacts, tree: TaskTree, name: str, *, work: Path) -> None:
    """Runs the workflow's `setup:` in a tree, with network. Raises where a command fails."""
    for number, argv in enumerate(facts.spec.environment.setup, start=1):
        own = f"{name}.setup{number}"
        paths = tree.attempt_paths(own, role="setup", agent="setup", account=None)
        try:
            await _run_setup(world, facts, argv, replace(paths, work=work), own)
        finally:
            tree.discard_attempt(own)


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
        hint="Mend the command or the machine, then `ai-orchestrator tasks retry`.",
    )
