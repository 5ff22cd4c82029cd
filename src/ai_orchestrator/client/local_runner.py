"""Finds the runner of a data directory, starts one where none is, has an older one make room.

A runner that leaves takes its socket away first and gives up the lock last. So a lock that is held
and a socket that nobody answers mean that somebody comes or goes: worth waiting for.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.base.background import start_in_background
from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.base.errors import ConflictError, EnvironmentProblemError, UnreachableError
from ai_orchestrator.base.lockfile import holder, is_held
from ai_orchestrator.base.own_directory import make_usable
from ai_orchestrator.client.backend import HttpBackend
from ai_orchestrator.client.transport import UnixTransport
from ai_orchestrator.model.task import ServerInfo

START_LIMIT_S = 30.0
"""Ten times the goal for the first start ever."""
DRAIN_LIMIT_S = 15.0
"""So long an older runner may take to come to a step boundary before it is told to stop."""
ANSWER_LIMIT_S = 5.0
"""So long a runner that takes the connection is given to say that it is there."""
CHANGE_LIMIT_S = 30.0
"""So long a runner that comes or goes is waited for; one that goes interrupts what runs."""
TOLD_AFTER_S = 1.0
"""A wait that is longer is told of; before, nobody wonders."""
_FULL_BYTES = 1 << 20
"""With less a disk is called full: a runner cannot make its database then."""
_LOG_HEAD = re.compile(r"\d{4}-\d\d-\d\d \S+ (\d+) [A-Z]+ [\w.]+: (?:cannot start: )?")
"""What a line of the runner's log begins with; people are shown what follows."""
_POLL_S = 0.01
_CLOCK = SystemClock()
_KEPT_VARIABLES = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "XDG_RUNTIME_DIR", "USER", "LOGNAME")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def tell_on_stderr(text: str) -> None:
    """A remark for people who wait."""
    sys.stderr.write(f"ai-orchestrator: {text}\n")
    sys.stderr.flush()


