"""Logins that the orchestrator keeps: a state directory for each account, `<data>/accounts/NAME`.

Filled by the vendor's own login (`services/login.py`), lent by the host to one run at a time. Only
the files of the login stay in it. Everything else that a run leaves there is removed before the
next one: settings with hooks, transcripts, copies of edited files. So no task reads another's, and
none leaves a trap for another or for the person who logs in again. Login files are never copied or
linked: programs replace them by rename. Blocking work happens in threads here.
"""

from __future__ import annotations

import asyncio
import re
import stat
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from ai_orchestrator.agents.base import Login
from ai_orchestrator.agents.files import read_bounded
from ai_orchestrator.agents.turns import TurnLimitError, Turns
from ai_orchestrator.base.beside import until_done
from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.base.lockfile import Held, acquire
from ai_orchestrator.model.agent import AgentEvent, WaitSeen
from ai_orchestrator.model.orders import AgentEventSink

ACCOUNTS_FOLDER = "accounts"
"""In the data directory."""
LIMIT_LOGIN_BYTES = 2**20
"""A guess, far above any login file."""
_LOCK_PAUSE_S = 0.25
"""A person who logs in takes a minute or more."""
SECRETS_KEPT = 64
"""Per account, beside as many that its run found: what was renewed is still looked for, since late
events may hold it."""
_SECRET = re.compile(r"[!-~]{16,}")
"""What a token may consist of. Shorter values are names of plans and the like, or numbers."""
_WORD = re.compile(r"[^\s\"',;:{}\[\]]{16,}")

Discard = Callable[[Path], None]
"""Removes whatever is at a path, also what an agent made hard to remove; follows no link."""
Learn = Callable[[str, Mapping[str, str]], None]
"""Has an owner's secrets, by name, redacted from now on."""


def is_login(path: Path) -> bool:
    """A regular file with something in it, not a link that an agent may have left."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


def lock_of(directory: Path) -> Path:
    """The lock of whoever uses a login or makes it anew; no account's name has a dot."""
    return directory.with_name(f"{directory.name}.lock")


def keep_only_login(directory: Path, login: Login, discard: Discard) -> None:
    """Nothing but the files of the login is in the directory, and it is open to its owner only."""
    directory.chmod(0o700)
    for path in directory.iterdir():
        if path.name not in login.login_files or not is_login(path):
            discard(path)


class VendorHomes:
    """All directories of this kind. `root`: the folder `accounts` of the data directory."""

    def __init__(self, root: Path, *, discard: Discard, learn: Learn) -> None:
        self._root = root
        self._discard = discard
        self._learn = learn
        self._turns = Turns()
        self._known: dict[str, _Known] = {}

    def home(self, directory: Path | None, login: Login) -> VendorHome | None:
        """The home at that directory; None for what is no directory of ours."""
        if directory is None or directory.parent != self._root:
            return None
        known = self._known.setdefault(directory.name, _Known(directory.name, self._learn))
        return VendorHome(directory, login, self._turns, self._discard, known)


class VendorHome:
    """One account's directory, for one run."""

    def __init__(
        self, directory: Path, login: Login, turns: Turns, discard: Discard, known: _Known
    ) -> None:
        self._directory = directory
        self._login = login
        self._turns = turns
        self._discard = discard
        self._known = known

    @property
    def name(self) -> str:
        """Of the account."""
        return self._directory.name

    @asynccontextmanager
    async def lent(self, *, limit_s: float, on_event: AgentEventSink) -> AsyncIterator[None]:
        """For the block nobody else uses the account, and its directory holds a login only.

        Tells where it has to wait, and when that is over. Raises `TurnLimitError` where it waited
        in vain, `EnvironmentProblemError` where nobody logged in.
        """
        waiting = _Waiting(self.name, on_event)
        async with self._turns.turn(self.name, limit_s=limit_s, on_wait=waiting.begin):
            held = await self._lock(limit_s, waiting)
            try:
                waiting.end()
                await _in_thread(self._make_ready)
                try:
                    yield
                finally:
                    await _in_thread(self._tidy)
            finally:
                held.release()

    async def _lock(self, limit_s: float, waiting: _Waiting) -> Held:
        """The lock that keeps a person from logging in meanwhile; waited for while one does."""
        path = lock_of(self._directory)
        try:
            async with asyncio.timeout(limit_s):
                while (held := acquire(path)) is None:
                    waiting.begin()
                    await asyncio.sleep(_LOCK_PAUSE_S)
        except FileNotFoundError as error:
            raise self._no_login() from error
        except TimeoutError as error:
            raise TurnLimitError from error
        return held

    def look(self) -> None:
        """Has the login's secrets redacted, also those that the program wrote just now. Quick."""
        self._known.look(self._login_files())

    def seeing(self, on_event: AgentEventSink) -> AgentEventSink:
        """The same sink, after a look."""

        def look_and_see(event: AgentEvent) -> None:
            self.look()
            on_event(event)

        return look_and_see

    async def show_sessions(self, sessions: Path | None) -> None:
        """Makes the sessions folder: a link to the task's own, or a place to lay that over (None).

        Only while it is lent.
        """
        await _in_thread(lambda: self._show_sessions(sessions))

    def _show_sessions(self, sessions: Path | None) -> None:
        assert self._login.sessions_folder is not None, "only logins of such vendors are kept"
        place = self._directory / self._login.sessions_folder
        self._discard(place)
        if sessions is None:
            place.mkdir(mode=0o700)
        else:
            place.symlink_to(sessions, target_is_directory=True)

    def _make_ready(self) -> None:
        if not self._directory.is_symlink() and self._directory.is_dir():
            self._tidy()
        if not any(is_login(path) for path in self._login_files()):
            raise self._no_login()
        self._known.begin(self._login_files())

    def _no_login(self) -> EnvironmentProblemError:
        return EnvironmentProblemError(
            f"account {self.name!r} holds no login.",
            hint=f"Type: ai-orchestrator agents login {self.name}",
        )

    def _tidy(self) -> None:
        with suppress(FileNotFoundError):  # somebody removed the account while it was in use
            keep_only_login(self._directory, self._login, self._discard)

    def _login_files(self) -> list[Path]:
        return [self._directory / name for name in self._login.login_files]


