"""What a program in the sandbox can see and do, as root and as an ordinary user."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pytest

from ai_orchestrator.base.process import Command, Completed, Exit, GuardedSpawner, Spawner, run
from ai_orchestrator.base.sandbox import (
    HOME_DIR,
    Bind,
    Sandbox,
    bubblewrap_argv,
    find_bubblewrap,
    probe_bubblewrap,
    read_host_layout,
)

SLEEP = f"600.{uuid.uuid4().int}"
"""A number of seconds that no other process on the machine sleeps."""

PATH = "/usr/bin:/bin"
NOBODY = 65534
FOUND = find_bubblewrap(PATH)
pytestmark = pytest.mark.skipif(FOUND is None, reason="bubblewrap is not installed")


@dataclass
class Box:
    """A sandbox of a user, and programs run in it."""

    base: Path
    """Where its places are, and room for more that its user can reach."""
    sandbox: Sandbox
    as_user: tuple[str, ...]
    spawner: GuardedSpawner

    def command(self, text: str, sandbox: Sandbox | None = None) -> Command:
        assert FOUND is not None
        inside = bubblewrap_argv(
            sandbox or self.sandbox,
            ("/bin/sh", "-c", text),
            bubblewrap=FOUND,
            host=read_host_layout(),
        )
        env = {"PATH": PATH, "HOME": str(HOME_DIR), "SECRET": "s3cret"}
        return Command((*self.as_user, *inside), Path("/"), env, "box")

    async def run(self, text: str, sandbox: Sandbox | None = None) -> Completed:
        command = self.command(text, sandbox)
        return await run(self.spawner, command, timeout_s=60, limit_bytes=100_000)

    async def says(self, text: str, sandbox: Sandbox | None = None) -> str:
        done = await self.run(text, sandbox)
        assert done.exit.is_success, done.stderr.decode()
        return done.stdout.decode().strip()

    async def refuses(self, text: str, sandbox: Sandbox | None = None) -> str:
        done = await self.run(text, sandbox)
        assert done.exit.code not in (0, None), done.stdout.decode()
        return done.stderr.decode()


@pytest.fixture
def spawner() -> Iterator[GuardedSpawner]:
    """Sandboxes need a guardian as their parent."""
    spawner = GuardedSpawner(lease_s=60)
    yield spawner
    spawner.close()


@pytest.fixture(params=["me", "nobody"])
def box(request: pytest.FixtureRequest, spawner: GuardedSpawner) -> Iterator[Box]:
    """A sandbox of whoever runs the tests, and one of a user without rights.

    Not below `tmp_path`, which pytest closes to other users.
    """
    with tempfile.TemporaryDirectory(prefix="aio-box-") as name:
        base = Path(name)
        base.chmod(0o755)
        sandbox = Sandbox(base / "work", base / "home", base / "tmp")
        places = (sandbox.work, sandbox.home, sandbox.tmp)
        for place in places:
            place.mkdir()
        as_user: tuple[str, ...] = ()
        if request.param == "nobody":
            as_user = become_nobody()
            for place in places:
                os.chown(place, NOBODY, NOBODY)
        yield Box(base, sandbox, as_user, spawner)


def become_nobody() -> tuple[str, ...]:
    """The beginning of a command that runs as a user without rights."""
    if os.geteuid() != 0 or not Path("/usr/bin/setpriv").exists():
        pytest.skip("needs root and setpriv to become another user")
    user = str(NOBODY)
    return ("/usr/bin/setpriv", "--reuid", user, "--regid", user, "--clear-groups")


async def test_probe_says_that_it_works(spawner: Spawner) -> None:
    """The probe agrees with the tests of this file."""
    assert FOUND is not None
    probe = await probe_bubblewrap(spawner, FOUND)
    assert probe.is_working, probe.reason


async def test_probe_says_why_it_does_not_work(spawner: Spawner, tmp_path: Path) -> None:
    """A bubblewrap that fails, or cannot be started, is a reason and not an exception."""
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho no namespaces >&2; exit 1\n")
    assert "Permission denied" in (await probe_bubblewrap(spawner, broken)).reason
    broken.chmod(0o755)
    probe = await probe_bubblewrap(spawner, broken)
    assert not probe.is_working
    assert "no namespaces" in probe.reason


async def test_work_home_and_tmp_are_the_given_places(box: Box) -> None:
    """They are at fixed paths inside, and what is written there is outside as well."""
    text = "pwd; echo $HOME; echo w > f; echo h > ~/f; echo t > /tmp/f; cat /var/tmp/f"
    assert await box.says(text) == "/work\n/home/agent\nt"
    places = (box.sandbox.work, box.sandbox.home, box.sandbox.tmp)
    assert [(place / "f").read_text() for place in places] == ["w\n", "h\n", "t\n"]


@pytest.mark.parametrize("place", ["/", "/usr", "/usr/bin", "/etc", "/home", "/var", "/bin"])
async def test_nothing_else_can_be_written(box: Box, place: str) -> None:
    """Every other place is read-only, the root included."""
    assert "Read-only file system" in await box.refuses(f"touch {place}/x")


async def test_read_only_work_tree_can_be_read_only(box: Box) -> None:
    """The reviewer's tree: to be looked at."""
    (box.sandbox.work / "f").write_text("text")
    (box.sandbox.work / "f").chmod(0o666)
    sandbox = replace(box.sandbox, is_work_read_only=True)
    assert await box.says("cat f", sandbox) == "text"
    assert "Read-only file system" in await box.refuses("touch f", sandbox)


