"""Takes secrets out of texts and byte streams: the values of running tasks, and well-known keys.

One `Redactor` per process, made by `wiring`: whoever starts a task adds its values and removes
them at its end; the store's sink and the agents' logs ask it. A secret becomes `[redacted:NAME]`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ai_orchestrator.security.patterns import LIMIT_BYTES, PATTERNS, Pattern
from ai_orchestrator.security.secret_forms import forms_of

_PREFIX_BYTES = 8  # as long as the shortest form: enough to be rare, short enough to compile fast
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]")
_ENCODING = ("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class _Found:
    """A secret in a text."""

    start: int
    end: int
    name: bytes


@dataclass(frozen=True, slots=True)
class _Undecided:
    """A secret may begin here: what has been read ends too early to tell."""

    start: int


@dataclass(frozen=True, slots=True)
class _Form:
    """One shape of one secret value."""

    content: bytes
    name: bytes


@dataclass(frozen=True, slots=True)
class _Searcher:
    """Everything that is looked for at one time. Immutable, so that readers need no lock."""

    starts: re.Pattern[bytes]
    """Finds places worth a closer look: few in ordinary text."""
    forms: Mapping[bytes, tuple[_Form, ...]]
    """By their first bytes, longest first."""
    patterns: tuple[Pattern, ...]
    partial_starts: frozenset[bytes] = field(repr=False)
    """Every proper beginning of what `starts` finds."""
    longest_start: int

    def next(self, text: bytes, position: int, *, is_end: bool) -> _Found | _Undecided | None:
        """The first secret at or after a position. `is_end`: no more text will follow."""
        decided_to = len(text) if is_end else self._cut_off_start(text, position)
        while (candidate := self.starts.search(text, position)) is not None:
            at = candidate.start()
            if at > decided_to:
                break
            seen = self._look(text, at, is_end=is_end)
            if seen is not None:
                return seen
            position = at + 1
        return _Undecided(decided_to) if decided_to < len(text) else None

    def _look(self, text: bytes, at: int, *, is_end: bool) -> _Found | _Undecided | None:
        for form in self.forms.get(text[at : at + _PREFIX_BYTES], ()):
            if text.startswith(form.content, at):
                return _Found(at, at + len(form.content), form.name)
            if not is_end and form.content.startswith(text[at : at + len(form.content)]):
                return _Undecided(at)
        for pattern in self.patterns:
            if text.startswith(pattern.starts, at):
                seen = _look_closely(pattern, text, at, is_end=is_end)
                if seen is not None:
                    return seen
        return None

    def _cut_off_start(self, text: bytes, position: int) -> int:
        """Where a start begins that the end of the text cuts off; the end where none does."""
        for length in range(min(self.longest_start - 1, len(text) - position), 0, -1):
            if text[-length:] in self.partial_starts:
                return len(text) - length
        return len(text)


def _look_closely(
    pattern: Pattern, text: bytes, at: int, *, is_end: bool
) -> _Found | _Undecided | None:
    limit = at + LIMIT_BYTES
    found = pattern.whole.match(text, at, limit)
    is_closed = found is not None and found.groupdict().get("end") is not None
    if not is_end and not is_closed and len(text) < limit:
        reach = pattern.reach.match(text, at, limit)
        if reach is not None and reach.end() == len(text):
            return _Undecided(at)
    if found is None:
        return None
    return _Found(found.start("secret"), found.end("secret"), pattern.name.encode())


class Redactor:
    """Knows what is secret now. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: dict[str, tuple[_Form, ...]] = {}
        self._searcher = _searcher(())

    def add(self, task_id: str, secrets: Mapping[str, str]) -> None:
        """Looks for the values (at least 8 characters long) from now on; `secrets` is by name.

        Replaces what was added for the task before.
        """
        forms = tuple(
            _Form(content, _NOT_IN_NAMES.sub("_", name).encode())
            for name, value in sorted(secrets.items())
            for content in forms_of(value)
        )
        with self._lock:
            self._forms[task_id] = forms
            self._renew()

    def remove(self, task_id: str) -> None:
        """Looks for a task's values no more; an unknown task changes nothing."""
        with self._lock:
            if self._forms.pop(task_id, ()):
                self._renew()

    def redact(self, text: str) -> str:
        """The text with every secret replaced; the same object where there is none."""
        raw = text.encode(*_ENCODING)
        redacted = self.redact_bytes(raw)
        return text if redacted is raw else redacted.decode(*_ENCODING)

    def redact_bytes(self, text: bytes) -> bytes:
        """The bytes with every secret replaced; the same object where there is none."""
        redacted, _ = self.scan(text, 0, is_end=True)
        return text if redacted is None else redacted

    def new_stream(self) -> StreamRedactor:
        """For a text that comes in pieces."""
        return StreamRedactor(self)

    def scan(self, text: bytes, start: int, *, is_end: bool) -> tuple[bytes | None, int]:
        """What is decided of `text[start:]`, redacted (None: unchanged), and where that ends.

        What stands before `start` is only looked back at.
        """
        searcher = self._searcher
        pieces: list[bytes] = []
        position = start
        while True:
            seen = searcher.next(text, position, is_end=is_end)
            if not isinstance(seen, _Found):
                break
            pieces += (text[position : seen.start], b"[redacted:", seen.name, b"]")
            position = seen.end
        end = len(text) if seen is None else seen.start
        if not pieces:
            return None, end
        pieces.append(text[position:end])
        return b"".join(pieces), end

    def _renew(self) -> None:
        self._searcher = _searcher(form for forms in self._forms.values() for form in forms)


