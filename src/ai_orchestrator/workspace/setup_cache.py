"""Gives a tree what `setup:` made in another one, instead of running the commands again.

`GitTaskTree` calls it in two places: before the commands, to restore, and after them, to keep. What
is kept was made before any agent ran: on the base of a task. It serves that base and what descends
from it, so that a branch of a stranger, whose files may turn an installer elsewhere, reaches no
task that does not start from it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from ai_orchestrator.base.errors import OrchestratorError, shorten
from ai_orchestrator.model.orders import SetupOrder, SetupResult
from ai_orchestrator.workspace.git import Call, Place, read_lines
from ai_orchestrator.workspace.installers import Manifest
from ai_orchestrator.workspace.setup_entries import SetupEntry, of_key
from ai_orchestrator.workspace.setup_key import (
    Circumstances,
    TreeFile,
    files_that_count,
    parse_blobs,
    parse_listing,
    setup_key,
    telling_files,
)
from ai_orchestrator.workspace.setup_tools import find_tools, furnished_state, machine
from ai_orchestrator.workspace.untracked import partition, without
from ai_orchestrator.workspace.work_tree import Ground, Home

log = logging.getLogger(__name__)
T = TypeVar("T")

_COPY_TIMEOUT_S = 900.0
"""As long as a checkout may take."""
_CANDIDATES = 16
"""A guess: so many bases with the same lock files are looked at."""
_STOP_TIMEOUT_S = 10.0
"""A copy looks between two files whether it is still wanted."""
_BLOB_LIMIT = 500
"""Manifests that are read to see whether sources take part; where there are more, they do."""


@dataclass(frozen=True, slots=True)
class SetupCache:
    """What is kept, as it is seen from one tree. `base`: where its task starts."""

    home: Home
    ground: Ground
    base: str

    async def restore(self, order: SetupOrder) -> SetupResult:
        """Whether the tree is set up now. Where it is not, it is as it was before any set-up.

        So a set-up that was interrupted leaves nothing for the next try. `trouble` is a sentence
        for people where something was kept and could not be used.
        """
        await self._sweep(order)
        key = ""
        try:
            key = await self._key(order)
            is_restored = await self._restore(key)
        except (OSError, OrchestratorError) as error:
            log.warning("%s: setup is not restored: %s", self.ground.tree, error)
            await self._sweep(order)
            trouble = f"setup: what was kept could not be restored ({_said(error)})."
            return SetupResult(key=key, trouble=trouble)
        return SetupResult(key=key, is_done=is_restored)

    async def keep(self, order: SetupOrder, key: str) -> SetupResult:
        """Whether what the commands made is kept now; `reason` says why not.

        The key is that of `restore`. To be called before an agent has run in the tree.
        """
        try:
            reason = await self._keep(order, key)
        except (OSError, OrchestratorError) as error:
            log.warning("%s: setup is not kept: %s", self.ground.tree, error)
            return SetupResult(key=key, trouble=f"setup: its result is not kept: {_said(error)}.")
        return SetupResult(key=key, is_done=not reason, reason=reason)

    async def _restore(self, key: str) -> bool:
        store = self.home.setups
        stored = await asyncio.to_thread(store.stored)
        for one in of_key(stored, key)[:_CANDIDATES]:
            restore = partial(store.restore, one.entry, self.ground.tree)
            if await self._descends_from(one.entry.commit) and await _in_thread(restore):
                return True
        return False

    async def _descends_from(self, commit: str) -> bool:
        if commit == self.base:
            return True
        call = Call(("merge-base", "--is-ancestor", commit, self.base))
        return (await self.home.git.ask(Place(self.ground.repository), call)).is_success

    async def _keep(self, order: SetupOrder, key: str) -> str:
        """Why nothing is kept; empty when it is."""
        if not key:
            return "what it depends on could not be read"
        if await self._key(order) != key:
            return "it changed what copy: brought"
        changed = await self._changed()
        if changed:
            return f"it changed {changed[0]}, which git tracks"
        paths = await self._made(order)
        if not paths:
            return "it left nothing in the tree"
        entry = SetupEntry(key, self.base, order.commands, files=0, size_bytes=0, disk_bytes=0)
        await _in_thread(partial(self.home.setups.keep, entry, self.ground.tree, paths))
        return ""

    async def _sweep(self, order: SetupOrder) -> None:
        """What git does not know is gone, but for what `copy:` and `link:` brought."""
        for path in await self._made(order):
            self.home.trash.discard(self.ground.tree / path)

    async def _made(self, order: SetupOrder) -> tuple[str, ...]:
        """Paths that git does not track, ignored or not, without what was furnished."""
        listed = await self._others("--directory")
        whole, mixed = partition(listed, order.furnished)
        if not mixed:
            return whole
        return (*whole, *without(await self._others("--", *mixed), order.furnished))

    async def _others(self, *arguments: str) -> list[str]:
        call = Call(("ls-files", "--others", "-z", *arguments))
        return read_lines(await self.home.git.expect(self._literal(), call))

    async def _changed(self) -> list[str]:
        """Tracked files that are not as in the commit, and submodules that were filled."""
        place = self._place()
        refresh = ("update-index", "-q", "--refresh", "--ignore-submodules")
        await self.home.git.ask(place, Call(refresh))
        call = Call(("diff-files", "--name-only", "--ignore-submodules=all", "-z"))
        changed = read_lines(await self.home.git.expect(place, call))
        modules = [file.path for file in await self._files() if file.is_submodule]
        return changed + [path for path in modules if _is_filled(self.ground.tree / path)]

    async def _key(self, order: SetupOrder) -> str:
        files = await self._files()
        manifests = await self._manifests(telling_files(order.commands, files, order.files))
        counted: Sequence[TreeFile] = files
        if manifests is not None:
            counted = files_that_count(order.commands, files, order.files, manifests)
        circumstances = await asyncio.to_thread(_circumstances, order, self.ground.tree)
        return await asyncio.to_thread(setup_key, circumstances, counted)

    async def _files(self) -> tuple[TreeFile, ...]:
        """What was checked out, by our index: the verifiers' tree may equal no commit."""
        call = Call(("ls-files", "--stage", "-z"))
        return parse_listing(await self.home.git.expect(self._place(), call))

    async def _manifests(self, files: Sequence[TreeFile]) -> list[Manifest] | None:
        """Their texts; None where they are too many to read."""
        if len(files) > _BLOB_LIMIT:
            return None
        if not files:
            return []
        wanted = "".join(f"{file.blob}\n" for file in files).encode()
        call = Call(("cat-file", "--batch"), wanted)
        output = await self.home.git.expect(Place(self.ground.repository), call)
        texts = parse_blobs(output)
        return [Manifest(file.path, text) for file, text in zip(files, texts, strict=True)]

    def _place(self) -> Place:
        return Place(self.ground.repository, self.ground.tree, self.ground.index)

    def _literal(self) -> Place:
        return replace(self._place(), variables={"GIT_LITERAL_PATHSPECS": "1"})