async def test_part_of_the_work_tree_can_be_masked(box: Box) -> None:
    """A read-only directory lies over a writable tree, and leaves the rest as it is."""
    objects = box.base / "objects"
    objects.mkdir()
    (objects / "o").write_text("object")
    (objects / "o").chmod(0o666)
    (box.sandbox.work / "store").mkdir()
    mask = Bind(objects, PurePosixPath("/work/store"))
    sandbox = replace(box.sandbox, read_only_binds=(mask,))
    assert await box.says("cat store/o; touch beside", sandbox) == "object"
    assert "Read-only file system" in await box.refuses("touch store/o", sandbox)


async def test_directory_of_an_account_can_be_written_in_home(box: Box) -> None:
    """An account's directory appears in a HOME that is the attempt's own."""
    box.sandbox.home.joinpath("account").mkdir()
    bind = Bind(box.sandbox.tmp, HOME_DIR / "account")
    await box.says("echo x > ~/account/token", replace(box.sandbox, binds=(bind,)))
    assert (box.sandbox.tmp / "token").read_text() == "x\n"


@pytest.mark.parametrize("place", ["/root", "/run", "/opt", "/srv", "/mnt", "/sys", "/etc/shadow"])
async def test_the_hosts_places_do_not_exist(box: Box, place: str) -> None:
    """What is not shown cannot be read, whoever owns it."""
    assert "No such file or directory" in await box.refuses(f"ls {place}")


async def test_other_homes_and_data_do_not_exist(box: Box) -> None:
    """Of /home only the own one, of /var only the way to /tmp, of this directory nothing."""
    assert await box.says("ls -A /home /var") == "/home:\nagent\n\n/var:\ntmp"
    secret = box.base / "secret"
    secret.write_text("s")
    assert "No such file or directory" in await box.refuses(f"cat {secret}")


async def test_it_sees_only_its_own_processes(box: Box) -> None:
    """Neither ours nor those of other sandboxes."""
    text = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | cut -d' ' -f1; done"
    seen = (await box.says(text)).split("\n")
    assert {Path(name).name for name in seen} <= {"bwrap", "sh", "tr", "cut", ""}
    assert len(seen) <= 5