class _Waiting:
    """Tells once that a run waits, and once that it does no longer."""

    def __init__(self, account: str, on_event: AgentEventSink) -> None:
        self._account = account
        self._on_event = on_event
        self._is_told = False

    def begin(self) -> None:
        """It waits."""
        if not self._is_told:
            self._is_told = True
            self._on_event(WaitSeen(self._account))

    def end(self) -> None:
        """It has its turn."""
        if self._is_told:
            self._on_event(WaitSeen(self._account, is_over=True))


class _Known:
    """The secrets of one account that were seen so far."""

    def __init__(self, name: str, learn: Learn) -> None:
        self._owner = f"account:{name}"
        self._learn = learn
        self._lock = threading.Lock()
        self._seen: dict[Path, tuple[int, int, int]] = {}
        self._secrets: dict[str, str] = {}
        """Value to name, oldest first."""
        self._began_with: dict[str, str] = {}
        """Those of the login as a run found it: no number of others, however made up, drives them
        out."""

    def begin(self, files: list[Path]) -> None:
        """A run begins: what the files hold now was written by the login or the run before."""
        with self._lock:
            self._began_with = _secrets_in(files)
        self.look(files)

    def look(self, files: list[Path]) -> None:
        """Reads the files that changed since the last look."""
        with self._lock:
            changed = [path for path in files if self._has_changed(path)]
            found = _secrets_in(changed)
            if found.keys() <= self._secrets.keys():
                return
            latest = [*(self._secrets | found).items()][-SECRETS_KEPT:]
            first = [*self._began_with.items()][:SECRETS_KEPT]
            self._secrets = dict(first) | dict(latest)
            self._learn(self._owner, _by_name(self._secrets))

    def _has_changed(self, path: Path) -> bool:
        try:
            status = path.lstat()
        except OSError:
            return False
        now = (status.st_ino, status.st_mtime_ns, status.st_size)
        before, self._seen[path] = self._seen.get(path), now
        return now != before


def _secrets_in(files: list[Path]) -> dict[str, str]:
    """Of all the files, value to name."""
    found: dict[str, str] = {}
    for path in files:
        found |= _secrets_of(read_bounded(path, LIMIT_LOGIN_BYTES) or b"")
    return found


def _secrets_of(content: bytes) -> dict[str, str]:
    """What in a login file may be secret, with a name for it; every long word where it is no JSON.

    Rather too much: a name of a scope that is taken for a secret harms nobody.
    """
    try:
        found = dict(_long_strings(msgspec.json.decode(content), "login"))
    except (msgspec.DecodeError, RecursionError):
        found = {}
    if found:
        return found
    return dict.fromkeys(_WORD.findall(content.decode("utf-8", "replace")), "login")


def _long_strings(value: object, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if _SECRET.fullmatch(value):
            yield value, name
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _long_strings(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _long_strings(inner, name)


def _by_name(secrets: Mapping[str, str]) -> dict[str, str]:
    """Name to value; what is called alike is numbered."""
    named: dict[str, str] = {}
    for value, name in secrets.items():
        number = sum(1 for known in named if known.partition(".")[0] == name)
        named[f"{name}.{number}" if number else name] = value
    return named


async def _in_thread(work: Callable[[], None]) -> None:
    """The work's end, also when cancelled meanwhile: the turn must not pass on before it."""
    working = asyncio.create_task(asyncio.to_thread(work))
    if await until_done(working):
        raise asyncio.CancelledError
    working.result()