def _circumstances(order: SetupOrder, tree: Path) -> Circumstances:
    return Circumstances(
        commands=order.commands,
        seen_at=order.seen_at,
        machine=machine(),
        tools=find_tools(order.path_env, order.commands),
        furnished=furnished_state(tree, order.furnished),
    )


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _said(error: OSError | OrchestratorError) -> str:
    """What went wrong, as a part of a sentence."""
    if isinstance(error, TimeoutError):
        return f"the disk did not do it in {_COPY_TIMEOUT_S:g} s"
    return shorten(str(error)).rstrip(".")


async def _in_thread(work: Callable[[threading.Event], T]) -> T:
    """What the work returns. When nobody waits for it any more it is told to stop, and has ended.

    Raises `TimeoutError`.
    """
    stop = threading.Event()
    future = asyncio.get_running_loop().run_in_executor(None, work, stop)
    try:
        async with asyncio.timeout(_COPY_TIMEOUT_S):
            return await asyncio.shield(future)
    finally:
        stop.set()
        if not future.done():
            future.add_done_callback(_forget)
            await asyncio.wait([future], timeout=_STOP_TIMEOUT_S)


def _forget(future: asyncio.Future[T]) -> None:
    """Nobody is left to hear what the copy that was given up raises."""
    if not future.cancelled():
        future.exception()
