"""The bubblewrap command that shows a program its work tree, a HOME, a TMPDIR and nothing else.

`agents/` builds it for agents, `workspace/` for setup commands and verifiers. Everything here is
pure but `read_host_layout`, `find_bubblewrap` and `probe_bubblewrap`, which look at the machine.

What is inside, and why
- The root is an empty tmpfs, made read-only at the end. The alternative, `--ro-bind / /` with parts
  masked, shows every HOME, socket and credential that nobody thought of masking.
- /usr and its relatives read-only, and those few files of /etc without which names, users, time or
  TLS do not work. Not in it: /etc/shadow, /etc/ssl/private, /etc/gitconfig, /etc/npmrc, pip.conf
  (they may hold keys and tokens), /home, /root, /var, /run, /opt, /srv and the data directory.
- /proc of the own PID namespace, with the machine's switches in it (`PROC_SWITCHES`) read-only.
  Seen: as root, without any capability, /proc/sys/kernel/core_pattern could be written; root owns
  these files, and bubblewrap covers only those that it finds writable as directories.
- The work tree at /work and HOME at /home/agent on every host: an agent's conversation holds paths.
- No environment: `--setenv` would show secrets to everybody on the machine in the command line.
  What the program gets is the `env` of the `Command`; bubblewrap hands it on.

It needs a guardian as parent: --die-with-parent hangs on the thread that started bubblewrap, and
the guardian has only one. As root and as an ordinary user it is the same command: root makes the
namespaces directly, an ordinary user gets them through a user namespace.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from ai_orchestrator.base.command import Command, Spawner
from ai_orchestrator.base.errors import EnvironmentProblemError, InternalError, shorten
from ai_orchestrator.base.running import run

WORK_DIR = PurePosixPath("/work")
"""Where a tree is seen, the same on every host, so that a conversation can be resumed."""
HOME_DIR = PurePosixPath("/home/agent")
TMP_DIR = PurePosixPath("/tmp")  # noqa: S108  the sandbox's own, not the machine's

PROGRAM_DIRS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Links into /usr on most machines, directories of their own on some: shown as they are."""

SETTING_FILES = (
    # names and users
    *("hosts", "resolv.conf", "nsswitch.conf", "host.conf", "gai.conf", "passwd", "group"),
    *("protocols", "services", "rpc", "networks", "mime.types"),
    # time, machine
    *("localtime", "timezone", "os-release", "lsb-release", "debian_version"),
    # the linker, links to programs, locales
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "locale.alias", "locale.conf"),
    # certificates, never private keys
    *("ssl/certs", "ssl/cert.pem", "ssl/openssl.cnf", "ca-certificates", "ca-certificates.conf"),
    *("pki/tls/certs", "pki/tls/cert.pem", "pki/ca-trust/extracted", "crypto-policies"),
    # run times that keep a part of themselves in /etc
    *("java-8-openjdk", "java-11-openjdk", "java-17-openjdk", "java-21-openjdk", "java"),
    *("perl", "python3", "fonts", "terminfo", "magic"),
)
"""Below /etc; those that exist are bound."""

PROC_SWITCHES = (
    *("acpi", "asound", "bus", "driver", "dynamic_debug", "fs", "irq", "mtrr", "scsi"),
    *("sys", "sysrq-trigger"),
)
"""Below /proc; those that exist are bound read-only."""

_PROBE_TIMEOUT_S = 20.0
_PROBE_LIMIT_BYTES = 4000


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the host and where it is seen inside."""

    source: Path
    target: PurePosixPath

    @classmethod
    def at_same_path(cls, path: Path) -> Bind:
        """`path` where it is on the host: what an installed program expects of its prefix."""
        return cls(path, PurePosixPath(path))

    def __post_init__(self) -> None:
        """Raise `InternalError` for paths that would mean another place than they say."""
        for path in (self.source, self.target):
            if not path.is_absolute() or ".." in path.parts:
                raise InternalError(f"a bind needs absolute paths without '..', not {str(path)!r}")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a sandboxed program sees. Sources must exist when it starts."""

    work: Path
    """Seen as /work, where the program starts."""
    home: Path
    """Seen as /home/agent, writable."""
    tmp: Path
    """Seen as /tmp and /var/tmp, writable."""
    is_work_read_only: bool = False
    network: Literal["open", "none"] = "none"
    read_only_binds: tuple[Bind, ...] = ()
    """Install prefixes of programs; and masks: a target below /work lies over what is there.
    The place of a mask should exist in the work tree: bubblewrap would make it there."""
    binds: tuple[Bind, ...] = ()
    """Writable, for instance an account's directory at its place in HOME."""

    def __post_init__(self) -> None:
        """Raise `InternalError` for a bind that would hide the work tree, HOME or TMPDIR."""
        for bind in (*self.read_only_binds, *self.binds):
            for place in (WORK_DIR, HOME_DIR, TMP_DIR):
                if place.is_relative_to(bind.target):
                    raise InternalError(f"a bind at {bind.target} would hide {place}")


@dataclass(frozen=True, slots=True)
class HostLayout:
    """What of `PROGRAM_DIRS`, `SETTING_FILES` and `PROC_SWITCHES` this machine has."""

    directories: tuple[Path, ...]
    """Directories of programs, to be bound."""
    links: tuple[tuple[PurePosixPath, str], ...]
    """Directories of programs that are links, with what they say."""
    settings: tuple[Path, ...]
    """Files and directories of /etc, to be bound."""
    switches: tuple[Path, ...]
    """Files and directories of /proc, to be bound over those of the sandbox's own."""