class StreamRedactor:
    """Redacts a stream as if it were one text. For one reader; give bytes or text, not both.

    Only what could be the beginning of a secret is held back, at most about 16 KB.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""
        self._before = b""
        """The last byte that was given out, as it was: some keys begin only outside a word."""

    def feed(self, chunk: bytes) -> bytes:
        """What is decided by now."""
        return self._advance(chunk, is_end=False)

    def finish(self) -> bytes:
        """What was held back; the stream begins anew."""
        rest = self._advance(b"", is_end=True)
        self._before = b""
        return rest

    def feed_text(self, text: str) -> str:
        """`feed` for text: never cuts a character, since no secret begins within one."""
        return self.feed(text.encode(*_ENCODING)).decode(*_ENCODING)

    def finish_text(self) -> str:
        """`finish` for text."""
        return self.finish().decode(*_ENCODING)

    def _advance(self, chunk: bytes, *, is_end: bool) -> bytes:
        text = self._before + self._held + chunk
        start = len(self._before)
        redacted, end = self._redactor.scan(text, start, is_end=is_end)
        self._held = text[end:]
        if end > start:
            self._before = text[end - 1 : end]
        return text[start:end] if redacted is None else redacted


def _searcher(forms: Iterable[_Form]) -> _Searcher:
    by_prefix: dict[bytes, dict[bytes, _Form]] = {}
    for form in forms:
        by_prefix.setdefault(form.content[:_PREFIX_BYTES], {})[form.content] = form
    starts = set(by_prefix)
    for pattern in PATTERNS:
        starts.update(pattern.starts)
    partial = {start[:length] for start in starts for length in range(1, len(start))}
    return _Searcher(
        starts=re.compile(_alternatives(starts)),
        forms={
            prefix: tuple(sorted(some.values(), key=lambda form: -len(form.content)))
            for prefix, some in by_prefix.items()
        },
        patterns=PATTERNS,
        partial_starts=frozenset(partial),
        longest_start=max(map(len, starts)),
    )


def _alternatives(words: Iterable[bytes]) -> bytes:
    """A regular expression for any of the words, as a tree: each byte is compared once."""
    tails: dict[bytes, set[bytes]] = {}
    for word in words:
        if not word:
            return b""  # a shorter word ends here, and finding the start is all that is wanted
        tails.setdefault(word[:1], set()).add(word[1:])
    branches = [re.escape(first) + _alternatives(tails[first]) for first in sorted(tails)]
    return branches[0] if len(branches) == 1 else b"(?:" + b"|".join(branches) + b")"