async def test_no_capability_and_no_switch_of_the_machine(box: Box) -> None:
    """Root inside has no power, and cannot turn what belongs to root in /proc."""
    assert await box.says("grep CapEff /proc/self/status") == "CapEff:\t0000000000000000"
    switch = "/proc/sys/kernel/core_pattern"
    text = f"test -e {switch} && if test -w {switch}; then exit 1; fi; : >> {switch}"
    assert "core_pattern" in await box.refuses(text)
    writable = await box.says("find /proc/sys /proc/irq /proc/bus -writable 2>/dev/null; true")
    assert writable == ""


async def test_environment_is_not_in_the_command_line(box: Box) -> None:
    """Secrets reach the program, and nobody who lists processes."""
    assert await box.says("echo $SECRET") == "s3cret"
    assert not any("s3cret" in word for word in box.command("true").argv)


async def test_names_and_certificates_work(box: Box) -> None:
    """The few files of /etc that are shown are enough for users, hosts and TLS."""
    assert await box.says("id -un; getent hosts localhost >/dev/null && echo found") != ""
    assert await box.says("test -r /etc/passwd && test ! -e /etc/ssl/private && echo ok") == "ok"


async def test_without_network_not_even_loopback_leads_out(box: Box) -> None:
    """A server of this machine is not there, and no interface but an own loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        assert "refused" in await box.refuses(f'/usr/bin/python3 -c "{text}"')
        text = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
        assert "unreachable" in await box.refuses(f'/usr/bin/python3 -c "{text}"')
    assert (await box.says("ls /proc/self/net/dev_snmp6 2>/dev/null; true")) in ("lo", "")


async def test_with_network_loopback_is_the_machines(box: Box) -> None:
    """`open` is what it says."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        text = f"import socket; socket.create_connection({server.getsockname()}, 5)"
        await box.says(f'/usr/bin/python3 -c "{text}"', replace(box.sandbox, network="open"))


async def test_program_in_it_has_its_grace(box: Box) -> None:
    """TERM reaches the program and not the bubblewrap around it, which would take it along."""
    text = "trap 'echo tidied; exit 5' TERM; echo up; while :; do sleep 0.05; done"
    process = await box.spawner.start(box.command(text))
    chunks = process.stdout()
    assert await anext(chunks) == b"up\n"
    assert await process.stop(30) == Exit(code=5, signal=None)
    assert await anext(chunks) == b"tidied\n"


async def test_its_end_leaves_nothing(
    box: Box, processes_with: Callable[[str], dict[int, str]]
) -> None:
    """What it started in the background goes with its namespace."""
    done = await box.run(f"setsid sleep {SLEEP}021 & sleep 0.1")
    assert done.exit.is_success
    assert not processes_with(f"{SLEEP}021")


async def test_it_ends_with_its_keeper(
    box: Box,
    processes_with: Callable[[str], dict[int, str]],
    wait_for: Callable[..., None],
    children_of: Callable[[int], dict[int, str]],
) -> None:
    """Even kill -9 of all that watch over it: the kernel ends it."""
    await box.spawner.start(box.command(f"setsid sleep {SLEEP}022 & exec sleep {SLEEP}022"))
    wait_for(lambda: len(processes_with(f"{SLEEP}022")) >= 2, "both run")
    assert box.spawner._link is not None
    guardian = box.spawner._link._process
    os.kill(guardian.pid, signal.SIGSTOP)
    for keeper in children_of(guardian.pid):
        os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: not processes_with(f"{SLEEP}022"), "nothing runs")
    guardian.kill()


@pytest.mark.parametrize(
    ("path", "is_found"),
    [("", False), ("/nowhere", False), ("{tmp}:/nowhere", True), ("/nowhere:{tmp}", True)],
)
def test_bubblewrap_is_found_on_the_path(tmp_path: Path, path: str, is_found: bool) -> None:  # noqa: FBT001
    """Only a file that can be executed counts."""
    program = tmp_path / "bwrap"
    program.write_text("")
    assert find_bubblewrap(path.format(tmp=tmp_path)) is None
    program.chmod(0o755)
    assert find_bubblewrap(path.format(tmp=tmp_path)) == (program if is_found else None)
