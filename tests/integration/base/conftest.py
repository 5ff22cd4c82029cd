"""Owners as real processes, survivors as /proc shows them, and the spawners under test."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ai_orchestrator.base.process import (
    Command,
    DirectSpawner,
    GuardedSpawner,
    Spawner,
    describe_containment,
)

NOBODY = 65534
DEADLINE_S = 30.0
HAS_CGROUP = describe_containment().kind == "cgroup"


def wait_until(claim: Callable[[], bool], what: str) -> None:
    """Return when `claim` holds; fail when it does not within the deadline."""
    limit = time.monotonic() + DEADLINE_S
    while not claim():
        if time.monotonic() > limit:
            pytest.fail(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.01)


def marked_processes(mark: str) -> dict[int, str]:
    """Living processes that carry `mark` in their arguments or environment, with their names."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            texts = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if mark.encode() in texts and state not in "ZX":
                found[int(entry.name)] = texts.decode(errors="replace").replace("\0", " ")[:80]
        except (OSError, ValueError):
            continue
    return found


def children(parent: int) -> dict[int, str]:
    """Children of `parent` with their names."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, rest = stat.read_text().rpartition(") ")
        except OSError:
            continue
        if int(rest.split()[1]) == parent:
            found[int(stat.parent.name)] = head.partition("(")[2]
    return found


@dataclass
class Owner:
    """A running owner with its escaping tree."""

    process: subprocess.Popen[str]
    mark: str = field(default="")

    @property
    def guardian(self) -> int:
        return next(p for p, name in children(self.process.pid).items() if name == "aio-guardian")

    @property
    def keeper(self) -> int:
        return next(p for p, name in children(self.guardian).items() if name == "aio-keeper")

    def survivors(self) -> dict[int, str]:
        return marked_processes(self.mark)

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def until(self, claim: Callable[[], bool], what: str) -> None:
        wait_until(claim, what)

    def until_tree_is_gone(self) -> None:
        wait_until(lambda: not self.survivors(), "the tree is gone")


@dataclass(frozen=True)
class User:
    """Who an owner runs as."""

    uid: int
    python: str
    package_root: Path


SLEEPERS = 7
"""Processes of `owner.ESCAPES` that try to get away; `mark` is in the arguments of each."""


@pytest.fixture
def start_owner() -> Iterator[Callable[..., Owner]]:
    """Starts owners whose trees are up, and leaves nothing of them behind."""
    started: list[Owner] = []

    def start(user: User, containment: str, lease_s: float = 60.0) -> Owner:
        owner = Owner(_owner_process(user), str(uuid.uuid4().int))
        started.append(owner)
        orders = {"mark": owner.mark, "containment": containment, "lease_s": lease_s}
        assert owner.process.stdin is not None
        owner.process.stdin.write(json.dumps(orders) + "\n")
        owner.process.stdin.flush()
        assert owner.says() == "ready"
        wait_until(lambda: _is_up(owner), "the tree is up")
        return owner

    yield start
    for owner in started:
        _clear(owner)


def _is_up(owner: Owner) -> bool:
    texts = owner.survivors().values()
    return sum(text.startswith(("sleep 600", "/bin/sleep 600")) for text in texts) == SLEEPERS


def _owner_process(user: User) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [user.python, "-B", str(user.package_root / "owner.py")],
        env={"PYTHONPATH": str(user.package_root)},
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        user=user.uid,
        group=user.uid,
        extra_groups=[] if os.geteuid() == 0 else None,
    )


def _clear(owner: Owner) -> None:
    owner.process.send_signal(signal.SIGCONT)
    owner.process.kill()
    owner.process.wait()
    for pipe in (owner.process.stdin, owner.process.stdout):
        if pipe is not None:
            pipe.close()
    for pid in owner.survivors():
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def readable_package() -> Iterator[Path]:
    """The part of the package that an owner imports, where any user can read it."""
    here = Path(__file__).parent
    source = here.parents[2] / "src" / "ai_orchestrator"
    with tempfile.TemporaryDirectory(prefix="aio-owner-") as name:
        root = Path(name)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source / "base", root / "ai_orchestrator" / "base", ignore=ignored)
        shutil.copy(source / "__init__.py", root / "ai_orchestrator")
        shutil.copy(here / "owner.py", root)
        for path in (root, *root.rglob("*")):
            path.chmod(0o755)
        yield root


@pytest.fixture
def me(readable_package: Path) -> User:
    """The user that runs the tests."""
    return User(os.geteuid(), sys.executable, readable_package)


@pytest.fixture
def nobody(readable_package: Path) -> User:
    """A user without any rights."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        if _can_run(python):
            return User(NOBODY, python, readable_package)
    pytest.skip("no Python 3.11 that another user may run")


def _can_run(python: str) -> bool:
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    try:
        done = subprocess.run(
            [python, "-c", check], user=NOBODY, cwd="/", capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


@pytest.fixture(
    params=[
        pytest.param("cgroup", marks=pytest.mark.skipif(not HAS_CGROUP, reason="no cgroup 2")),
        "walk",
    ]
)
def containment(request: pytest.FixtureRequest) -> str:
    """Both ways in which a tree is held together."""
    return str(request.param)


@pytest.fixture
def guarded(containment: str) -> Iterator[GuardedSpawner]:
    """A guarded spawner with either containment."""
    spawner = GuardedSpawner(lease_s=60, containment="walk" if containment == "walk" else "cgroup")
    yield spawner
    spawner.close()


@pytest.fixture(params=["guarded", "direct"])
def spawner(request: pytest.FixtureRequest) -> Iterator[Spawner]:
    """Both spawners: what a caller may rely on whichever it was given."""
    if request.param == "direct":
        yield DirectSpawner()
        return
    guarded = GuardedSpawner(lease_s=60)
    yield guarded
    guarded.close()


@pytest.fixture
def shell() -> Callable[..., Command]:
    """Makes commands that run a line of shell."""

    def make(text: str, *, tree: str = "t", stdin: bytes = b"", mark: str = "") -> Command:
        env = {"PATH": "/usr/bin:/bin", "MARK": mark}
        return Command(("/bin/sh", "-c", text), Path("/"), env, tree, stdin)

    return make


@pytest.fixture
def processes_with() -> Callable[[str], dict[int, str]]:
    """Finds living processes by a text in their arguments or environment."""
    return marked_processes


@pytest.fixture
def wait_for() -> Callable[[Callable[[], bool], str], None]:
    """Waits for a claim to hold."""
    return wait_until


@pytest.fixture
def children_of() -> Callable[[int], dict[int, str]]:
    """Finds the children of a process with their names."""
    return children
