"""Tests that a change removed or switched off, told from the texts of the test files.

An agent that cannot make a test pass may be tempted to make it go away: every such loss becomes a
finding. Strings and comments do not count, so a test wrapped in a string is gone. `protection.py`
asks here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ai_orchestrator.model.review import Finding, Severity
from ai_orchestrator.review.languages import Language, blanked, language_of, name_of

TEXT_LIMIT_CHARS = 1_000_000
"""No test file that people keep is longer; what is beyond it is not read."""
NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class FileTexts:
    """A changed file before and after; None where it does not exist."""

    path: str
    base: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class _Test:
    name: str
    body: str


@dataclass(frozen=True, slots=True)
class _Read:
    """What a text holds of tests. Each text is read once: blanking it is the dear part."""

    tests: tuple[_Test, ...] = ()
    skips: tuple[tuple[str, int], ...] = ()
    """Marks in their order, each with where it stands."""

    @property
    def names(self) -> Counter[str]:
        return Counter(test.name for test in self.tests)

    @property
    def marks(self) -> Counter[str]:
        return Counter(mark for mark, _ in self.skips)


@dataclass(frozen=True, slots=True)
class _Pair:
    change: FileTexts
    before: _Read
    after: _Read


def is_test_file(path: str) -> bool:
    """The file is one whose tests this module can read."""
    return language_of(path) is not None


def lost_tests(changes: Sequence[FileTexts]) -> tuple[Finding, ...]:
    """A finding of high severity for each file that lost tests, and for each with new skip marks.

    A test that moved to another changed file, or that got a new name and kept its body, is not
    lost. Order: that of the changes.
    """
    pairs = [_read_both(change) for change in changes if is_test_file(change.path)]
    moved = _gained(pairs)
    found: list[Finding] = []
    for pair in pairs:
        lost = _lost(pair, moved)
        if lost:
            found.append(_loss_finding(pair.change, lost))
        found += _skip_findings(pair)
    return tuple(found)


def _read_both(change: FileTexts) -> _Pair:
    language = language_of(change.path)
    assert language is not None
    return _Pair(change, _read(change.base, language), _read(change.new, language))


def _read(text: str | None, language: Language) -> _Read:
    if text is None:
        return _Read()
    text = text[:TEXT_LIMIT_CHARS]
    blank = blanked(text, language)
    skips = tuple((match[0], match.start()) for match in language.skip.finditer(blank))
    return _Read(_tests(text, blank, language), skips)


def _gained(pairs: Sequence[_Pair]) -> Counter[str]:
    """Names of tests that changed files have more often than before: where others moved to."""
    gained: Counter[str] = Counter()
    for pair in pairs:
        gained.update(pair.after.names - pair.before.names)
    return gained


def _lost(pair: _Pair, moved: Counter[str]) -> list[str]:
    """Names of lost tests; a move found is taken out of `moved`, so that it excuses one loss."""
    missing = pair.before.names - pair.after.names
    fresh = pair.after.names - pair.before.names
    bodies = Counter(test.body for test in pair.after.tests if fresh[test.name] > 0)
    lost: list[str] = []
    for test in pair.before.tests:
        if missing[test.name] == 0:
            continue
        missing[test.name] -= 1
        if moved[test.name] > 0:
            moved[test.name] -= 1
        elif bodies[test.body] > 0:
            bodies[test.body] -= 1
        else:
            lost.append(test.name)
    return lost


def _tests(text: str, blank: str, language: Language) -> tuple[_Test, ...]:
    """The tests in a text, each with what stands between it and the next one."""
    matches = list(language.test.finditer(blank))
    ends = [*(match.start() for match in matches[1:]), len(text)]
    return tuple(_test(match, text, end) for match, end in zip(matches, ends, strict=False))


def _test(match: re.Match[str], text: str, end: int) -> _Test:
    name = name_of(match, text)
    body = text[match.end() : end]
    return _Test(name, " ".join(body.replace(name, "", 1).split()))


def _skip_findings(pair: _Pair) -> list[Finding]:
    text = pair.change.new
    added = sorted(pair.after.marks - pair.before.marks)
    if text is None or not added:
        return []
    return [
        Finding(
            Severity.HIGH,
            f"This change skips or filters tests: it adds {_listed(added)}.",
            file=pair.change.path,
            line=text.count("\n", 0, dict(pair.after.skips)[added[0]]) + 1,
            evidence="A test that does not run proves nothing: make it pass, and remove the mark.",
        )
    ]


def _loss_finding(change: FileTexts, lost: Sequence[str]) -> Finding:
    what = "deletes a file with the tests" if change.new is None else "removes the tests"
    return Finding(
        Severity.HIGH,
        f"This change {what} {_listed(lost)}.",
        file=change.path,
        evidence="The tests of the base must still be there: restore them, and make them pass.",
    )


def _listed(names: Iterable[str]) -> str:
    every = list(dict.fromkeys(names))
    shown = ", ".join(name[:100] for name in every[:NAMES_SHOWN])
    return shown if len(every) <= NAMES_SHOWN else f"{shown} and {len(every) - NAMES_SHOWN} more"
