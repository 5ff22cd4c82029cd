"""A command that a guardian runs, as its caller sees it.

Made by `GuardedSpawner.start`; the words in which a lost or stuck tree is reported stand here too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import assert_never

from ai_orchestrator.base import guardian_wire as wire
from ai_orchestrator.base.command import Command, Exit, GuardianLostError, StuckTreeError
from ai_orchestrator.base.errors import InternalError
from ai_orchestrator.base.guardian_link import ENDING_LIMIT_S, Ended, Failed, Lost, TreeLink
from ai_orchestrator.base.pipes import Streams


class GuardedProcess:
    """A running command; usable from any loop, also from several at once."""

    def __init__(self, pid: int, tree: TreeLink, streams: Streams) -> None:
        self._pid = pid
        self._tree = tree
        self._streams = streams

    @property
    def pid(self) -> int:
        """Process id of the first process of the tree."""
        return self._pid

    def stdout(self) -> AsyncIterator[bytes]:
        """Chunks of standard output as they come, until end of file. To be iterated once."""
        return self._streams.stdout.chunks()

    def stderr(self) -> AsyncIterator[bytes]:
        """Chunks of standard error as they come, until end of file. To be iterated once."""
        return self._streams.stderr.chunks()

    async def wait(self) -> Exit:
        """How the command ended; by then no process of its tree is left.

        Raises `GuardianLostError`, `StuckTreeError`.
        """
        end = await asyncio.wrap_future(self._tree.ended)
        match end:
            case Ended(survivors=survivors) if survivors:
                raise stuck(self._tree.name, f"{survivors} processes outlived SIGKILL")
            case Ended(is_ownerless=True):
                raise guardian_lost(self._tree.name, "it was killed, or heard nothing from here")
            case Ended(status=status, leftovers=leftovers):
                return Exit.of_returncode(os.waitstatus_to_exitcode(status), leftovers)
            case Lost(why):
                raise guardian_lost(self._tree.name, why)
            case Failed():
                raise InternalError(f"tree {self._tree.name!r} started and yet did not start")
            case _:
                assert_never(end)

    async def stop(self, grace_s: float) -> Exit:
        """TERM to the whole tree, KILL to what is left after `grace_s`, reaped. Idempotent."""
        self._tree.ask_to_stop(grace_s)
        try:
            async with asyncio.timeout(grace_s + ENDING_LIMIT_S):
                return await self.wait()
        except TimeoutError as error:
            self._tree.disown()
            raise stuck(self._tree.name, "its keeper does not answer") from error


def encoded(command: Command, token: str) -> wire.Request:
    """`command` as the guardian takes it; `token` makes the tree's mark unique on the machine."""
    return wire.Request(
        tree=f"{token}/{command.tree}".encode(),
        cwd=os.fsencode(command.cwd),
        argv=[os.fsencode(text) for text in command.argv],
        env={os.fsencode(name): os.fsencode(value) for name, value in command.env.items()},
        numbers=[0, 1, 2, *command.pass_fds],
    )


def guardian_lost(tree: str, why: str) -> GuardianLostError:
    """The error for a tree whose guardian or keeper ended before it did."""
    return GuardianLostError(
        f"tree {tree!r} was ended because its guardian was lost: {why or 'it said nothing'}.",
        delay_s=0.0,
        hint="Nothing of it is running; starting it again starts a new guardian.",
    )


def stuck(tree: str, why: str) -> StuckTreeError:
    """The error for a tree that could not be ended."""
    return StuckTreeError(
        f"tree {tree!r} could not be ended: {why}.",
        hint="Look for processes in state D (a dead mount) or of another user, and end them.",
    )
