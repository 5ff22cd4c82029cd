"""Runs the frozen verifiers of a task on a clean checkout: their exit codes are the only "done".

The workflow calls it on the base before the first agent, and on every commit that is to count. All
verifiers run, whatever the first one says, so that the next prompt can show everything. They run
what strangers and agents wrote: in the sandbox, and with an environment that is built here from
nothing, so that no variable of the orchestrator, and no credential, can be in it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.base.fence import Fence
from ai_orchestrator.base.process import Command, Spawner
from ai_orchestrator.base.sandbox import HOME_DIR, TMP_DIR, Bind, Sandbox
from ai_orchestrator.model.agent import SandboxMode
from ai_orchestrator.model.review import Verifier, VerifierResult
from ai_orchestrator.workflows.toolchain import Toolchain, find_toolchain
from ai_orchestrator.workflows.verifier_output import Ended, both_ends, plain, watch

OUTPUT_CHARS = 8_000
"""Of the output in a result, as `VerifierResult` promises; longer ones are kept whole beside it."""

_START = (
    'case "$0" in */*) ;; *) command -v -- "$0" >/dev/null 2>&1 || '
    '{ echo "there is no $0 in the sandbox" >&2; exit 127; } ;; esac; exec 2>&1; exec "$@"'
)
"""Joins both streams in order. Standard error is left to bubblewrap and to this shell, so what
comes there with a status other than 0 says that the verifier was not started. A bare name must be
found; a path belongs to the repository, and its lack is the work's fault."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where one run of all verifiers takes place."""

    checkout: Path
    """A clean checkout of the commit; what is written there is thrown away by its owner."""
    path_env: str
    sandbox: SandboxMode
    tree: str
    """Beginning of the names of the process trees, unique among those alive."""
    extra_env: Mapping[str, str] = field(default_factory=dict)
    """PORT.. and the like, not secret."""
    read_only: tuple[Path, ...] = ()
    """Directories to be seen at the same path."""


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What all verifiers of one run share."""

    home: Path
    tmp: Path
    path_env: str
    toolchain: Toolchain


class VerifierRunner:
    """Runs verifiers, one after the other, and leaves neither a process nor a file of theirs."""

    def __init__(
        self,
        spawner: Spawner,
        fence: Fence,
        *,
        scratch: Path,
        discard: Callable[[Path], None],
        redact: Callable[[str], str],
        keep: Callable[[bytes], Awaitable[str]],
    ) -> None:
        """`scratch`: where HOME and TMPDIR of a run are made, `discard` removes them afterwards.

        `redact` takes secrets out of output; `keep` stores a whole output and gives its digest.
        """
        self._spawner = spawner
        self._fence = fence
        self._scratch = scratch
        self._discard = discard
        self._redact = redact
        self._keep = keep

    async def run(self, verifiers: Sequence[Verifier], site: Site) -> tuple[VerifierResult, ...]:
        """A result per verifier, in their order.

        Raises `EnvironmentProblemError` naming a verifier that cannot be started, since its
        program is missing or the sandbox does not work: that is never the work's fault.
        """
        place = self._scratch / f"verify-{secrets.token_hex(8)}"
        try:
            around = await asyncio.to_thread(_prepare, verifiers, site, place)
            return tuple(
                [
                    await self._run_one(verifier, site, around, f"{site.tree}.v{number}")
                    for number, verifier in enumerate(verifiers, start=1)
                ]
            )
        finally:
            await asyncio.shield(asyncio.to_thread(self._discard, place))

    async def _run_one(
        self, verifier: Verifier, site: Site, around: _Surroundings, tree: str
    ) -> VerifierResult:
        command = self._command(verifier, site, around, tree)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            process = await self._spawner.start(command)
        except EnvironmentProblemError as error:
            raise _not_started(verifier, str(error)) from error
        ended = await watch(process, verifier.timeout_s)
        if ended.complaint and ended.exit.code != 0 and not ended.is_timed_out:
            raise _not_started(verifier, f"{ended.complaint}.")
        return await self._result(verifier, ended, loop.time() - began_s)

    def _command(self, verifier: Verifier, site: Site, around: _Surroundings, tree: str) -> Command:
        shown = dict.fromkeys((*around.toolchain.paths, *site.read_only))
        sandbox = Sandbox(
            work=site.checkout,
            home=around.home,
            tmp=around.tmp,
            network="open" if verifier.network else "none",
            read_only_binds=tuple(Bind.at_same_path(path) for path in shown),
        )
        shell = ("/bin/sh", "-c", _START, verifier.argv[0], *verifier.argv)
        is_inside = self._fence.is_closed(site.sandbox)
        home, tmp = (HOME_DIR, TMP_DIR) if is_inside else (around.home, around.tmp)
        return Command(
            argv=self._fence.argv(site.sandbox, sandbox, shell),
            cwd=site.checkout,
            env={
                **site.extra_env,
                **around.toolchain.env,
                **_FIXED_ENV,
                "PATH": around.path_env,
                "HOME": str(home),
                "TMPDIR": str(tmp),
            },
            tree=tree,
        )

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


_FIXED_ENV = {
    "LANG": "C.UTF-8",
    "CI": "true",
    "NO_COLOR": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


def _prepare(verifiers: Sequence[Verifier], site: Site, place: Path) -> _Surroundings:
    """Directories and tools; blocks on the disk. Raises for a verifier without a program."""
    path_env = _absolute(site.path_env)
    for verifier in verifiers:
        program = verifier.argv[0]
        if "/" not in program and shutil.which(program, path=path_env) is None:
            raise _not_started(verifier, f"there is no {program} on the PATH {path_env!r}.")
    home, tmp = place / "home", place / "tmp"
    home.mkdir(mode=0o700, parents=True)
    tmp.mkdir(mode=0o700)
    toolchain = find_toolchain(path_env, [verifier.argv[0] for verifier in verifiers])
    return _Surroundings(home, tmp, path_env, toolchain)


def _absolute(path_env: str) -> str:
    """A PATH without the entries that mean the current directory: it is the repository's."""
    return os.pathsep.join(part for part in path_env.split(os.pathsep) if part.startswith("/"))


def _not_started(verifier: Verifier, why: str) -> EnvironmentProblemError:
    return EnvironmentProblemError(
        f"Verifier {verifier.name} ({' '.join(verifier.argv)}) cannot be started: {why}",
        hint="Install what is missing, or change `verifiers:` in the workflow.",
    )
