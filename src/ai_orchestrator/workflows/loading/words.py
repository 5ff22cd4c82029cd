"""Short texts of a document made into values: durations, command lines, names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from ai_orchestrator.workflows.loading.document import MAX_DURATION_S

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.", re.DOTALL)
_SHELL = re.compile(r"[|&;<>()\n`$*?]")
_EXPANDED_IN_QUOTES = re.compile(r"(?<!\\)[`$]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_PLAIN_WORD = re.compile(r"[a-z][a-z0-9_-]*")
_PYTHON = re.compile(r"python[0-9.]*")


def duration_s(value: float | str) -> float:
    """Seconds, from a number of seconds or a text such as `90s` or `1h30m`.

    Raises `ValueError` for nothing, for more than 30 days, and for a text of another form.
    """
    seconds = value if isinstance(value, int | float) else _parsed_s(value)
    if not 0 < seconds <= MAX_DURATION_S:
        raise ValueError("a duration is more than nothing and at most 30 days")
    return float(seconds)


def _parsed_s(text: str) -> float:
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("a duration is a number of seconds, or such as 30s, 10m or 2h")
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def argv(command: str | Sequence[str]) -> tuple[str, ...]:
    """The words of a command. A line that needs a shell becomes `sh -c LINE`.

    Raises `ValueError` for a quote that is not closed, an empty command and a NUL character.
    """
    if isinstance(command, str):
        words = split_line(command)
        if needs_shell(command):
            words = ("sh", "-c", command.strip())
    else:
        words = tuple(command)
    if not words or not words[0].strip():
        raise ValueError("the command is empty")
    if any("\0" in word for word in words):
        raise ValueError("a command cannot hold a NUL character")
    return words


def split_line(line: str) -> tuple[str, ...]:
    """The words of a line by the shell's quoting, without expansions."""
    try:
        return tuple(shlex.split(line))
    except ValueError as error:
        raise ValueError(f"the command cannot be split into words: {error}") from error


def needs_shell(line: str) -> bool:
    """The line uses what only a shell does: operators, variables, patterns, assignments."""
    text = line.strip()
    if _ASSIGNMENT.match(text):
        return True
    in_quotes = [quoted for quoted in _QUOTED.findall(text) if quoted.startswith('"')]
    return _SHELL.search(_QUOTED.sub("", text)) is not None or any(
        _EXPANDED_IN_QUOTES.search(quoted) for quoted in in_quotes
    )


def command_name(command: str | Sequence[str]) -> str:
    """A short name for people: `pytest`, `npm-run-lint`, `make-test`."""
    words = list(split_line(command) if isinstance(command, str) else command)
    while len(words) > 1 and _ASSIGNMENT.match(words[0]):
        words = words[1:]
    program = PurePosixPath(words[0]).name.lower()
    rest = words[1:]
    if _PYTHON.fullmatch(program) and rest[:1] == ["-m"] and len(rest) > 1:
        program, rest = rest[1], rest[2:]
    named = [program]
    for word in rest[:2]:
        if not _PLAIN_WORD.fullmatch(word):
            break
        named.append(word)
    return slug("-".join(named), "command")


def slug(text: str, default: str) -> str:
    """The text as a name: lower-case letters, digits and single hyphens, at most 40 of them."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-") or default


def numbered(names: Iterable[str], taken: Iterable[str] = (), *, mark: str) -> list[str]:
    """The names with repeats made different: `name`, `name<mark>2`, `name<mark>3`."""
    used = set(taken)
    result = []
    for name in names:
        unique, count = name, 1
        while unique in used:
            count += 1
            unique = f"{name}{mark}{count}"
        used.add(unique)
        result.append(unique)
    return result


def leaves_repository(path: str) -> bool:
    """The path is absolute, or climbs out by `..`."""
    return path.startswith(("/", "~")) or ".." in PurePosixPath(path).parts or "\0" in path
