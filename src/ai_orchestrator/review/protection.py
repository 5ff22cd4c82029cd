"""What an agent may not change: CI, the configuration of its own judges, and tests. Pure.

The workflow gives the changed paths, fetches the few texts that `texts_needed` names, and gets
findings, which go into the ledger as the orchestrator's own, and the paths that verification runs
with as they are in the base.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ai_orchestrator.model.review import Finding, Severity, Verifier
from ai_orchestrator.model.task import FileChange
from ai_orchestrator.review.globs import matching
from ai_orchestrator.review.lost_tests import FileTexts, is_test_file, lost_tests
from ai_orchestrator.review.sections import changed_sections, is_mixed

DEFAULT_PROTECTED = (
    *("/.github/workflows/**", "/.github/actions/**", "/.gitlab-ci.yml", "/.circleci/**"),
    *("/Jenkinsfile", "/azure-pipelines.yml", "/bitbucket-pipelines.yml", "/.buildkite/**"),
    *("/.travis.yml", "/.drone.yml", "/.woodpecker/**", "/.pre-commit-config.yaml"),
    *("pytest.ini", ".pytest.ini", "tox.ini", "noxfile.py", ".coveragerc", "mypy.ini"),
    *(".mypy.ini", "ruff.toml", ".ruff.toml", ".flake8", "pyrightconfig.json"),
    *("jest.config.*", "vitest.config.*", "vitest.workspace.*", "playwright.config.*"),
    *("cypress.config.*", ".mocharc.*", "karma.conf.*", "ava.config.*"),
    *("eslint.config.*", ".eslintrc*", ".eslintignore", "biome.json"),
    *(".golangci.*", "clippy.toml", ".clippy.toml", "/.cargo/config*"),
    *("/.config/nextest.toml", "checkstyle.xml"),
    *("pyproject.toml", "setup.cfg", "package.json", "Cargo.toml"),
)
"""CI and the verifiers' configuration. Of the last four only certain sections are compared."""

_INTERPRETERS = frozenset({"sh", "bash", "dash", "zsh", "python", "node", "ruby", "perl", "php"})
MAKEFILES = ("/Makefile", "/makefile", "/GNUmakefile")


@dataclass(frozen=True, slots=True)
class Protection:
    """What a change did to protected things."""

    findings: tuple[Finding, ...]
    base_paths: tuple[str, ...]
    """To be put back as they are in the base before verifiers run; those that are not in the base
    are to be removed."""


def effective_patterns(protected: Sequence[str], verifiers: Sequence[Verifier]) -> tuple[str, ...]:
    """The patterns with the files by which the verifiers themselves are defined."""
    own = (pattern for verifier in verifiers for pattern in _definition(verifier.argv))
    return tuple(dict.fromkeys((*protected, *own)))


def _definition(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Files at the top of the repository that decide what the command line does.

    `python -m pytest` would take a `pytest.py` of the repository for pytest. A script that is a
    test file is left to `lost_tests`, since a task may well have to add to it.
    """
    program = PurePosixPath(argv[0]).name
    if program == "make":
        return MAKEFILES
    if program.startswith("python") and "-m" in argv[:-1]:
        module = argv[argv.index("-m") + 1].partition(".")[0]
        return (f"/{module}.py", f"/{module}/**", "/sitecustomize.py", "/usercustomize.py")
    script: str | None = argv[0]
    if program.rstrip("0123456789.") in _INTERPRETERS:
        script = next((word for word in argv[1:] if not word.startswith("-")), None)
    elif "/" not in argv[0]:
        return ()
    if script is None or script.startswith("/") or is_test_file(script):
        return ()
    return (f"/{_escaped(script.removeprefix('./'))}",)


def _escaped(path: str) -> str:
    return re.sub(r"([*?\[\\])", r"\\\1", path)


def texts_needed(files: Sequence[FileChange], patterns: Sequence[str]) -> tuple[str, ...]:
    """Paths whose text before and after `protect` has to be given: mixed files and tests."""
    paths = _paths(files)
    mixed = [path for path in matching(paths, patterns) if is_mixed(path)]
    tests = [path for path in paths if is_test_file(path)]
    return tuple(dict.fromkeys((*mixed, *tests)))


def protect(
    files: Sequence[FileChange],
    texts: Mapping[str, FileTexts],
    patterns: Sequence[str],
    *,
    has_baseline: bool = True,
) -> Protection:
    """Findings of high severity, and the paths to overlay; in the order of the files.

    `has_baseline`: verifiers ran on the base. Where none did, a task may well set up the project,
    so what is new (a file, a section) is free, and only what was there may not change.
    Raises `KeyError` for a text that `texts_needed` named and that is not given.
    """
    paths = _paths(files)
    added = frozenset(change.path for change in files if change.status == "added")
    found: list[Finding] = []
    overlay: list[str] = []
    for path in matching(paths, patterns):
        if path in added and not has_baseline:
            continue
        claim = _claim(path, texts, has_baseline=has_baseline)
        if claim is not None:
            overlay.append(path)
            found.append(_finding(path, claim))
    tests = [texts[path] for path in paths if is_test_file(path)]
    compared = [pair for pair in tests if has_baseline or pair.base is not None]
    return Protection((*found, *lost_tests(compared)), tuple(overlay))


def _claim(path: str, texts: Mapping[str, FileTexts], *, has_baseline: bool) -> str | None:
    if not is_mixed(path):
        return f"This change touches {path}, which is protected."
    pair = texts[path]
    sections = changed_sections(path, pair.base, pair.new, is_new_free=not has_baseline)
    if not sections:
        return None
    return f"This change touches protected parts of {path}: {', '.join(sections)}."


def _finding(path: str, claim: str) -> Finding:
    return Finding(
        Severity.HIGH,
        claim,
        file=path,
        evidence=(
            "What judges the work may not be changed by the work; the verifiers run with it as it "
            "is in the base. Put it back."
        ),
    )


def _paths(files: Sequence[FileChange]) -> tuple[str, ...]:
    """Every path that is touched: of a renamed file the old one as well."""
    pairs = ((change.old_path, change.path) for change in files)
    return tuple(dict.fromkeys(path for pair in pairs for path in pair if path is not None))
