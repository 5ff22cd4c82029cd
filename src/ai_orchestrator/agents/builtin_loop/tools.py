"""The five tools: read, write, edit, run, search. Paths outside the working directory are refused.

This runs inside the sandbox, which is the real wall; the refusal here tells the model so early, and
holds where the sandbox is off. Commands are started here and not by the spawner: this is an
agent's own program, and the tree it runs in is ended as a whole from outside.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.base.errors import shorten

LIMIT_READ_CHARS = 60_000
LIMIT_OUTPUT_CHARS = 30_000
LIMIT_FILE_BYTES = 2**20
LIMIT_MATCHES = 200
LIMIT_SEARCHED_FILES = 20_000
_HALF = LIMIT_OUTPUT_CHARS // 2
RUN_TIMEOUT_S = 600.0
SEARCH_TIMEOUT_S = 20.0
"""A guess: all of a large repository is read in less."""
REST_LIMIT_S = 0.5
"""How long the output of an ended command is waited for; a daemon of its may hold it for ever."""
SECRETS = ("AI_ORCHESTRATOR_MODEL_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY")
"""Not for the commands that the model runs."""
_SKIPPED = frozenset({".git", "node_modules", ".venv", "__pycache__"})


class ToolError(Exception):
    """The tool could not do it; the message is for the model."""


@dataclass(frozen=True, slots=True)
class Tool:
    """What the model is told of a tool, and what does it."""

    name: str
    description: str
    parameters: Mapping[str, str]
    """Argument -> what it is; all are strings."""
    required: tuple[str, ...]
    act: Callable[[Path, Mapping[str, str]], str]
    writes: bool = False

    def schema(self) -> dict[str, object]:
        """JSON schema of the arguments."""
        properties = {
            name: {"type": "string", "description": text} for name, text in self.parameters.items()
        }
        return {"type": "object", "properties": properties, "required": list(self.required)}


def offered(*, is_read_only: bool, may_run: bool) -> dict[str, Tool]:
    """The tools by name; in read-only mode none that writes files."""
    hidden = {tool.name for tool in TOOLS if tool.writes} if is_read_only else set()
    hidden |= set() if may_run else {"run"}
    return {tool.name: tool for tool in TOOLS if tool.name not in hidden}


def call(tools: Mapping[str, Tool], root: Path, name: str, arguments: Mapping[str, object]) -> str:
    """What the tool says. Raises `ToolError`."""
    tool = tools.get(name)
    if tool is None:
        raise ToolError(f"no tool {name!r}. Known: {', '.join(tools)}")
    given = {key: value for key, value in arguments.items() if isinstance(value, str)}
    missing = [key for key in tool.required if key not in given]
    if missing:
        raise ToolError(f"{name} needs {', '.join(missing)} (a string each)")
    try:
        return tool.act(root, given)
    except OSError as error:
        raise ToolError(f"{name}: {error.strerror or error}") from error
    except (ValueError, OverflowError, RecursionError) as error:
        # A NUL in a command, half a character, a count too large: the model's to mend.
        raise ToolError(f"{name}: {shorten(str(error))}") from error


def read(root: Path, given: Mapping[str, str]) -> str:
    """The file's text, or a directory's names."""
    path = inside(root, given["path"])
    if path.is_dir():
        return "\n".join(sorted(_shown(entry) for entry in path.iterdir()))
    _check_regular(path)
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(LIMIT_READ_CHARS + 1)
    if len(text) <= LIMIT_READ_CHARS:
        return text
    return f"{text[:LIMIT_READ_CHARS]}\n[cut here; use run with sed -n to see more]"


def write(root: Path, given: Mapping[str, str]) -> str:
    """Creates the file or replaces all of it."""
    path = inside(root, given["path"])
    if path.exists():
        _check_regular(path)  # a pipe would never be opened
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(given["content"])
    return f"wrote {len(given['content'])} characters to {given['path']}"


def edit(root: Path, given: Mapping[str, str]) -> str:
    """Replaces the one place where `old` stands."""
    path = inside(root, given["path"])
    _check_regular(path)
    with path.open(encoding="utf-8", newline="") as file:
        text = file.read()
    count = text.count(given["old"]) if given["old"] else 0
    if count != 1:
        raise ToolError(f"old stands {count} times in {given['path']}; it has to be there once")
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text.replace(given["old"], given["new"]))
    return f"edited {given['path']}"


def run(root: Path, given: Mapping[str, str]) -> str:
    """Output and exit code of a shell command; it is ended after its time."""
    env = {name: value for name, value in os.environ.items() if name not in SECRETS}
    process = subprocess.Popen(
        ["/bin/sh", "-c", given["command"]],
        cwd=root,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout as stream, _Handle(process.pid) as handle:
        output, is_late = _Output(), False
        has_ended, is_open = _read_while(stream.fileno(), handle, output, RUN_TIMEOUT_S)
        if not has_ended:
            is_late = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        if is_open:
            _, is_open = _read_while(stream.fileno(), None, output, REST_LIMIT_S)
        process.wait()
    late = f"\n[ended after {RUN_TIMEOUT_S:g} s]" if is_late else ""
    held = "\n[something that it started goes on, unheard from here]" if is_open else ""
    return f"{output.text}{late}{held}\n[exit code {process.returncode}]"


def search(root: Path, given: Mapping[str, str]) -> str:
    """Lines that match, as path:line: text. Raises `ToolError` where that takes too long."""
    try:
        pattern = re.compile(given["pattern"])
    except re.error as error:
        raise ToolError(f"search: no regular expression: {error}") from error
    start = inside(root, given.get("path", "."))
    with _at_most(SEARCH_TIMEOUT_S):
        return _found(root, start, pattern)


def _found(root: Path, start: Path, pattern: re.Pattern[str]) -> str:
    found: list[str] = []
    for path in _files(start):
        for number, line in _lines(path):
            if pattern.search(line):
                found.append(f"{path.relative_to(root)}:{number}: {line[:300]}")
            if len(found) >= LIMIT_MATCHES:
                return "\n".join([*found, f"[the first {LIMIT_MATCHES} matches]"])
    return "\n".join(found) or "no match"


@contextlib.contextmanager
def _at_most(limit_s: float) -> Iterator[None]:
    """Ends a search that does not come to an end: some expressions take ages on one line.

    By a signal, which matching looks for now and then; nothing else stops it.
    """

    def stop(*_: object) -> None:
        raise ToolError(
            f"search: stopped after {limit_s:g} s: use a simpler expression, or name a path"
        )

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)  # one that comes now is too late
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def inside(root: Path, named: str) -> Path:
    """The path, with links resolved, below the working directory. Raises `ToolError`."""
    if "\0" in named:
        raise ToolError("a path holds no NUL")
    path = Path(os.path.realpath(root / named))
    if path != root and root not in path.parents:
        raise ToolError(f"{named} is outside the working directory {root}")
    return path


class _Handle:
    """A descriptor that is readable when the process has ended."""

    def __init__(self, pid: int) -> None:
        self._fd = os.pidfd_open(pid)

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _read_while(
    pipe: int, handle: int | None, output: _Output, limit_s: float
) -> tuple[bool, bool]:
    """Reads until the process ends, or the pipe where there is no handle, within the limit.

    Whether the process has ended, and whether the pipe is still open: a daemon may hold it.
    """
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    if handle is not None:
        poll.register(handle, select.POLLIN)
    deadline_s, is_open = time.monotonic() + limit_s, True
    while (left_s := deadline_s - time.monotonic()) > 0:
        ready = [fd for fd, _ in poll.poll(left_s * 1000)]
        if pipe in ready:
            is_open = output.add(os.read(pipe, 65536))
            if is_open:
                continue  # what it printed before its end first
            poll.unregister(pipe)
        if not is_open and handle is None:
            return True, False
        if handle in ready:
            return True, is_open
    return False, is_open


class _Output:
    """The beginning and the end of what a command prints."""

    def __init__(self) -> None:
        self._head, self._tail, self._size = b"", b"", 0

    def add(self, chunk: bytes) -> bool:
        """Takes a chunk; False at the end, which is an empty one."""
        self._size += len(chunk)
        room = max(_HALF - len(self._head), 0)
        self._head += chunk[:room]
        self._tail = (self._tail + chunk[room:])[-_HALF:]
        return bool(chunk)

    @property
    def text(self) -> str:
        """What is kept, and how much is not."""
        left_out = self._size - 2 * _HALF
        middle = b"" if left_out <= 0 else b"\n[... %d bytes left out ...]\n" % left_out
        return (self._head + middle + self._tail).decode("utf-8", "replace")


def _files(start: Path) -> Iterator[Path]:
    if start.is_file():
        yield start
        return
    seen = 0
    for folder, folders, names in os.walk(start):
        folders[:] = sorted(set(folders) - _SKIPPED)
        for name in sorted(names):
            seen += 1
            if seen > LIMIT_SEARCHED_FILES:
                return
            yield Path(folder, name)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The numbered lines of a text file; none of what is large, binary, no file or unreadable."""
    try:
        if not path.is_file() or path.is_symlink() or path.stat().st_size > LIMIT_FILE_BYTES:
            return
        content = path.read_bytes()
    except OSError:
        return
    if b"\0" not in content[:8192]:
        yield from enumerate(content.decode("utf-8", "replace").splitlines(), start=1)


def _check_regular(path: Path) -> None:
    if not path.is_file():
        raise ToolError(f"{path.name} does not exist or is no file")


def _shown(entry: Path) -> str:
    return f"{entry.name}/" if entry.is_dir() else entry.name


_PATH = "a path relative to the working directory"

TOOLS = (
    Tool("read", "Reads a file, or lists a directory.", {"path": _PATH}, ("path",), read),
    Tool(
        "write",
        "Creates a file or replaces its whole content. Use edit for small changes.",
        {"path": _PATH, "content": "the whole text of the file"},
        ("path", "content"),
        write,
        writes=True,
    ),
    Tool(
        "edit",
        "Replaces text in a file. old must stand there exactly once, with its white space.",
        {"path": _PATH, "old": "the text as it is", "new": "the text as it shall be"},
        ("path", "old", "new"),
        edit,
        writes=True,
    ),
    Tool(
        "run",
        "Runs a shell command in the working directory and returns its output and exit code.",
        {"command": "for /bin/sh; must end by itself"},
        ("command",),
        run,
    ),
    Tool(
        "search",
        "Finds lines that match a regular expression.",
        {"pattern": "a Python regular expression", "path": f"{_PATH}; all of it when left out"},
        ("pattern",),
        search,
    ),
)