@dataclass(frozen=True, slots=True)
class LocalRunner:
    """The runner of one data directory, running or not."""

    data_dir: Path
    socket: Path
    """Where one that is started here listens; one that is there says where it does."""
    release: str
    variables: Mapping[str, str]
    """The client's environment; the runner gets a few of its variables and no secret."""
    tell: Callable[[str], None] = lambda _: None
    """Where people are told what a long wait is for."""

    def find(self) -> ServerInfo | None:
        """Who answers on the socket; None when nobody does."""
        if not self._where().exists():
            return None
        try:
            return HttpBackend(self.transport()).info()
        except UnreachableError:
            return None

    def settled(self) -> ServerInfo | None:
        """Who answers once nobody comes or goes any more; None where nobody is left.

        None as well for a lock that is held past the limit: starting then says who holds it.
        Raises `UnreachableError` for a runner that takes connections and does not answer.
        """
        wait = _Wait(CHANGE_LIMIT_S, self.tell)
        while True:
            info = self._ask()
            if info is not None:
                return info
            if not is_held(self.data_dir / "lock") or wait.is_over:
                return None
            wait.pause(self._what_it_does)

    def _ask(self) -> ServerInfo | None:
        """Who answers; None where nobody listens. Raises `UnreachableError` for silence."""
        try:
            return self._ask_once(TOLD_AFTER_S)
        except UnreachableError:
            self.tell(f"waiting for {self._who()} to answer ...")
        return self._ask_once(ANSWER_LIMIT_S - TOLD_AFTER_S)

    def _ask_once(self, timeout_s: float) -> ServerInfo | None:
        try:
            return HttpBackend(self.transport()).info(timeout_s=timeout_s)
        except UnreachableError as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
            return None

    def look(self) -> ServerInfo | None:
        """Who answers within a moment; None where nobody listens.

        Raises `UnreachableError` for a runner that takes connections and does not answer.
        """
        return self._ask_once(TOLD_AFTER_S)

    def _who(self) -> str:
        info = holder(self.data_dir / "lock") or {}
        return f"the runner {info['pid']}" if "pid" in info else f"the runner of {self.data_dir}"

    def _what_it_does(self) -> str:
        """Whoever has said where it listens and does not listen there is ending."""
        info = holder(self.data_dir / "lock") or {}
        return f"waiting for {self._who()} to {'end' if 'release' in info else 'start'} ..."

    def transport(self) -> UnixTransport:
        """The way to the runner."""
        return UnixTransport(self._where())

    def _where(self) -> Path:
        """The socket that the lock's holder named; ours where nobody holds it or has named one.

        They differ where a long path has to go below `XDG_RUNTIME_DIR`, and that has changed.
        """
        said = (holder(self.data_dir / "lock") or {}).get("socket")
        if not isinstance(said, str) or not is_held(self.data_dir / "lock"):
            return self.socket
        # Seen from another mount the directory may be found and the path in it not.
        is_here = os.path.isabs(said) and os.path.exists(said)  # noqa: PTH110, PTH117  # never raise
        return Path(said) if is_here else self.socket

    def ensure(self) -> tuple[UnixTransport, ServerInfo | None]:
        """The way to a runner of this release, started where needed; who it is, if just started.

        Raises `EnvironmentProblemError` when it cannot be started; its log is named then.
        """
        if self._answers_fast():
            return self.transport(), None
        return self.ensure_anew()

    def ensure_anew(self) -> tuple[UnixTransport, ServerInfo | None]:
        """`ensure` for who has met a runner that is gone: what its files say is not believed.

        Raises `UnreachableError` as well, for a runner that is there and silent.
        """
        make_usable(self.data_dir)
        info = self.settled()
        if info is not None and self._is_new_enough(info):
            return self.transport(), None
        if info is not None:
            self._make_room(info)
        started = self._start()
        if not self._is_new_enough(started):  # an older client was faster
            self._make_room(started)
            started = self._start()
        return self.transport(), started

    def _is_new_enough(self, info: ServerInfo) -> bool:
        return _version(info.release) >= _version(self.release)

    def _answers_fast(self) -> bool:
        """The lock is held by a runner of this release: a file to read instead of a request.

        The lock itself is asked, not the pid, which may be a zombie's or another program's by now.
        """
        info = holder(self.data_dir / "lock")
        if info is None or info.get("release") != self.release or not self._where().exists():
            return False
        return is_held(self.data_dir / "lock")

    def take_over(self) -> None:
        """Has a runner that is there leave, for whoever wants to be the runner; its tasks go on."""
        make_usable(self.data_dir)
        info = self.settled()
        if info is not None:
            self._make_room(info)

    def _make_room(self, info: ServerInfo) -> None:
        """Has a runner leave: at a step boundary, or interrupted in the end."""
        with contextlib.suppress(UnreachableError):  # it is leaving already
            HttpBackend(self.transport()).drain()
        if self._wait_until_gone(info.pid, DRAIN_LIMIT_S):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(info.pid, signal.SIGTERM)  # in a drain: at once
        if not self._wait_until_gone(info.pid, DRAIN_LIMIT_S):
            raise EnvironmentProblemError(
                f"runner {info.pid} of release {info.release} does not give up {self.data_dir}.",
                hint=f"Stop it by `kill {info.pid}` and try again; nothing finished is lost.",
            )

    def _wait_until_gone(self, pid: int, limit_s: float) -> bool:
        """Nobody holds the lock any more, or already somebody else."""
        wait = _Wait(limit_s, self.tell)
        while is_held(self.data_dir / "lock"):
            info = holder(self.data_dir / "lock")
            if info is not None and info.get("pid") not in (None, pid):
                return True
            if wait.is_over:
                return False
            wait.pause(lambda: f"waiting for the runner {pid} to end its step and leave ...")
        return True

    def _start(self) -> ServerInfo:
        """The runner, ours or that of a client which was faster.

        Whoever was faster may have failed by now: then it is our turn, to succeed or to hear why.
        """
        deadline = _CLOCK.monotonic_s() + START_LIMIT_S
        while True:
            try:
                return self._start_once()
            except _BeatenError as beaten:
                if _CLOCK.monotonic_s() >= deadline:
                    raise beaten.failure from None

    def _start_once(self) -> ServerInfo:
        log = self.data_dir / "logs" / "runner.log"
        offset = log.stat().st_size if log.exists() else 0
        argv = (
            sys.executable,
            *("-m", "ai_orchestrator.runner"),
            *("--data-dir", str(self.data_dir), "--socket", str(self.socket)),
        )
        try:
            pid = start_in_background(argv, self._environment(), log)
        except OSError as error:
            said = f"{error.strerror}: {log}"
            raise self._not_started(_full_disk(self.data_dir) or said) from error
        code = None
        deadline = _CLOCK.monotonic_s() + START_LIMIT_S
        while code is None and _CLOCK.monotonic_s() < deadline:
            info = self.find()
            if info is not None:
                return info
            code = _exit_code(pid)
            time.sleep(_POLL_S)
        silence = _full_disk(self.data_dir) or "it wrote nothing"
        why = _last_words(log, offset, pid) or silence
        failure = self._not_started(why, hint=f"Its log is {log}.")
        if code == ConflictError.exit_code:
            return self._of_another(failure)
        raise failure

    def _not_started(self, why: str, hint: str = "") -> EnvironmentProblemError:
        sentence = why if why.endswith(".") else f"{why}."
        return EnvironmentProblemError(
            f"the runner of {self.data_dir} did not start: {sentence}", hint=hint
        )

    def _of_another(self, failure: EnvironmentProblemError) -> ServerInfo:
        """Who was faster, once it answers.

        Raises `_BeatenError` as soon as it holds the lock no more, `failure` where it holds it for
        longer than a start takes and does not answer.
        """
        first = holder(self.data_dir / "lock")
        deadline = _CLOCK.monotonic_s() + START_LIMIT_S / 3
        while _CLOCK.monotonic_s() < deadline:
            info = self.find()
            if info is not None:
                return info
            now = holder(self.data_dir / "lock")
            if not is_held(self.data_dir / "lock") or _pid(now) != _pid(first):
                raise _BeatenError(failure)
            time.sleep(_POLL_S)
        raise failure

    def _environment(self) -> dict[str, str]:
        kept = {name: self.variables[name] for name in _KEPT_VARIABLES if name in self.variables}
        return {"PATH": _SYSTEM_PATH, "PYTHONUNBUFFERED": "1", **kept}


