"""The trees and the repository of one task attempt: what the workflow knows as `TaskTree`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ai_orchestrator.base.beside import Gate, always_open, together
from ai_orchestrator.base.errors import ConflictError, InternalError
from ai_orchestrator.model.orders import AttemptPaths, SetupOrder, SetupResult, StepCommit
from ai_orchestrator.model.task import Diff
from ai_orchestrator.model.workflow import EnvironmentSpec
from ai_orchestrator.workspace import agent_git
from ai_orchestrator.workspace.diff import Totals, parse_changes, read_changes, read_diff, totals
from ai_orchestrator.workspace.disk import full_disk_explained
from ai_orchestrator.workspace.environment import Furnished
from ai_orchestrator.workspace.furnishing import furnish
from ai_orchestrator.workspace.git import CHECKOUT_TIMEOUT_S, Call, Place, check_commit, failure
from ai_orchestrator.workspace.layout import AttemptLayout
from ai_orchestrator.workspace.loose_ref import set_ref
from ai_orchestrator.workspace.mirror import EMPTY_ROOT
from ai_orchestrator.workspace.overlay import checked_path, compose
from ai_orchestrator.workspace.pool import TreePool
from ai_orchestrator.workspace.repair import UnrecordableTreeError
from ai_orchestrator.workspace.setup_cache import SetupCache
from ai_orchestrator.workspace.work_tree import Ground, Home, WorkTree

_PATCH = ("diff-tree", "-r", "-p", "-M", "--full-index", "--no-ext-diff", "--no-textconv")
_FILE_KINDS = (b"100", b"120")
"""Beginnings of the modes of files and of links; others are submodules and folders."""


class GitTaskTree:
    """Fits `workflows.running.ports.TaskTree`. Reading methods may run beside any other."""

    def __init__(self, home: Home, base: str) -> None:
        self._layout = home.layout
        self._home = home
        self.mirror = home.mirror
        self._git = home.git
        self._trash = home.trash
        self._base = check_commit(base)
        self._place = Place(home.layout.repository)
        self.tree = WorkTree(home, _ground(home.layout), base)
        self._clean = WorkTree(home, _clean_ground(home.layout), base)
        self._tree_lock = asyncio.Lock()
        self._clean_lock = asyncio.Lock()
        self._tree_ids: dict[str, str] = {}

    @property
    def work(self) -> Path:
        """The agent's tree on the host."""
        return self._layout.tree

    @property
    def repository(self) -> Path:
        """The task's own bare repository."""
        return self._layout.repository

    @property
    def base(self) -> str:
        """The commit that the task attempt started from."""
        return self._base

    def attempt_paths(
        self, step_key_tree: str, *, role: str, agent: str, account: str | None
    ) -> AttemptPaths:
        """HOME, TMPDIR and the conversation directory, made where missing."""
        attempt = self._layout.attempt(step_key_tree)
        paths = AttemptPaths(
            work=self.work,
            home=attempt / "home",
            tmp=attempt / "tmp",
            conversation=self._layout.conversation(role, agent, account),
            read_only=(*self._objects(), *self._linked()),
        )
        with full_disk_explained(attempt):
            for directory in (paths.home, paths.tmp, paths.conversation):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return paths

    def discard_attempt(self, step_key_tree: str) -> None:
        """HOME and TMPDIR of an attempt are gone; the conversation stays."""
        self._trash.discard(self._layout.attempt(step_key_tree))

    async def start_from(self, commit: str) -> bool:
        """Whether the tree is ready, as `mark_ready` said of it; it equals the commit now.

        Ignored files stay, untracked ones go. One that was made anew lacks what it was given.
        """
        async with self._tree_lock:
            if not self.tree.is_made:
                await self.tree.make(check_commit(commit))
            elif not await self._equals(commit):
                await self.tree.move_to(commit, keep_ignored=True)
            return self.tree.is_ready

    @property
    def is_ready(self) -> bool:
        """It is the tree of which `mark_ready` said so."""
        return self.tree.is_ready

    def mark_ready(self) -> None:
        """The tree has what `environment` and `setup:` give it, as long as it is the same one."""
        self.tree.mark_ready()

    async def is_at(self, commit: str) -> bool:
        """The tree equals the commit, untracked files included."""
        async with self._tree_lock:
            return self.tree.is_made and await self._equals(commit)

    async def lend_git(self, commit: str) -> None:
        """The tree has a fresh disposable `.git` at the commit; needs a tree that was made."""
        exclude = self.repository / "info/exclude"
        loan = agent_git.Loan(
            commit=check_commit(commit),
            index=self._layout.index,
            objects=self._objects(),
            shallow=self.mirror.shallow(),
            exclude=exclude.read_bytes(),
        )
        async with self._tree_lock:
            self.tree.require_made()
            staging = self._layout.directory / "git.half"
            with full_disk_explained(staging):
                await asyncio.to_thread(agent_git.lend, self.work, loan, staging, self._trash)

    async def commit(
        self, ref: str, parent: str, message: str, gate: Gate = always_open
    ) -> StepCommit:
        """The tree as it is, recorded under the ref; parent itself when nothing changed.

        A second call finds what the first one made, unless the tree has changed in between. The
        ref is set when `gate` has returned, which is awaited while files are read, at least once.
        """
        async with self._tree_lock:
            old_tree = await self._tree_of(parent)
            if not (self.repository / ref).exists():
                recording = self.tree.record_step(parent, old_tree, message)
                done, _ = await together(recording, gate())
                if done is not None:
                    return await self._step(ref, parent, *done)
            await gate()
            tree = await self.tree.record()
        return await self._commit_recorded(ref, parent, tree, message)

    async def _step(
        self, ref: str, parent: str, tree: str, commit: str, difference: bytes
    ) -> StepCommit:
        self._tree_ids[commit] = tree
        await self.point(ref, commit)
        if commit == parent:
            return StepCommit(commit, tree, is_changed=False)
        return _step_commit(commit, tree, totals(parse_changes(difference)))

    async def _commit_recorded(self, ref: str, parent: str, tree: str, message: str) -> StepCommit:
        """The long way: after a repair, or where an interrupted call may have done it already."""
        old_tree = await self._tree_of(parent)
        if tree == old_tree:
            await self.point(ref, parent)
            return StepCommit(parent, tree, is_changed=False)
        commit = await self._made_before(ref, parent, tree)
        if commit is None:
            text = message.encode(errors="backslashreplace")
            call = ("commit-tree", tree, "-p", parent)
            commit = await self._git.word(self._place, *call, stdin=text)
            await self.point(ref, commit)
        return _step_commit(commit, tree, await self._totals(old_tree, tree))

    async def find(self, ref: str, parent: str | None = None) -> StepCommit | None:
        """The commit under a ref; with a parent `is_changed` tells whether it differs from it."""
        wanted = [f"{ref}^{{commit}}", f"{ref}^{{tree}}"]
        wanted += [] if parent is None else [f"{check_commit(parent)}^{{tree}}"]
        commit, tree, *old = await self._ids(wanted)
        if commit is None or tree is None:
            return None
        if not old or old[0] == tree:
            return StepCommit(commit, tree, is_changed=False)
        if old[0] is None:
            raise InternalError(f"{self.repository} has no commit {parent}")
        return _step_commit(commit, tree, await self._totals(old[0], tree))

    async def point(self, ref: str, commit: str) -> None:
        """The ref names the commit. Raises `GitFailedError` for one that the repository lacks."""
        await self._tree_of(commit)
        await asyncio.to_thread(set_ref, self.repository, ref, commit)

    async def tree_of(self, commit: str) -> str:
        """The tree id of a commit."""
        return await self._tree_of(commit)

    async def parent(self, commit: str) -> str | None:
        """The commit's first parent, None for a root."""
        line = await self._git.word(
            self._place, "rev-list", "--parents", "-n1", check_commit(commit)
        )
        _, *parents = line.split()
        return parents[0] if parents else None

    async def list_files(self, commit: str) -> tuple[str, ...]:
        """Paths of all files of a commit, as git names them."""
        arguments = ("ls-tree", "-r", "-z", "--name-only", "--full-tree", check_commit(commit))
        output = await self._git.output(self._place, *arguments)
        return tuple(os.fsdecode(name) for name in output.split(b"\0")[:-1])

    async def diff(self, base: str, commit: str) -> Diff:
        """Files and stat between two commits."""
        return await read_diff(self._git, self._place, check_commit(base), check_commit(commit))

    async def patch(self, base: str, commit: str, *, limit_bytes: int) -> tuple[bytes, bool]:
        """The patch for reading, and whether it was cut at the limit."""
        arguments = (*_PATCH, check_commit(base), check_commit(commit))
        call = Call(arguments, limit_bytes=limit_bytes)
        answer = await self._git.ask(self._place, call)
        if not answer.is_success:
            raise failure(call, self._place, answer)
        return answer.stdout, answer.is_truncated

    async def write_patch(self, base: str, commit: str, target: Path) -> None:
        """The whole patch at `target`, for `git apply`: binary files included."""
        options = (*_PATCH, "--binary", _output(target))
        whole = (*options, check_commit(base), check_commit(commit))
        await self._git.expect(self._place, Call(whole, timeout_s=CHECKOUT_TIMEOUT_S))

    async def clean_checkout(self, commit: str, *, base_paths: Sequence[str] = ()) -> Path:
        """A second tree that equals the commit, with `base_paths` as they are in the base.

        What stood there before is gone, ignored files too. A base path that the base does not
        have is absent.
        """
        async with self._clean_lock:
            treeish = check_commit(commit)
            if base_paths:
                treeish = await compose(self._git, self._place, commit, self._base, base_paths)
            if self._clean.is_made:
                self._trash.discard(self._layout.clean_tree / ".git")
                await self._clean.move_to(treeish, keep_ignored=False)
            else:
                await self._clean.make(treeish)
        return self._layout.clean_tree

    async def furnish(
        self,
        checkout: Path,
        spec: EnvironmentSpec,
        *,
        which: Literal["work", "clean"] = "work",
    ) -> Furnished:
        """A tree has what `copy:` and `link:` name in the user's checkout. Raises `BadInputError`.

        What is linked is among `read_only` of later `attempt_paths`. The verifiers' tree loses it
        at each `clean_checkout`.
        """
        tree, lock = (
            (self.tree, self._tree_lock) if which == "work" else (self._clean, self._clean_lock)
        )
        async with lock:
            tree.require_made()
            return await furnish(self._home, tree.ground, checkout, spec)

    async def restore_setup(self, order: SetupOrder) -> SetupResult:
        """Whether a tree is set up by what was kept; if not, it is as before any set-up."""
        async with self._lock_of(order):
            return await self._setups(order).restore(order)

    async def keep_setup(self, order: SetupOrder, key: str) -> SetupResult:
        """Whether what the commands made is kept. For a tree in which no agent has run yet."""
        async with self._lock_of(order):
            return await self._setups(order).keep(order, key)

    def _lock_of(self, order: SetupOrder) -> asyncio.Lock:
        return self._tree_lock if order.which == "work" else self._clean_lock

    def _setups(self, order: SetupOrder) -> SetupCache:
        tree = self.tree if order.which == "work" else self._clean
        tree.require_made()
        return SetupCache(self._home, tree.ground, self._base)

    async def read_file(self, commit: str, path: str) -> bytes | None:
        """A file's content in a commit, a link's target; None for a folder or nothing."""
        wanted = checked_path(path)
        place = Place(self.repository, variables={"GIT_LITERAL_PATHSPECS": "1"})
        listing = ("ls-tree", "-z", "--full-tree", check_commit(commit), "--", wanted)
        for record in (await self._git.output(place, *listing)).split(b"\0")[:-1]:
            head, _, name = record.partition(b"\t")
            if name == os.fsencode(wanted) and head.startswith(_FILE_KINDS):
                return await self._git.output(
                    self._place, "cat-file", "blob", head.split()[2].decode()
                )
        return None

    async def bundle(self, ref: str, target: Path, *, is_whole: bool = False) -> None:
        """A git bundle at `target` with the commit of a ref, from what the source has on.

        With `is_whole` the whole history, for who has none of it. Raises `ConflictError` where the
        source has it all, or where there is no whole history to give.
        """
        if is_whole and self.mirror.shallow():
            raise ConflictError(
                "the repository that the task started from is a shallow clone, so there is no "
                "whole history for a new repository.",
                hint="Apply it there, or in another clone by --repo PATH.",
            )
        excluded = [] if is_whole else await self._known_to_source()
        revisions = (ref, *(f"^{commit}" for commit in excluded))
        counted = await self._git.word(self._place, "rev-list", "--count", *revisions)
        if counted == "0":
            raise ConflictError(f"{ref} has nothing that the source does not have.")
        half = target.with_name(f"{target.name}.half")
        call = Call(
            ("bundle", "create", "--quiet", str(half), *revisions),
            may_start_programs=True,
            timeout_s=CHECKOUT_TIMEOUT_S,
        )
        await self._git.expect(self._place, call)
        half.replace(target)

    async def release(self, pool: TreePool) -> None:
        """The checkouts are gone: the agent's to the pool, the verifiers' for good."""
        async with self._tree_lock, self._clean_lock:
            self._clean.forget()
            await pool.give(self.tree, self._base)
            self._trash.discard(self._layout.attempts)

    async def _known_to_source(self) -> list[str]:
        """The user's repository has the base, or what lies under our snapshot of its changes."""
        if not self.mirror.is_snapshot(self._base):
            return [] if self._base == EMPTY_ROOT else [self._base]
        line = await self._git.word(self._place, "rev-list", "--parents", "-n1", self._base)
        return [parent for parent in line.split()[1:] if parent != EMPTY_ROOT]

    async def _equals(self, commit: str) -> bool:
        try:
            tree, wanted = await together(self.tree.record(), self._tree_of(commit))
        except UnrecordableTreeError:
            return False
        return tree == wanted

    async def _made_before(self, ref: str, parent: str, tree: str) -> str | None:
        """The commit that an interrupted call made of the same tree and parent."""
        if not (self.repository / ref).exists():
            return None
        commit, old_tree, old_parent, *_ = await self._ids([ref, f"{ref}^{{tree}}", f"{ref}^"])
        return commit if (old_tree, old_parent) == (tree, parent) else None

    async def _totals(self, base: str, other: str) -> Totals:
        return totals(await read_changes(self._git, self._place, base, other))

    async def _tree_of(self, commit: str) -> str:
        known = self._tree_ids.get(commit)
        if known is None:
            name = f"{check_commit(commit)}^{{tree}}"
            known = await self._git.word(self._place, "rev-parse", "--verify", name)
            self._tree_ids[commit] = known
        return known

    async def _ids(self, names: Sequence[str]) -> list[str | None]:
        """Object ids of revisions in one call, None for what does not exist."""
        stdin = "".join(f"{name}\n" for name in names).encode()
        output = await self._git.output(
            self._place, "cat-file", "--batch-check=%(objectname)", stdin=stdin
        )
        lines = output.decode().splitlines()
        return [None if line.endswith(" missing") else line for line in lines]

    def _objects(self) -> tuple[Path, ...]:
        return (*self.mirror.borrowed(self._base), self.repository / "objects")

    def _linked(self) -> tuple[Path, ...]:
        if not self._layout.links.exists():
            return ()
        lines = self._layout.links.read_bytes().split(b"\0")
        return tuple(Path(os.fsdecode(line)) for line in lines if line)


def _output(target: Path) -> str:
    """Git works in another directory than we do."""
    return f"--output={target.absolute()}"


def _step_commit(commit: str, tree: str, numbers: Totals) -> StepCommit:
    return StepCommit(
        commit=commit,
        tree=tree,
        is_changed=True,
        files=numbers.files,
        insertions=numbers.insertions,
        deletions=numbers.deletions,
    )


def _ground(layout: AttemptLayout) -> Ground:
    return Ground(layout.repository, layout.tree, layout.index)


def _clean_ground(layout: AttemptLayout) -> Ground:
    return Ground(layout.repository, layout.clean_tree, layout.clean_index)