@dataclass(frozen=True, slots=True)
class SandboxProbe:
    """Whether bubblewrap works on this machine for this user."""

    is_working: bool
    reason: str
    """One sentence for people; where it does not work, what bubblewrap said and what may help."""


def read_host_layout() -> HostLayout:
    """The layout of this machine."""
    programs = [Path(path) for path in PROGRAM_DIRS]
    settings = [Path("/etc") / name for name in SETTING_FILES]
    switches = [Path("/proc") / name for name in PROC_SWITCHES]
    return HostLayout(
        directories=tuple(path for path in programs if path.is_dir() and not path.is_symlink()),
        links=tuple(
            (PurePosixPath(path), str(path.readlink())) for path in programs if path.is_symlink()
        ),
        settings=tuple(path for path in settings if path.exists()),
        switches=tuple(path for path in switches if path.exists()),
    )


def bubblewrap_argv(
    sandbox: Sandbox, argv: Sequence[str], *, bubblewrap: Path, host: HostLayout
) -> tuple[str, ...]:
    """The command line that runs `argv` in `sandbox`."""
    return (
        str(bubblewrap),
        *_separation(sandbox.network),
        *_system(host),
        *_places(sandbox),
        *("--chdir", str(WORK_DIR)),
        "--",
        *argv,
    )


def _separation(network: Literal["open", "none"]) -> Iterable[str]:
    # Own PID namespace: it sees itself only, and all of it dies with its first process. IPC: no
    # shared memory with others. UTS: it can't rename the machine. Cgroup: no paths of the host's;
    # "try", since kernels without it lose nothing else.
    yield from ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
    # Network: a loopback of its own, which leads nowhere; without it, all that this machine can
    # reach, its services on loopback and abstract Unix sockets included.
    if network == "none":
        yield "--unshare-net"
    # The kernel kills the sandbox with the keeper that started it, whatever else fails.
    yield "--die-with-parent"
    # No controlling terminal: a program could type into it (TIOCSTI).
    yield "--new-session"
    # Run by root, bubblewrap would leave all capabilities: mount, mknod, ptrace of others. An
    # ordinary user has none to drop, but those in the user namespace, which go as well.
    yield from ("--cap-drop", "ALL")


def _system(host: HostLayout) -> Iterable[str]:
    for directory in host.directories:
        yield from ("--ro-bind", str(directory), str(directory))
    for place, text in host.links:
        yield from ("--symlink", text, str(place))
    for path in host.settings:
        yield from ("--ro-bind", str(path), str(path))
    # A /dev with null, zero, full, random, tty, pts and shm only.
    yield from ("--proc", "/proc", "--dev", "/dev")
    for path in host.switches:
        yield from ("--ro-bind", str(path), str(path))


def _places(sandbox: Sandbox) -> Iterable[str]:
    work = "--ro-bind" if sandbox.is_work_read_only else "--bind"
    yield from (work, str(sandbox.work), str(WORK_DIR))
    yield from ("--bind", str(sandbox.home), str(HOME_DIR))
    yield from ("--bind", str(sandbox.tmp), str(TMP_DIR))
    yield from ("--symlink", str(TMP_DIR), "/var/tmp")  # noqa: S108  the sandbox's own
    # Outer before inner, whatever their kind: what is bound later lies on top.
    extra = [("--ro-bind", bind) for bind in sandbox.read_only_binds]
    extra += [("--bind", bind) for bind in sandbox.binds]
    for option, bind in sorted(extra, key=lambda pair: len(pair[1].target.parts)):
        yield from (option, str(bind.source), str(bind.target))
    # The root itself, once all places in it have been made.
    yield from ("--remount-ro", "/")


def find_bubblewrap(path_env: str) -> Path | None:
    """The bubblewrap program on the search path `path_env`, or None where there is none."""
    for directory in filter(None, path_env.split(os.pathsep)):
        program = Path(directory) / "bwrap"
        if program.is_file() and os.access(program, os.X_OK):
            return program
    return None


async def probe_bubblewrap(spawner: Spawner, bubblewrap: Path) -> SandboxProbe:
    """Whether a program can be run in all the namespaces of a sandbox, tried out once."""
    argv = (
        str(bubblewrap),
        *_separation("none"),
        *_system(read_host_layout()),
        *("--remount-ro", "/", "--", "true"),
    )
    command = Command(argv, Path("/"), {"PATH": "/usr/bin:/bin"}, f"probe-{os.urandom(6).hex()}")
    try:
        done = await run(
            spawner, command, timeout_s=_PROBE_TIMEOUT_S, limit_bytes=_PROBE_LIMIT_BYTES
        )
    except EnvironmentProblemError as error:
        return SandboxProbe(is_working=False, reason=str(error))
    if done.exit.is_success:
        return SandboxProbe(is_working=True, reason=f"{bubblewrap} works for this user.")
    said = shorten(done.stderr.decode(errors="replace")) or "it said nothing"
    return SandboxProbe(
        is_working=False,
        reason=f"{bubblewrap} cannot make a sandbox here: {said}. User namespaces may be switched "
        "off (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_"
        "userns, user.max_user_namespaces) or forbidden in this container.",
    )