class _BeatenError(Exception):
    """Somebody else had the lock and has not come up either."""

    def __init__(self, failure: EnvironmentProblemError) -> None:
        self.failure = failure


class _Wait:
    """A bounded wait that is told of, once, when it gets long."""

    def __init__(self, limit_s: float, tell: Callable[[str], None]) -> None:
        self._began_s = _CLOCK.monotonic_s()
        self._limit_s = limit_s
        self._tell: Callable[[str], None] | None = tell

    @property
    def is_over(self) -> bool:
        """The limit is reached."""
        return self._passed_s >= self._limit_s

    def pause(self, reason: Callable[[], str]) -> None:
        """A moment passes; `reason` is what to tell."""
        if self._tell is not None and self._passed_s > TOLD_AFTER_S:
            self._tell(reason())
            self._tell = None
        time.sleep(_POLL_S)

    @property
    def _passed_s(self) -> float:
        return _CLOCK.monotonic_s() - self._began_s


def _version(release: str) -> tuple[int, ...]:
    """A release as numbers, for telling older from newer; what is no number counts as 0."""
    return tuple(int(part) if part.isdigit() else 0 for part in release.split("."))


def _exit_code(pid: int) -> int | None:
    """How our child ended, which is reaped then; None while it runs."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended == pid else None


def _pid(info: Mapping[str, object] | None) -> object:
    return None if info is None else info.get("pid")


def _last_words(log: Path, offset: int, pid: int) -> str:
    """The last line that the start wrote to the log, without its time and place.

    Others may be starting, too, into the same file. What has no head is an interpreter's last.
    """
    lines = log.read_bytes()[offset:].decode("utf-8", "replace").strip().splitlines()
    heads = [_LOG_HEAD.match(line) for line in lines]
    own = [line for line, head in zip(lines, heads, strict=True) if head and head[1] == str(pid)]
    last = [*lines, *own][-1:]
    return _LOG_HEAD.sub("", last[0]) if last else ""


def _full_disk(directory: Path) -> str:
    """A sentence, where the directory's disk has no room for a runner; else nothing."""
    free_bytes = shutil.disk_usage(directory).free
    if free_bytes >= _FULL_BYTES:
        return ""
    return f"the disk is full ({free_bytes // 1024} KiB free). Free some space on it."
