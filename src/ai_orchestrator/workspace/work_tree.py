"""One checkout with our index of it: made, recorded, moved to another commit.

`GitTaskTree` has two of them, the agent's and the verifiers'. Whoever calls owns the task, so a
lock file found here is what a killed git left behind.
"""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path

from ai_orchestrator.base.beside import together
from ai_orchestrator.workspace.chains import moving, recording, stepping
from ai_orchestrator.workspace.diff import GITLINK_MODE
from ai_orchestrator.workspace.disk import require_free
from ai_orchestrator.workspace.git import (
    CHECKOUT_TIMEOUT_S,
    Answer,
    Call,
    Chain,
    GitTimeoutError,
    Place,
    failure,
    read_lines,
)
from ai_orchestrator.workspace.git_client import GitClient
from ai_orchestrator.workspace.hidden import discard_hidden
from ai_orchestrator.workspace.layout import AttemptLayout
from ai_orchestrator.workspace.mirror import Mirror
from ai_orchestrator.workspace.removal import Trash
from ai_orchestrator.workspace.repair import (
    UnrecordableTreeError,
    is_folder,
    make_accessible,
    strip_repositories,
)
from ai_orchestrator.workspace.setup_store import SetupStore

log = logging.getLogger(__name__)

_REPAIRS = 2
"""The second was never needed in a test."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a work tree lies; all in one directory of ours, which no sandbox shows."""

    repository: Path
    tree: Path
    index: Path

    @property
    def marker(self) -> Path:
        """Exists when the tree has been checked out whole at least once."""
        return self.index.with_name(f"{self.index.name}.made")

    @property
    def ready_marker(self) -> Path:
        """Exists when the checkout has also been furnished and set up."""
        return self.index.with_name(f"{self.index.name}.ready")

    @property
    def lock(self) -> Path:
        """Git's lock on the index."""
        return self.index.with_name(f"{self.index.name}.lock")


@dataclass(frozen=True, slots=True)
class Home:
    """What a task tree stands on."""

    layout: AttemptLayout
    mirror: Mirror
    git: GitClient
    trash: Trash
    setups: SetupStore
    hang_s: float
    """When recording the agent's tree is taken to hang on something strange in it."""


