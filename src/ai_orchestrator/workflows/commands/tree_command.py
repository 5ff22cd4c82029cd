"""Runs a command of the workflow in the agent's tree: `setup:` and script steps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ai_orchestrator.base.process import Completed, Spawner, run
from ai_orchestrator.model.agent import SandboxMode
from ai_orchestrator.model.orders import AttemptPaths
from ai_orchestrator.workflows.commands.enclosure import Enclosure, RepositoryCommand
from ai_orchestrator.workflows.commands.toolchain import find_toolchain

OUTPUT_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class TreeCommand:
    """A command line and what it may see."""

    argv: tuple[str, ...]
    paths: AttemptPaths
    path_env: str
    sandbox: SandboxMode
    has_network: bool
    timeout_s: float
    tree: str
    """Name of its process tree."""
    env: dict[str, str] = field(default_factory=dict)


async def run_in_tree(spawner: Spawner, enclosure: Enclosure, order: TreeCommand) -> Completed:
    """The command's end and output; raises where it cannot be started."""
    toolchain = await asyncio.to_thread(find_toolchain, order.path_env, (order.argv[0],))
    request = RepositoryCommand(
        argv=order.argv,
        tree=order.tree,
        work=order.paths.work,
        home=order.paths.home,
        tmp=order.paths.tmp,
        path_env=order.path_env,
        sandbox=order.sandbox,
        network=order.has_network,
        env=order.env,
        read_only=order.paths.read_only,
    )
    command = enclosure.enclose(request, toolchain)
    return await run(spawner, command, timeout_s=order.timeout_s, limit_bytes=OUTPUT_LIMIT_BYTES)
