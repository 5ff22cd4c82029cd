"""Finds the verifiers of a repository that names none, by looking at which files it has. Pure.

The workflow asks once, on the base commit (or on the first commit where the base is empty), and
freezes the answer. Nothing that a repository says becomes a command line: only those below are
chosen from, so that an agent cannot write its own judge.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import PurePosixPath

from ai_orchestrator.model.review import Verifier

FILES_READ = (
    "pyproject.toml",
    "setup.cfg",
    "tox.ini",
    "Makefile",
    "makefile",
    "GNUmakefile",
    "package.json",
)
"""The only files whose content matters, so that the caller can fetch them beforehand."""
TEST_FILES_READ = 20
"""So many Python test files are read at most, to tell unittest from pytest."""

Read = Callable[[str], str | None]
"""Content of a file of the commit, None where there is no such file or it is no text."""
HasTool = Callable[[str], bool]
"""Whether a program of this name is on the PATH that the task was given."""

_VENDORED = frozenset(
    {"node_modules", ".venv", "venv", "vendor", "third_party", ".tox", "site-packages"}
)
_NPM_PLACEHOLDER = "no test specified"


@dataclass(frozen=True, slots=True)
class Detection:
    """What was found, in a fixed order, and what would have been but for a missing program."""

    verifiers: tuple[Verifier, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    argv: tuple[str, ...]
    how: str
    """One sentence on what in the repository asks for it."""


@dataclass(frozen=True, slots=True)
class _Repository:
    files: Collection[str]
    read: Read
    has_tool: HasTool

    def text(self, path: str) -> str:
        """Content of a file, empty where there is none."""
        if path not in self.files:
            return ""
        content = self.read(path)
        return "" if content is None else content


def detect(files: Collection[str], read: Read, has_tool: HasTool) -> Detection:
    """The verifiers for a repository with these files (paths as git names them).

    Order: Python, Node, Go, Rust, Java; `make test` only where none of them was found, since it
    mostly calls the same again.
    """
    repository = _Repository(frozenset(files), read, has_tool)
    candidates = [
        candidate
        for ecosystem in (_python, _node, _go, _rust, _java)
        for candidate in ecosystem(repository)
    ]
    detection = _available(candidates, has_tool)
    if detection.verifiers:
        return detection
    fallback = _available(_make(repository), has_tool)
    return Detection(fallback.verifiers, (*detection.notes, *fallback.notes))


def files_to_read(files: Collection[str]) -> tuple[str, ...]:
    """The paths whose content `detect` may ask for, of those in the repository; bounded."""
    named = [path for path in FILES_READ if path in files]
    return (*named, *_python_tests(files)[:TEST_FILES_READ])


def _available(candidates: list[_Candidate], has_tool: HasTool) -> Detection:
    found, notes = [], []
    for candidate in candidates:
        program = candidate.argv[0]
        if has_tool(program):
            found.append(Verifier(candidate.name, candidate.argv, is_detected=True))
        else:
            notes.append(
                f"{candidate.how} `{' '.join(candidate.argv)}` is not used: "
                f"there is no {program} on the PATH."
            )
    return Detection(tuple(found), tuple(notes))


def _python(repository: _Repository) -> list[_Candidate]:
    tests = _python_tests(repository.files)
    if not tests:
        return []
    how = _pytest_sign(repository)
    if how is None and _all_unittest(repository, tests):
        return [_unittest(repository, tests)]
    how = how or f"{tests[0]} is a test file."
    return [_Candidate("pytest", ("python3", "-m", "pytest", "-q"), how)]


def _unittest(repository: _Repository, tests: list[str]) -> _Candidate:
    """Discovery by unittest; it looks into packages only, so a plain `tests` folder is named."""
    how = f"{tests[0]} is a unittest file and nothing configures pytest."
    for folder in ("tests", "test"):
        is_plain = f"{folder}/__init__.py" not in repository.files
        if is_plain and any(path.startswith(f"{folder}/") for path in tests):
            argv = ("python3", "-m", "unittest", "discover", "-q", "-s", folder)
            return _Candidate("unittest", argv, how)
    return _Candidate("unittest", ("python3", "-m", "unittest", "-q"), how)


def _python_tests(files: Collection[str]) -> list[str]:
    return sorted(
        path
        for path in files
        if re.search(r"(?:^|/)(?:test_[^/]*|[^/]*_test)\.py$", path) and not _is_vendored(path)
    )


def _is_vendored(path: str) -> bool:
    return not _VENDORED.isdisjoint(PurePosixPath(path).parts)


def _pytest_sign(repository: _Repository) -> str | None:
    """The sentence that says where pytest is configured or asked for; None where nowhere."""
    for path in ("pytest.ini", ".pytest.ini"):
        if path in repository.files:
            return f"{path} configures pytest."
    tool = _toml(repository.text("pyproject.toml")).get("tool")
    if isinstance(tool, dict) and "pytest" in tool:
        return "pyproject.toml configures pytest."
    if "[tool:pytest]" in repository.text("setup.cfg"):
        return "setup.cfg configures pytest."
    if re.search(r"^\[pytest\]", repository.text("tox.ini"), re.MULTILINE):
        return "tox.ini configures pytest."
    conftest = next((path for path in sorted(repository.files) if _is_conftest(path)), None)
    if conftest is not None:
        return f"{conftest} belongs to pytest."
    return None


def _is_conftest(path: str) -> bool:
    return PurePosixPath(path).name == "conftest.py" and not _is_vendored(path)


def _all_unittest(repository: _Repository, tests: list[str]) -> bool:
    """Every test file that is read is written for unittest and does without pytest."""
    texts = [repository.text(path) for path in tests[:TEST_FILES_READ]]
    return all(
        re.search(r"^\s*(?:import|from)\s+unittest\b", text, re.MULTILINE) is not None
        and re.search(r"^\s*(?:import|from)\s+pytest\b", text, re.MULTILINE) is None
        for text in texts
    )


def _node(repository: _Repository) -> list[_Candidate]:
    scripts = _npm_scripts(repository.text("package.json"))
    found = []
    if "test" in scripts and _NPM_PLACEHOLDER not in scripts["test"]:
        found.append(
            _Candidate("npm-test", ("npm", "test"), "package.json has a script named test.")
        )
    if "lint" in scripts:
        found.append(
            _Candidate("npm-lint", ("npm", "run", "lint"), "package.json has a script named lint.")
        )
    return found


def _npm_scripts(text: str) -> dict[str, str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    scripts = value.get("scripts") if isinstance(value, dict) else None
    if not isinstance(scripts, dict):
        return {}
    return {name: script for name, script in scripts.items() if isinstance(script, str)}


def _go(repository: _Repository) -> list[_Candidate]:
    if "go.mod" not in repository.files:
        return []
    how = "go.mod makes it a Go module."
    return [
        _Candidate("go-build", ("go", "build", "./..."), how),
        _Candidate("go-test", ("go", "test", "./..."), how),
    ]


def _rust(repository: _Repository) -> list[_Candidate]:
    if "Cargo.toml" not in repository.files:
        return []
    return [_Candidate("cargo-test", ("cargo", "test", "-q"), "Cargo.toml makes it a Rust crate.")]


def _java(repository: _Repository) -> list[_Candidate]:
    if "pom.xml" in repository.files:
        return [
            _Candidate("maven-test", ("mvn", "-q", "-B", "test"), "pom.xml makes it a Maven build.")
        ]
    for path in ("build.gradle", "build.gradle.kts"):
        if path in repository.files:
            argv = ("gradle", "-q", "test")
            return [_Candidate("gradle-test", argv, f"{path} makes it a Gradle build.")]
    return []


def _make(repository: _Repository) -> list[_Candidate]:
    for path in ("GNUmakefile", "makefile", "Makefile"):
        if re.search(r"^test\s*:(?!=)", repository.text(path), re.MULTILINE):
            return [_Candidate("make-test", ("make", "test"), f"{path} has a target named test.")]
    return []


def _toml(text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