class WorkTree:
    """A checkout. One call at a time."""

    def __init__(self, home: Home, ground: Ground, base: str) -> None:
        self.ground = ground
        self._git = home.git
        self._trash = home.trash
        self._hang_s = home.hang_s
        self._base = base
        self._place = Place(ground.repository, ground.tree, ground.index)
        self._known_links: set[str] | None = None

    @property
    def is_made(self) -> bool:
        """It was once whole, and its top is still a folder."""
        return self.ground.marker.exists() and is_folder(self.ground.tree)

    @property
    def is_ready(self) -> bool:
        """It has what it was once furnished with and set up by: see `mark_ready`."""
        return self.is_made and self.ground.ready_marker.exists()

    def mark_ready(self) -> None:
        """The checkout was furnished and set up. Holds as long as it is the same one."""
        self.ground.ready_marker.touch()

    def require_made(self) -> None:
        """Raise `UnrecordableTreeError` where no folder is: a link could lead anywhere."""
        if not self.is_made:
            raise UnrecordableTreeError(
                f"{self.ground.tree} is no longer the folder in which the agent worked."
            )

    async def make(self, commit: str) -> None:
        """A fresh checkout, whatever was there. Raises `DiskFullError` before it begins."""
        await self._require_room(commit)
        self.forget()
        self.ground.tree.mkdir(parents=True)
        await self._git.expect(self._place, _checkout(commit))
        await self.settle()

    async def settle(self) -> None:
        """Switch the untracked cache on for this place, and call the checkout whole."""
        # --untracked-cache would test the file system for 6 s before it does the same.
        await self._git.output(
            self._place, "update-index", "--index-version", "4", "--force-untracked-cache"
        )
        self.ground.marker.touch()

    def forget(self) -> None:
        """Nothing is left of the checkout; what it held goes to the trash."""
        self.ground.ready_marker.unlink(missing_ok=True)
        self.ground.marker.unlink(missing_ok=True)
        self._trash.discard(self.ground.tree)
        self.ground.index.unlink(missing_ok=True)
        self._unlock()

    async def record(self) -> str:
        """The id of a git tree that equals the checkout, ignored files left out.

        Raises `UnrecordableTreeError` when what an agent left cannot be recorded.
        """
        self.require_made()
        answer = await self._try(replace(recording(), timeout_s=self._hang_s))
        for _ in range(_REPAIRS):
            if answer.is_success:
                return answer.stdout.decode().strip()
            await self._repair(answer)
            self.require_made()
        answer = await self._try(replace(recording(), timeout_s=CHECKOUT_TIMEOUT_S))
        if answer.is_success:
            return answer.stdout.decode().strip()
        return await self._record_in_spite()

    async def record_step(
        self, parent: str, old_tree: str, message: str
    ) -> tuple[str, str, bytes] | None:
        """Tree, commit and the printed difference of the step that the checkout holds.

        The commit is the parent where nothing changed; no ref names a new one yet. None when
        something is unusual: then no commit is told, and `record` must be asked.
        """
        self.require_made()
        chain = stepping(parent, old_tree, message.encode(errors="backslashreplace"))
        answer = await self._try(replace(chain, timeout_s=self._hang_s))
        if not answer.is_success or answer.is_truncated:
            return None
        tree, rest = answer.stdout.split(b"\n", 1)
        commit = rest[-len(tree) - 1 : -1]
        return tree.decode(), commit.decode(), rest[: -len(tree) - 1]

    async def move_to(self, treeish: str, *, keep_ignored: bool) -> None:
        """The checkout equals a commit or tree; what git does not know is gone.

        Without ignored files it holds nothing else at all, also of what git never looks at.
        A checkout that resists is thrown away and made anew.
        """
        self._unlock()
        try:
            if await self._try_move(treeish, keep_ignored=keep_ignored):
                return
            await asyncio.to_thread(make_accessible, self.ground.tree)
            if await self._try_move(treeish, keep_ignored=keep_ignored):
                return
        except (UnrecordableTreeError, GitTimeoutError) as error:
            log.warning("%s is made anew: %s", self.ground.tree, error)
        await self.make(treeish)

    async def _try_move(self, treeish: str, *, keep_ignored: bool) -> bool:
        """Whether it went without a word."""
        move = self._git.ask(self._place, moving(treeish, keep_ignored=keep_ignored))
        if keep_ignored:
            return _is_quiet(await move)
        answer, links = await together(move, self._links_of_base())
        if not _is_quiet(answer):
            return False
        hidden = await asyncio.to_thread(
            discard_hidden, self.ground.tree, sorted(links), self._trash
        )
        if hidden:
            log.warning("removed what git does not see in %s: %s", self.ground.tree, hidden[:20])
        return True

    async def _try(self, chain: Chain) -> Answer:
        """The answer; one that hung on something strange counts as a failure."""
        self._unlock()
        try:
            return await self._git.ask(self._place, chain)
        except GitTimeoutError as error:
            self._unlock()
            return Answer(-1, b"", str(error).encode(), is_truncated=False)

    async def _record_in_spite(self) -> str:
        """After the repairs a warning is only a warning, but a failure is one."""
        call = Call(("add", "--all"), timeout_s=CHECKOUT_TIMEOUT_S)
        answer = await self._git.ask(self._place, call)
        foreign = await self._links_of_index() - await self._links_of_base()
        if foreign or not answer.is_success:
            raise UnrecordableTreeError(
                f"The files in {self.ground.tree} cannot be recorded: {answer.complaint}",
                hint="Retry the step; the agent's output says what it did.",
            )
        log.warning("recorded %s in spite of: %s", self.ground.tree, answer.complaint)
        return await self._git.word(self._place, "write-tree")

    async def _repair(self, answer: Answer) -> None:
        log.warning("repairing %s: %s", self.ground.tree, answer.complaint)
        await asyncio.to_thread(make_accessible, self.ground.tree)
        known = await self._links_of_base()
        listed = await self._links_of_index()
        foreign = sorted(listed - known)
        if foreign:
            names = b"\0".join(os.fsencode(path) for path in foreign)
            await self._git.output(
                self._place, "update-index", "-z", "--force-remove", "--stdin", stdin=names
            )
        folders = sorted(known | set(foreign) | await self._unknown_repositories())
        stripped = await asyncio.to_thread(
            strip_repositories, self.ground.tree, folders, self._trash
        )
        if stripped:
            log.warning("removed repositories within %s: %s", self.ground.tree, stripped[:20])

    async def _links_of_base(self) -> set[str]:
        """Submodules that the work started with; any other link to a commit is the agent's.

        So no commit that is recorded has other ones.
        """
        if self._known_links is None:
            listing = await self._git.output(self._place, "ls-tree", "-r", "-z", self._base)
            self._known_links = _gitlinks(listing)
        return self._known_links

    async def _links_of_index(self) -> set[str]:
        """Links in our index; an index that cannot be read is made anew without stat data."""
        call = Call(("ls-files", "--stage", "-z"))
        answer = await self._git.ask(self._place, call)
        if answer.is_success:
            return _gitlinks(answer.stdout)
        log.warning("%s is made anew: %s", self.ground.index, answer.complaint)
        self.ground.index.unlink(missing_ok=True)
        await self._git.output(self._place, "read-tree", self._base)
        return _gitlinks(await self._git.expect(self._place, call))

    async def _unknown_repositories(self) -> set[str]:
        """Git lists a repository that it does not know as a folder, with a slash at the end."""
        call = Call(("ls-files", "--others", "--exclude-standard", "-z"))
        paths = read_lines(await self._git.expect(self._place, call))
        return {path for path in paths if path.endswith("/")}

    async def _require_room(self, commit: str) -> None:
        call = Call(("ls-tree", "-r", "-l", "-z", commit))
        answer = await self._git.ask(Place(self.ground.repository), call)
        if not answer.is_success:
            raise failure(call, self._place, answer)
        await asyncio.to_thread(require_free, self.ground.tree, listed_bytes(answer.stdout))

    def _unlock(self) -> None:
        self.ground.lock.unlink(missing_ok=True)


def _is_quiet(answer: Answer) -> bool:
    """Git did it without a word: it only warns about what it cannot remove."""
    return answer.is_success and not answer.stderr


def listed_bytes(listing: bytes) -> int:
    """Bytes of all files in the output of `ls-tree -r -l -z`."""
    sizes = (record.split(b"\t", 1)[0].rsplit(b" ", 1)[-1] for record in listing.split(b"\0"))
    return sum(int(size) for size in sizes if size.isdigit())


def _gitlinks(listing: bytes) -> set[str]:
    """Paths of links to commits in the output of `ls-tree -z` or `ls-files --stage -z`."""
    records = [record.partition("\t") for record in read_lines(listing)]
    return {path for head, _, path in records if head.startswith(GITLINK_MODE)}


def _checkout(treeish: str) -> Call:
    arguments = ("read-tree", "--reset", "-u", "--no-recurse-submodules", treeish)
    return Call(arguments, timeout_s=CHECKOUT_TIMEOUT_S)
