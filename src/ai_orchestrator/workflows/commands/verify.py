"""Runs the frozen verifiers of a task on a clean checkout: their exit codes are the only "done".

The workflow calls it on the base before the first agent, and on every commit that is to count. All
verifiers run, whatever the first one says, so that the next prompt can show everything.
"""

from __future__ import annotations

import asyncio
import math
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.base.process import Spawner
from ai_orchestrator.model.agent import SandboxMode
from ai_orchestrator.model.review import Verifier, VerifierResult
from ai_orchestrator.model.workflow import LEAST_TIME_S
from ai_orchestrator.workflows.commands.enclosure import (
    Enclosure,
    RepositoryCommand,
    absolute_entries,
)
from ai_orchestrator.workflows.commands.toolchain import Toolchain, find_toolchain
from ai_orchestrator.workflows.commands.verifier_output import (
    Ended,
    both_ends,
    plain,
    watch_verifier,
)

OUTPUT_CHARS = 8_000
"""Of the output in a result, as `VerifierResult` promises; longer ones are kept whole beside it."""


@dataclass(frozen=True, slots=True)
class VerifyOrder:
    """One run of all verifiers on one commit. Every directory is the host's and exists."""

    name: str
    """Beginning of the names of the process trees, unique among those alive."""
    verifiers: tuple[Verifier, ...]
    checkout: Path
    """A clean checkout of the commit; what is written there is thrown away by its owner."""
    home: Path
    tmp: Path
    """Both of this run alone, thrown away by their owner."""
    path_env: str
    sandbox: SandboxMode
    read_only: tuple[Path, ...] = ()
    """Directories to be seen at the same path."""
    extra_env: Mapping[str, str] = field(default_factory=dict)
    """PORT.. and the like, not secret."""
    limit_s: float | None = None
    """Of all of them together: who starts later has less time."""


class VerifierRunner:
    """Runs verifiers, one after the other, and leaves no process of theirs."""

    def __init__(
        self,
        spawner: Spawner,
        enclosure: Enclosure,
        *,
        redact: Callable[[str], str],
        keep: Callable[[bytes], Awaitable[str]],
    ) -> None:
        """`redact` takes secrets out of output; `keep` stores a whole one and gives its digest."""
        self._spawner = spawner
        self._enclosure = enclosure
        self._redact = redact
        self._keep = keep

    async def run(self, order: VerifyOrder) -> tuple[VerifierResult, ...]:
        """A result per verifier, in their order.

        Raises `EnvironmentProblemError` naming a verifier that cannot be started, since its
        program is missing or the sandbox does not work: that is never the work's fault.
        """
        toolchain = await asyncio.to_thread(_look_for_tools, order)
        loop = asyncio.get_running_loop()
        end_s = math.inf if order.limit_s is None else loop.time() + order.limit_s
        results = []
        for number, verifier in enumerate(order.verifiers, start=1):
            timely = _within(verifier, end_s - loop.time())
            results.append(await self._run_one(order, timely, toolchain, f"{order.name}.v{number}"))
        return tuple(results)

    async def _run_one(
        self, order: VerifyOrder, verifier: Verifier, toolchain: Toolchain, tree: str
    ) -> VerifierResult:
        command = self._enclosure.enclose(_request(order, verifier, tree), toolchain)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            process = await self._spawner.start(command)
        except EnvironmentProblemError as error:
            raise _not_started(verifier, str(error)) from error
        ended = await watch_verifier(process, verifier.timeout_s)
        if ended.complaint and ended.exit.code != 0 and not ended.is_timed_out:
            raise _not_started(verifier, f"{ended.complaint}.")
        return await self._result(verifier, ended, loop.time() - began_s)

    async def _result(self, verifier: Verifier, ended: Ended, duration_s: float) -> VerifierResult:
        text = await asyncio.to_thread(lambda: self._redact(plain(ended.output)))
        is_long = len(text) > OUTPUT_CHARS
        return VerifierResult(
            name=verifier.name,
            argv=verifier.argv,
            code=None if ended.is_timed_out else ended.exit.code,
            is_timed_out=ended.is_timed_out,
            duration_s=duration_s,
            output=both_ends(text, OUTPUT_CHARS),
            artefact=await self._keep(text.encode()) if is_long else None,
        )


def _within(verifier: Verifier, remaining_s: float) -> Verifier:
    """The verifier, which may take no longer than its task has."""
    timeout_s = max(min(verifier.timeout_s, remaining_s), LEAST_TIME_S)
    return msgspec.structs.replace(verifier, timeout_s=timeout_s)


def _look_for_tools(order: VerifyOrder) -> Toolchain:
    """What the verifiers need of the machine; blocks on the disk. Raises where one has nothing."""
    path_env = absolute_entries(order.path_env)
    for verifier in order.verifiers:
        program = verifier.argv[0]
        if "/" not in program and shutil.which(program, path=path_env) is None:
            raise _not_started(verifier, f"there is no {program} on the PATH {path_env!r}.")
    return find_toolchain(path_env, [verifier.argv[0] for verifier in order.verifiers])


def _request(order: VerifyOrder, verifier: Verifier, tree: str) -> RepositoryCommand:
    return RepositoryCommand(
        argv=verifier.argv,
        tree=tree,
        work=order.checkout,
        home=order.home,
        tmp=order.tmp,
        path_env=order.path_env,
        sandbox=order.sandbox,
        network=verifier.network,
        env=order.extra_env,
        read_only=order.read_only,
    )


def _not_started(verifier: Verifier, why: str) -> EnvironmentProblemError:
    return EnvironmentProblemError(
        f"Verifier {verifier.name} ({' '.join(verifier.argv)}) cannot be started: {why}",
        hint="Install what is missing, or change `verify:` in the workflow.",
    )
