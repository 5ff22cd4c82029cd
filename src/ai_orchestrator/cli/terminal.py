"""What the standard streams are, and text that is safe to show on them.

Imported on every start. Agents, repositories and servers write much of what is shown: nothing of
theirs may move the cursor, change the title or reorder what a person reads.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, DEL, C1
    "\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # marks that reorder text
)

_TASK_ID = re.compile(r"(?<![\w/.-])t-[0-7][0-9a-hjkmnp-tv-z]{25}(?![\w/-])")
_SHORT_ID_CHARS = 8
"""As in `model.ids`; a test holds both equal, importing it would slow `--help`."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """What a command may do with its streams."""

    is_shown: bool
    """stdout is a terminal, of whatever kind: a person looks at it."""
    is_interactive: bool
    """stdout is a terminal that can be redrawn: the live view is possible."""
    is_coloured: bool
    can_ask: bool
    """A person sees stderr and can answer on stdin."""
    columns: int | None = None
    """Characters in a line of the terminal on stdout; None where that is none, or does not say."""


def detect_terminal(is_colour_refused: bool, term: str) -> Terminal:  # noqa: FBT001  # a fact, not a switch
    """What this process's streams are.

    Both parameters come from options that have the environment's NO_COLOR and TERM as defaults.
    """
    is_shown = _is_terminal(sys.stdout)
    is_capable = is_shown and term != "dumb" and not is_colour_refused
    return Terminal(
        is_shown=is_shown,
        is_interactive=is_capable,
        is_coloured=is_capable,
        can_ask=_is_terminal(sys.stdin) and _is_terminal(sys.stderr),
        columns=_columns() if is_shown else None,
    )


def _columns() -> int | None:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except OSError:
        return None


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def clean(text: str) -> str:
    """The text without control characters; tabs and line feeds stay."""
    return _UNSAFE.sub("", text)


def with_short_ids(text: str) -> str:
    """The text with the short forms of whole task ids: people read and type those.

    An id in a path stays, or nobody would find the file.
    """
    return _TASK_ID.sub(lambda found: found[0][-_SHORT_ID_CHARS:], text)


def clean_line(text: str) -> str:
    """The text on one line, without control characters."""
    return " ".join(clean(text).split())


def first_line(text: str) -> str:
    """The first line that says something, without control characters."""
    return clean_line(text.strip().partition("\n")[0])


def clean_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same for a stream of bytes, as UTF-8; a character may be cut by the end of a chunk.

    Decoded, since C1 controls are two bytes in UTF-8, each also a part of ordinary characters.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in chunks:
        yield clean(decoder.decode(chunk)).encode()
    yield clean(decoder.decode(b"", final=True)).encode()
