"""By what the result of `setup:` is found again: the digest of all that it depends on. Pure.

Called by `setup_cache`. Lock files and manifests always count. The other files count as well unless
every command is known to follow its lock files (`installers`), or the user has named the files that
count (`setup_files:`).
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ai_orchestrator.review.globs import matching
from ai_orchestrator.workspace.diff import GITLINK_MODE
from ai_orchestrator.workspace.installers import (
    Family,
    Manifest,
    decides,
    family,
    is_manifest,
    takes_sources,
)

_FORM = b"1"
"""To be raised when what is kept changes its form, so that nobody takes the old for the new."""

_BUILD_FILE = "binding.gyp"
"""Where it lies, npm compiles sources without being told by any script."""


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of a commit, as our index has it."""

    path: str
    mode: str
    blob: str

    @property
    def is_submodule(self) -> bool:
        """A link to a commit of another repository."""
        return self.mode == GITLINK_MODE


@dataclass(frozen=True, slots=True)
class Tool:
    """A program on the PATH, as far as its version shows without running it."""

    name: str
    place: str
    """Where its links end."""
    mtime_ns: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the result depends on beside the files of the commit."""

    commands: tuple[tuple[str, ...], ...]
    seen_at: str
    """Where the commands see the tree: installed programs may hold the path."""
    machine: str
    """Kind of processor and system."""
    tools: tuple[Tool, ...]
    furnished: tuple[str, ...]
    """Path and state of what `copy:` and `link:` brought."""


def parse_listing(listing: bytes) -> tuple[TreeFile, ...]:
    """The files in the output of `ls-files --stage -z`."""
    records = [os.fsdecode(record).partition("\t") for record in listing.split(b"\0") if record]
    split = [(path, *head.split(" ")) for head, _, path in records]
    return tuple(TreeFile(path, mode, blob) for path, mode, blob, *_ in split)


def parse_blobs(output: bytes) -> list[str]:
    """The texts in the output of `cat-file --batch`, one for each id that was asked for."""
    texts, at = [], 0
    while at < len(output):
        begin = output.index(b"\n", at) + 1
        end = begin + int(output[at:begin].rsplit(b" ", 1)[-1])
        texts.append(output[begin:end].decode(errors="replace"))
        at = end + 1
    return texts


def telling_files(
    commands: Sequence[Sequence[str]], files: Sequence[TreeFile], declared: Sequence[str] | None
) -> tuple[TreeFile, ...]:
    """The files whose texts say whether lock files are enough; none where that is settled."""
    families = _families(commands, files)
    if declared is not None or families is None:
        return ()
    return tuple(file for file in files if decides(file.path, families))


def files_that_count(
    commands: Sequence[Sequence[str]],
    files: Sequence[TreeFile],
    declared: Sequence[str] | None,
    manifests: Iterable[Manifest],
) -> tuple[TreeFile, ...]:
    """The files on which the result depends, as far as is known; `manifests`: the telling ones."""
    if declared is None and not _follows_locks(commands, files, manifests):
        return tuple(files)
    named = _words(commands) | set(matching((file.path for file in files), declared or ()))
    return tuple(file for file in files if is_manifest(file.path) or file.path in named)


def _follows_locks(
    commands: Sequence[Sequence[str]], files: Sequence[TreeFile], manifests: Iterable[Manifest]
) -> bool:
    families = _families(commands, files)
    if families is None or any(map(takes_sources, manifests)):
        return False
    return "javascript" not in families or not any(
        posixpath.basename(file.path) == _BUILD_FILE for file in files
    )


def _families(
    commands: Sequence[Sequence[str]], files: Sequence[TreeFile]
) -> frozenset[Family] | None:
    """None where some command may read anything, such as a program of the repository."""
    paths = {file.path for file in files}
    families = [None if posixpath.normpath(argv[0]) in paths else family(argv) for argv in commands]
    known = frozenset(one for one in families if one is not None)
    return known if all(one is not None for one in families) else None


def _words(commands: Sequence[Sequence[str]]) -> set[str]:
    """Whatever in the command lines may be the path of a file."""
    return {posixpath.normpath(word) for word in words_of(commands)}


def words_of(commands: Iterable[Sequence[str]]) -> frozenset[str]:
    """The words of command lines, and those of the shell commands within them."""
    words = [word for argv in commands for word in argv]
    return frozenset(part for word in words for part in (word, *_shell_words(word)) if part)


def _shell_words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:  # a quote that nothing closes: this is no shell command
        return []


def setup_key(circumstances: Circumstances, files: Sequence[TreeFile]) -> str:
    """The digest, as hexadecimal; the order of the files does not matter."""
    counted = sorted((file.path, file.mode, file.blob) for file in files)
    tools = [
        (tool.name, tool.place, str(tool.mtime_ns), str(tool.size_bytes))
        for tool in circumstances.tools
    ]
    sections = (
        _FORM,
        _framed(_texts(argv) for argv in circumstances.commands),
        _texts((circumstances.seen_at, circumstances.machine)),
        _framed(map(_texts, sorted(tools))),
        _texts(circumstances.furnished),
        _framed(map(_texts, counted)),
    )
    return hashlib.sha256(_framed(sections)).hexdigest()


def _texts(parts: Iterable[str]) -> bytes:
    return _framed(map(os.fsencode, parts))


def _framed(parts: Iterable[bytes]) -> bytes:
    """Each part with its length before it, so that no two lists look the same."""
    return b"".join(b"%d:%s" % (len(part), part) for part in parts)
