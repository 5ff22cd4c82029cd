"""Makes and finds the trees of tasks: what the workflow knows as `Trees`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ai_orchestrator.base.beside import together
from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError, InternalError
from ai_orchestrator.base.process import Spawner
from ai_orchestrator.model.ids import base_ref
from ai_orchestrator.model.orders import Equipment
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.model.workflow import EnvironmentSpec
from ai_orchestrator.workspace.disk import require_free
from ai_orchestrator.workspace.git import Call, Place, check_commit
from ai_orchestrator.workspace.git_client import GitClient
from ai_orchestrator.workspace.layout import AttemptLayout, DataLayout
from ai_orchestrator.workspace.mirror import Mirror, Remote
from ai_orchestrator.workspace.new_repository import require_unused
from ai_orchestrator.workspace.pool import TreePool
from ai_orchestrator.workspace.port_range import PortClaims
from ai_orchestrator.workspace.removal import Trash
from ai_orchestrator.workspace.setup_entries import SETUP_LIMIT_BYTES
from ai_orchestrator.workspace.setup_store import SetupStore
from ai_orchestrator.workspace.skeleton import Skeleton, own_configuration, write_skeleton
from ai_orchestrator.workspace.snapshot import take_snapshot
from ai_orchestrator.workspace.source import (
    RemotePolicy,
    SourceState,
    check_url,
    inspect,
    notes,
    require_clean,
    resolve_name,
)
from ai_orchestrator.workspace.task_tree import GitTaskTree
from ai_orchestrator.workspace.work_tree import Home

HANG_S = 20.0
"""A guess: recording 20,000 files takes 0.1 s, and 1 s on a busy disk. A pipe in the place of a
file that git reads holds it for ever; a second, patient try follows when such things are gone."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How the repositories of users are reached."""

    policy: RemotePolicy = field(default_factory=RemotePolicy)
    """Which URLs may be fetched."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """For git's transports alone: SSH_AUTH_SOCK, GIT_SSH_COMMAND, GIT_ASKPASS."""
    user_environment: Mapping[str, str] | None = None
    """HOME and the like of the one user whose checkouts are read, so that their git configuration
    says what is ignored and whose repositories are trusted. None, in a service: nobody's counts.
    """


@dataclass(frozen=True, slots=True)
class TreeSettings:
    """What depends on the machine, and on who asks."""

    hang_s: float = HANG_S
    """When recording a tree is taken to hang; to be raised where disks are slow."""
    setup_limit_bytes: int = SETUP_LIMIT_BYTES
    """What all set-ups that are kept may take."""
    has_standing_shells: bool = False
    """For who has a guardian and many steps to record: see `GitClient`."""


