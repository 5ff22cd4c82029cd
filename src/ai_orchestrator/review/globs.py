"""Patterns of paths as git reads them in `.gitignore`, for `protected:` and `setup_files:`. Pure.

`*` and `?` stay within one name, `**` goes over folders. A pattern without a slash (a trailing one
does not count) matches at any depth, one with a slash from the top. What names a folder covers all
that is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from ai_orchestrator.base.errors import BadInputError

_TOKEN = re.compile(r"/\*\*/|^\*\*/|/\*\*$|\*+|\?|\[!?\]?[^\]/]*\]|\\.|.", re.DOTALL)
_SPECIAL = {"/**/": "/(?:.*/)?", "**/": "(?:.*/)?", "/**": "/.*", "?": "[^/]"}


def matching(paths: Iterable[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """The paths that some pattern matches, in their order. Raises `BadInputError` like `check`."""
    compiled = [_compiled(pattern) for pattern in patterns]
    return tuple(path for path in paths if any(one.match(path) for one in compiled))


def check(pattern: str) -> None:
    """Raises `BadInputError` for a pattern that we do not read as git does."""
    _compiled(pattern)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    if pattern.startswith("!"):
        raise BadInputError(
            f"pattern {pattern!r}: exceptions are not supported.",
            hint="List only the patterns that are meant.",
        )
    body = pattern.strip().removesuffix("/")
    if not body.strip("/"):
        raise BadInputError(f"pattern {pattern!r} is empty.")
    anchored = body.removeprefix("/") if "/" in body else f"**/{body}"
    text = "".join(_translated(token[0]) for token in _TOKEN.finditer(anchored))
    try:
        return re.compile(f"{text}(?:/.*)?\\Z", re.DOTALL)
    except re.error as error:
        raise BadInputError(f"pattern {pattern!r} cannot be read: {error}.") from error


def _translated(token: str) -> str:
    if token in _SPECIAL:
        return _SPECIAL[token]
    if token.startswith("*"):
        return "[^/]*"
    if token.startswith("[") and len(token) > 1:
        negated = token.startswith("[!")
        inner = token[2:-1] if negated else token[1:-1]
        escaped = inner.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
        return f"(?!/)[{'^' if negated else ''}{escaped}]"
    return re.escape(token.removeprefix("\\") if len(token) > 1 else token)
