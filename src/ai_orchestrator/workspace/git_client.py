"""Running git: each call in a process tree of its own, within its deadline."""

from __future__ import annotations

import itertools
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from ai_orchestrator.base.errors import EnvironmentProblemError, InternalError
from ai_orchestrator.base.process import Command, Completed, Spawner, run
from ai_orchestrator.workspace.git import (
    Answer,
    Call,
    Chain,
    GitFailedError,
    GitTimeoutError,
    Place,
    argv,
    as_order,
    clean_environment,
    described,
    failure,
    fits_an_order,
    purpose,
    serious,
    shell_argv,
    users_environment,
)
from ai_orchestrator.workspace.standing_shells import (
    LIMIT_ORDER_BYTES,
    SCRIPT,
    Seat,
    StandingShells,
)

OLDEST = (2, 34)
"""Of 2021: the oldest in a distribution that still gets updates. Several options need 2.30."""


def parse_version(text: str) -> tuple[int, int]:
    """Major and minor version in the output of `git version`."""
    found = re.search(r"(\d+)\.(\d+)", text)
    if found is None:
        raise EnvironmentProblemError(f"`git version` says {text[:100]!r}.")
    return int(found[1]), int(found[2])


def find_git(path_env: str) -> Path:
    """The git program on a PATH. Raises `EnvironmentProblemError` where there is none."""
    found = shutil.which("git", path=path_env)
    if found is None:
        raise EnvironmentProblemError(
            f"git was not found on PATH ({path_env or 'empty'}).", hint="Install git 2.34 or newer."
        )
    return Path(found).resolve()


class GitClient:
    """Runs git. Safe to use from any number of coroutines at once.

    `has_standing_shells` (of a guarded spawner only): chains need no process tree of their own.
    `user_environment`, given by the command line only, is what calls on the user's own repository
    run with: `apply` needs the user's name and Git LFS. Without it they run clean as well.
    """

    def __init__(
        self,
        spawner: Spawner,
        *,
        path_env: str,
        user_environment: Mapping[str, str] | None = None,
        has_standing_shells: bool = False,
    ) -> None:
        self._spawner = spawner
        self._program = find_git(path_env)
        self._path_env = path_env
        self._user_environment = user_environment
        self._is_checked = False
        self._token = secrets.token_hex(4)
        self._counter = itertools.count(1)
        self._shells = self._new_shells() if has_standing_shells else None

    async def require_version(self) -> None:
        """Raise `EnvironmentProblemError` for a git that is too old; asks only once."""
        if self._is_checked:
            return
        said = (await self.expect(Place(None), Call(("version",), cwd=Path("/")))).decode()
        if parse_version(said) < OLDEST:
            raise EnvironmentProblemError(
                f"{self._program} says {said.strip()!r}.",
                hint=f"Install git {'.'.join(map(str, OLDEST))} or newer.",
            )
        self._is_checked = True

    async def output(self, place: Place, *arguments: str, stdin: bytes = b"") -> bytes:
        """Standard output of a short local call, which must succeed and fit the limit."""
        return await self.expect(place, Call(arguments, stdin))

    async def word(self, place: Place, *arguments: str, stdin: bytes = b"") -> str:
        """The same as text without the line's end: an id, a name."""
        return (await self.output(place, *arguments, stdin=stdin)).decode().strip()

    async def expect(self, place: Place, call: Call | Chain) -> bytes:
        """Standard output; raises `GitFailedError` for a failure or output beyond the limit."""
        answer = await self.ask(place, call)
        if not answer.is_success:
            raise failure(call, place, answer)
        if answer.is_truncated:
            raise GitFailedError(
                f"{described(call, place)} printed more than {call.limit_bytes} bytes."
            )
        return answer.stdout

    async def ask(self, place: Place, call: Call | Chain) -> Answer:
        """What git answered, whatever its status.

        Raises `DiskFullError`, `GitTimeoutError`, and `GitFailedError` where a signal ended git.
        """
        completed = await self._completed(place, call)
        if completed.is_timed_out:
            raise GitTimeoutError(
                f"{described(call, place)} did not end within "
                f"{call.timeout_s:g} s and was stopped.",
                delay_s=5.0,
            )
        answer = Answer(
            code=-1 if completed.exit.code is None else completed.exit.code,
            stdout=completed.stdout,
            stderr=completed.stderr,
            is_truncated=completed.is_truncated,
        )
        error = None if answer.is_success else serious(call, place, answer)
        if error is not None:
            raise error
        return answer

    async def _completed(self, place: Place, call: Call | Chain) -> Completed:
        if self._shells is not None and isinstance(call, Chain) and fits_an_order(place, call):
            order = as_order(place, call)
            if len(order) <= LIMIT_ORDER_BYTES:
                done = await self._shells.run(
                    order, timeout_s=call.timeout_s, limit_bytes=call.limit_bytes
                )
                if done is not None:
                    return done
        return await run(
            self._spawner,
            self._command(place, call),
            timeout_s=call.timeout_s,
            limit_bytes=call.limit_bytes,
        )

    def _new_shells(self) -> StandingShells:
        seat = Seat(shell_argv(self._program, SCRIPT), clean_environment())
        return StandingShells(self._spawner, seat, lambda: self._new_name("chain"))

    def _new_name(self, what: str) -> str:
        return f"git-{self._token}-{what}-{next(self._counter)}"

    def _command(self, place: Place, call: Call | Chain) -> Command:
        return Command(
            argv=argv(self._program, place, call),
            cwd=_directory(place, call),
            env=self._environment(place, call),
            tree=self._new_name(purpose(call)),
            stdin=call.stdin,
        )

    def _environment(self, place: Place, call: Call | Chain) -> dict[str, str]:
        if not place.is_ours and self._user_environment is not None:
            return users_environment(self._user_environment) | place.environment()
        environment = clean_environment() | place.environment()
        if isinstance(call, Chain):
            return environment | dict(call.variables)
        if call.may_start_programs:
            environment["PATH"] = self._path_env
            del environment["GIT_EXEC_PATH"]
        return environment


def _directory(place: Place, call: Call | Chain) -> Path:
    asked = call.cwd if isinstance(call, Call) else None
    directory = asked or place.git_dir
    if directory is None:
        raise InternalError(f"`git {purpose(call)}` was given no place to work in")
    return directory
