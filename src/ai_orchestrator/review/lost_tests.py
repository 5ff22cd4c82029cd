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


def is_test_file(path: str) -> bool:
    """The file is one whose tests this module can read."""
    return language_of(path) is not None


def lost_tests(changes: Sequence[FileTexts]) -> tuple[Finding, ...]:
    """A finding of high severity for each file that lost tests, and for each with new skip marks.

    A test that moved to another changed file, or that got a new name and kept its body, is not
    lost. Order: that of the changes.
    """
    moved = _gained(changes)
    found: list[Finding] = []
    for change in changes:
        language = language_of(change.path)
        if language is None:
            continue
        lost = _lost(change, language, moved)
        if lost:
            found.append(_loss_finding(change, lost))
        found += _skip_findings(change, language)
    return tuple(found)


def _gained(changes: Sequence[FileTexts]) -> Counter[str]:
    """Names of tests that changed files have more often than before: where others moved to."""
    gained: Counter[str] = Counter()
    for change in changes:
        language = language_of(change.path)
        if language is not None:
            before, after = _tests(change.base, language), _tests(change.new, language)
            gained += _names(after) - _names(before)
    return gained


def _lost(change: FileTexts, language: Language, moved: Counter[str]) -> list[str]:
    """Names of lost tests; a move found is taken out of `moved`, so that it excuses one loss."""
    before, after = _tests(change.base, language), _tests(change.new, language)
    missing = _names(before) - _names(after)
    fresh = _names(after) - _names(before)
    bodies = Counter(test.body for test in after if fresh[test.name] > 0)
    lost: list[str] = []
    for test in before:
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


def _tests(text: str | None, language: Language) -> list[_Test]:
    """The tests in a text, each with what stands between it and the next one."""
    if text is None:
        return []
    text = text[:TEXT_LIMIT_CHARS]
    matches = list(language.test.finditer(blanked(text, language)))
    ends = [*(match.start() for match in matches[1:]), len(text)]
    return [_test(match, text, end) for match, end in zip(matches, ends, strict=False)]


def _test(match: re.Match[str], text: str, end: int) -> _Test:
    name = name_of(match, text)
    body = text[match.end() : end]
    return _Test(name, " ".join(body.replace(name, "", 1).split()))


def _names(tests: Iterable[_Test]) -> Counter[str]:
    return Counter(test.name for test in tests)


def _skip_findings(change: FileTexts, language: Language) -> list[Finding]:
    if change.new is None:
        return []
    before = _skips(change.base, language)
    added = sorted(set(_skips(change.new, language) - before))
    if not added:
        return []
    return [
        Finding(
            Severity.HIGH,
            f"This change skips or filters tests: it adds {_listed(added)}.",
            file=change.path,
            line=_line_of(change.new, added[0], language),
            evidence="A test that does not run proves nothing: make it pass, and remove the mark.",
        )
    ]


def _skips(text: str | None, language: Language) -> Counter[str]:
    if text is None:
        return Counter()
    marks = language.skip.finditer(blanked(text[:TEXT_LIMIT_CHARS], language))
    return Counter(match[0] for match in marks)


def _line_of(text: str, mark: str, language: Language) -> int:
    position = blanked(text[:TEXT_LIMIT_CHARS], language).rfind(mark)
    return text.count("\n", 0, position) + 1


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