class GitTrees:
    """Fits `workflows.running.ports.Trees`. Close it: it owns a thread that removes files."""

    def __init__(
        self,
        data_dir: Path,
        spawner: Spawner,
        *,
        path_env: str,
        reach: Reach | None = None,
        settings: TreeSettings | None = None,
    ) -> None:
        settings = TreeSettings() if settings is None else settings
        self.layout = DataLayout(data_dir)
        self.trash = Trash(self.layout.trash)
        self._setups = SetupStore(self.layout.setups, self.trash, settings.setup_limit_bytes)
        self._reach = Reach() if reach is None else reach
        self._git = GitClient(
            spawner,
            path_env=path_env,
            user_environment=self._reach.user_environment,
            has_standing_shells=settings.has_standing_shells,
        )
        self._hang_s = settings.hang_s

    async def resolve(self, source: RepositorySource) -> str:
        """The commit that the source names now, in our mirror.

        Raises `BadInputError` for what is no repository, is dirty, or does not exist;
        `DiskFullError` where there is no room for a mirror.
        """
        self.layout.mirrors.mkdir(mode=0o700, parents=True, exist_ok=True)
        await asyncio.to_thread(require_free, self.layout.mirrors, 0)
        await self._git.require_version()
        mirror = self._mirror(source)
        mirror.touch()
        commit = await self._resolve_in(mirror, source)
        mirror.touch()  # fetching may have taken long
        return commit

    async def _resolve_in(self, mirror: Mirror, source: RepositorySource) -> str:
        if source.path is not None:
            return await self._resolve_path(mirror, source, Path(source.path))
        if source.url is not None:
            return await self._resolve_url(mirror, source, source.url)
        if source.new_directory is not None:
            require_unused(Path(source.new_directory))
        return await mirror.ensure_empty()

    async def inspect(self, path: Path) -> SourceState:
        """A local repository as it stands; nothing is written. Raises `BadInputError`."""
        return await inspect(self._git, path)

    async def notes(self, source: RepositorySource) -> tuple[str, ...]:
        """What a person should know before the work starts, one sentence each."""
        if source.path is None:
            return ()
        return notes(await self.inspect(Path(source.path)), include_dirty=source.include_dirty)

    async def open(
        self, task_id: str, task_attempt: int, source: RepositorySource, base: str
    ) -> GitTaskTree:
        """The task attempt's tree, made where it is missing or was left half-made.

        Raises `InternalError` when the attempt was begun from another commit.
        """
        layout = self.layout.attempt(task_id, task_attempt)
        mirror = self._mirror(source)
        await self._ensure_repository(layout, mirror, check_commit(base))
        tree = self._task_tree(layout, mirror, base)
        ensured = self._ensure_base(tree, base_ref(task_id, task_attempt))
        if tree.tree.is_made:
            await ensured
        else:
            await together(ensured, self._make(tree, layout, mirror))
        return tree

    async def equip(
        self,
        task_id: str,
        task_attempt: int,
        source: RepositorySource,
        environment: EnvironmentSpec,
        *,
        which: Literal["work", "clean"] = "work",
    ) -> Equipment:
        """A tree has what the spec names from the user's checkout; ports are reserved for it.

        Idempotent. Raises `BadInputError` for paths that lead out, or without a checkout.
        """
        notes: tuple[str, ...] = ()
        paths: tuple[str, ...] = ()
        if environment.copy or environment.link:
            tree = await self.find(task_id, task_attempt, source)
            if tree is None:
                raise InternalError(f"task {task_id}: has no tree to equip")
            checkout = _checkout(source)
            furnished = await tree.furnish(checkout, environment, which=which)
            paths = furnished.paths
            notes = tuple(
                f"environment: nothing in {checkout} fits {pattern!r}."
                for pattern in furnished.unmatched
            )
        if which == "clean":
            return Equipment(notes=notes, paths=paths)
        claims = PortClaims(self.layout.port_claims)
        ports = await asyncio.to_thread(claims.claim, task_id, environment.ports)
        return Equipment(ports, notes, paths)

    async def find(
        self, task_id: str, task_attempt: int, source: RepositorySource
    ) -> GitTaskTree | None:
        """What an attempt recorded, for reading; no tree is made. None where nothing is left."""
        layout = self.layout.attempt(task_id, task_attempt)
        if not (layout.repository / "HEAD").is_file():
            return None
        name = f"{base_ref(task_id, task_attempt)}^{{commit}}"
        call = Call(("rev-parse", "--verify", "--quiet", name))
        answer = await self._git.ask(Place(layout.repository), call)
        if not answer.is_success:
            return None
        return self._task_tree(layout, self._mirror(source), answer.stdout.decode().strip())

    async def close_tree(self, task_id: str, task_attempt: int, source: RepositorySource) -> None:
        """The attempt's checkouts and ports are free; commits, refs and conversations stay."""
        tree = await self.find(task_id, task_attempt, source)
        if tree is not None:
            await self.release(tree)
        claims = PortClaims(self.layout.port_claims)
        await asyncio.to_thread(claims.release, task_id)

    async def release(self, tree: GitTaskTree) -> None:
        """The checkouts are no longer needed; commits, refs and conversations stay."""
        await tree.release(TreePool(tree.mirror.directory, self.trash))

    async def close(self) -> None:
        """The removing thread has ended; what it left in the trash goes at the next `empty`."""
        await asyncio.to_thread(self.trash.close)

    def _mirror(self, source: RepositorySource) -> Mirror:
        return Mirror(self.layout.mirror(source), self._git, self.trash)

    def _task_tree(self, layout: AttemptLayout, mirror: Mirror, base: str) -> GitTaskTree:
        home = Home(layout, mirror, self._git, self.trash, self._setups, self._hang_s)
        return GitTaskTree(home, base)

    async def _resolve_path(self, mirror: Mirror, source: RepositorySource, path: Path) -> str:
        state = await self.inspect(path)
        _require_whole(state)
        start = await self._start_of(mirror, source, state)
        if source.include_dirty:
            return await take_snapshot(self._git, mirror, state, start)
        return start

    async def _start_of(self, mirror: Mirror, source: RepositorySource, state: SourceState) -> str:
        """The commit that is checked out or named; uncommitted changes stand in the way of HEAD."""
        if source.ref is None and not source.include_dirty:
            require_clean(state)
        if source.ref is None and state.head is None:
            await self._require_nothing_yet(state)
            return await mirror.ensure_empty()
        commit = state.head
        if source.ref is not None:
            commit = await resolve_name(self._git, state.place(), source.ref)
        if commit is None:
            raise BadInputError(f"{state.top} has no branch, tag or commit {source.ref!r}.")
        if source.include_dirty and commit != state.head:
            raise BadInputError(
                f"Uncommitted changes belong to HEAD, not to {source.ref!r}.",
                hint="Give --include-dirty or a start, not both.",
            )
        await mirror.ensure_from_path(state, commit)
        return commit

    async def _require_nothing_yet(self, state: SourceState) -> None:
        """A branch without a commit is a new repository only where no other branch has one."""
        call = Call(("for-each-ref", "--count=1", "--format=%(refname)"))
        other = (await self._git.expect(state.place(), call)).decode().strip()
        if other:
            raise BadInputError(
                f"{state.top}: branch {state.branch} has no commit yet, but {other} exists.",
                hint="Commit something, or name what to start from.",
            )
        if state.is_sha256:
            raise BadInputError(
                f"{state.top} uses SHA-256 and has no commit yet.", hint="Commit something first."
            )

    async def _resolve_url(self, mirror: Mirror, source: RepositorySource, url: str) -> str:
        if source.include_dirty:
            raise BadInputError("A URL has no uncommitted changes to include.")
        protocol = check_url(url, self._reach.policy)
        remote = Remote(url, protocol, self._reach.variables)
        return await mirror.ensure_from_remote(remote, source.ref)

    async def _ensure_repository(self, layout: AttemptLayout, mirror: Mirror, base: str) -> None:
        """The task's own repository, shared by its attempts, exists and is locked by nobody."""
        if (layout.repository / "HEAD").is_file():
            await asyncio.to_thread(_remove_stale_locks, layout.repository)
            return
        if not await mirror.has(base):
            raise EnvironmentProblemError(
                f"Commit {base} is not in {mirror.directory}, from where the task starts.",
                hint="Start the task again: its mirror has been removed meanwhile.",
            )
        half = layout.repository.with_suffix(".half")
        self.trash.discard(half)
        layout.repository.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        skeleton = Skeleton(objects=mirror.borrowed(base), shallow=mirror.shallow())
        write_skeleton(half, skeleton, own_configuration(base))
        half.rename(layout.repository)

    async def _ensure_base(self, tree: GitTaskTree, ref: str) -> None:
        found = await tree.find(ref)
        if found is None:
            await tree.point(ref, tree.base)
        elif found.commit != tree.base:
            raise InternalError(f"{ref} is {found.commit} already, not {tree.base}")

    async def _make(self, tree: GitTaskTree, layout: AttemptLayout, mirror: Mirror) -> None:
        """From a pooled checkout where there is one."""
        layout.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        tree.tree.forget()
        if TreePool(mirror.directory, self.trash).take(tree.tree.ground):
            await tree.tree.move_to(tree.base, keep_ignored=False)
            await tree.tree.settle()
        else:
            await tree.tree.make(tree.base)


def _checkout(source: RepositorySource) -> Path:
    if source.path is None:
        raise BadInputError(
            "environment: `copy:` and `link:` need a checkout on this machine to bring from.",
            hint="Use `setup:` where the source is a URL or a new repository.",
        )
    return Path(source.path)


def _require_whole(state: SourceState) -> None:
    if state.is_partial:
        raise BadInputError(
            f"{state.top} is a partial clone: some of its files are only on its server.",
            hint="Give the repository's URL, or fetch the rest with `git fetch --refetch`.",
        )


def _remove_stale_locks(repository: Path) -> None:
    """Lock files of gits that were killed: whoever opens a task is alone with it."""
    for path in (*repository.glob("*.lock"), *(repository / "refs").rglob("*.lock")):
        path.unlink(missing_ok=True)
