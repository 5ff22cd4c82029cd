"""What a change may not touch, what is put back for verification, and what stays free."""

from __future__ import annotations

from typing import Literal

import pytest

from ai_orchestrator.model.review import Severity, Verifier
from ai_orchestrator.model.task import FileChange
from ai_orchestrator.review.lost_tests import FileTexts
from ai_orchestrator.review.protection import (
    DEFAULT_PROTECTED,
    Protection,
    effective_patterns,
    protect,
    texts_needed,
)

Status = Literal["added", "modified", "deleted", "renamed", "type-changed"]


def change(path: str, status: Status = "modified", old_path: str | None = None) -> FileChange:
    """A changed file."""
    return FileChange(path, status, 1, 1, old_path)


def judged(
    path: str, base: str | None, new: str | None, *, has_baseline: bool = True
) -> Protection:
    """Protection of a change to one file."""
    status: Status = "added" if base is None else "deleted" if new is None else "modified"
    return protect(
        [change(path, status)],
        {path: FileTexts(path, base, new)},
        DEFAULT_PROTECTED,
        has_baseline=has_baseline,
    )


@pytest.mark.parametrize(
    "path",
    [
        *(".github/workflows/ci.yml", ".gitlab-ci.yml", "Jenkinsfile", "pytest.ini", "tox.ini"),
        *("backend/pytest.ini", ".coveragerc", "mypy.ini", "web/jest.config.ts", ".eslintrc.json"),
    ],
)
@pytest.mark.parametrize("status", ["added", "modified", "deleted", "type-changed"])
def test_touching_ci_or_a_judge_is_a_finding(path: str, status: Status) -> None:
    """Whatever was done to it; verification runs with the base's version."""
    protection = protect([change(path, status)], {}, DEFAULT_PROTECTED)
    assert protection.base_paths == (path,)
    assert [(f.file, f.severity) for f in protection.findings] == [(path, Severity.HIGH)]


@pytest.mark.parametrize("path", ["src/core.py", "README.md", "docs/pytest.ini.md", "github.yml"])
def test_ordinary_files_are_free(path: str) -> None:
    """Work is not hindered."""
    assert protect([change(path)], {}, DEFAULT_PROTECTED) == Protection((), ())


def test_renaming_a_protected_file_away_touches_it() -> None:
    """Both names of a rename count."""
    protection = protect([change("old.ini", "renamed", "pytest.ini")], {}, DEFAULT_PROTECTED)
    assert protection.base_paths == ("pytest.ini",)


PYPROJECT = (
    '[project]\nname = "x"\ndependencies = ["a"]\n[tool.pytest.ini_options]\naddopts = "-q"\n'
)
PACKAGE = '{"dependencies": {"a": "1"}, "scripts": {"test": "jest", "build": "tsc"}, "jest": {}}'


@pytest.mark.parametrize(
    ("path", "base", "new"),
    [
        ("pyproject.toml", PYPROJECT, PYPROJECT.replace('["a"]', '["a", "b"]')),
        ("pyproject.toml", PYPROJECT, PYPROJECT + "[tool.hatch]\nx = 1\n"),
        ("pyproject.toml", PYPROJECT, f"# comment\n{PYPROJECT}"),
        ("web/package.json", PACKAGE, PACKAGE.replace('{"a": "1"}', '{"a": "2", "b": "1"}')),
        ("package.json", PACKAGE, PACKAGE.replace('"build"', '"start": "node .", "build"')),
        ("setup.cfg", "[metadata]\nname=x\n[flake8]\na=1\n", "[metadata]\nname=y\n[flake8]\na=1\n"),
        ("Cargo.toml", '[dependencies]\na="1"\n', '[dependencies]\na="1"\nb="2"\n'),
    ],
)
def test_adding_a_dependency_is_free(path: str, base: str, new: str) -> None:
    """Files of mixed content are compared by section."""
    assert judged(path, base, new) == Protection((), ())


@pytest.mark.parametrize(
    ("path", "base", "new", "section"),
    [
        (
            "pyproject.toml",
            PYPROJECT,
            PYPROJECT.replace("-q", "--ignore=tests"),
            "tool.pytest",
        ),
        ("pyproject.toml", PYPROJECT, PYPROJECT + "[tool.coverage.run]\nomit=['*']\n", "coverage"),
        ("pyproject.toml", PYPROJECT, PYPROJECT + "[tool.ruff]\nselect=[]\n", "tool.ruff"),
        ("pyproject.toml", PYPROJECT, "[project]\n", "tool.pytest"),
        ("pyproject.toml", PYPROJECT, None, "tool.pytest"),
        ("pyproject.toml", PYPROJECT, "[broken", "not valid TOML"),
        ("package.json", PACKAGE, PACKAGE.replace('"jest"', '"true"', 1), "scripts test"),
        ("package.json", PACKAGE, PACKAGE.replace('"tsc"', '"true"'), "scripts build"),
        ("package.json", PACKAGE, PACKAGE.replace('"build"', '"pretest": "x", "build"'), "pretest"),
        ("package.json", PACKAGE, PACKAGE.replace('"build"', '"prepare": "x", "build"'), "prepare"),
        ("package.json", PACKAGE, PACKAGE.replace("{}", '{"bail": 1}'), "jest"),
        ("package.json", PACKAGE, "[]", "not a JSON object"),
        ("setup.cfg", "[flake8]\na=1\n", "[flake8]\na=2\n", "flake8"),
        ("setup.cfg", "[x]\n", "[x]\n[tool:pytest]\naddopts=-k none\n", "tool:pytest"),
        ("Cargo.toml", "[lints.rust]\nx='deny'\n", "[lints.rust]\nx='allow'\n", "lints"),
    ],
)
def test_touching_a_judges_section_is_a_finding(
    path: str, base: str, new: str | None, section: str
) -> None:
    """The section is named, and the whole file is put back for verification."""
    protection = judged(path, base, new)
    assert protection.base_paths == (path,)
    assert section in protection.findings[0].claim


def test_without_a_baseline_a_task_may_set_the_project_up() -> None:
    """What is new is free there; what was there may not change even so."""
    assert judged("pyproject.toml", None, PYPROJECT, has_baseline=False) == Protection((), ())
    assert judged("pytest.ini", None, "[pytest]", has_baseline=False) == Protection((), ())
    added = judged("pyproject.toml", "[project]\n", PYPROJECT, has_baseline=False)
    assert added == Protection((), ())
    weaker = PYPROJECT.replace("-q", "-k none")
    assert judged("pyproject.toml", PYPROJECT, weaker, has_baseline=False).findings
    assert judged("pytest.ini", "[pytest]", "", has_baseline=False).findings


def test_with_a_baseline_new_configuration_is_a_finding() -> None:
    """A pytest.ini beside the base's pyproject.toml would overrule it."""
    assert judged("pytest.ini", None, "[pytest]\naddopts=-k none").base_paths == ("pytest.ini",)
    assert judged("pyproject.toml", None, PYPROJECT).findings


def test_lost_tests_are_findings_and_are_not_overlaid() -> None:
    """Verification runs on the tests as the change left them; the finding blocks it."""
    protection = judged("tests/test_x.py", "def test_a(): ...\n", None)
    assert protection.base_paths == ()
    assert "test_a" in protection.findings[0].claim


def test_only_mixed_files_and_tests_have_to_be_read() -> None:
    """Nothing else is fetched from git."""
    files = [change("pyproject.toml"), change("pytest.ini"), change("tests/test_x.py")]
    files += [change("src/core.py"), change("package.json", "renamed", "old/package.json")]
    assert texts_needed(files, DEFAULT_PROTECTED) == (
        *("pyproject.toml", "old/package.json", "package.json"),
        "tests/test_x.py",
    )


@pytest.mark.parametrize(
    ("argv", "protected"),
    [
        (("make", "test"), "/Makefile"),
        (("./scripts/check.sh",), "/scripts/check.sh"),
        (("tools/check", "-v"), "/tools/check"),
        (("python3", "-m", "pytest", "-q"), "/pytest.py"),
        (("python3", "-m", "unittest.mock"), "/unittest/**"),
        (("python", "-m", "pytest"), "/sitecustomize.py"),
        (("sh", "scripts/check.sh"), "/scripts/check.sh"),
        (("bash", "-e", "./check[1].sh"), "/check\\[1].sh"),
        (("/usr/bin/python3.11", "tools/judge.py", "-v"), "/tools/judge.py"),
    ],
)
def test_files_that_define_a_verifier_are_protected_with_it(
    argv: tuple[str, ...], protected: str
) -> None:
    """An agent may not write its own judge."""
    assert protected in effective_patterns(("a",), [Verifier("v", argv)])


@pytest.mark.parametrize(
    "argv",
    [
        *(("go", "test", "./..."), ("/usr/bin/true",), ("npm", "test"), ("sh", "-c"), ("sh", "/x")),
        ("python3", "tests/test_all.py"),
    ],
)
def test_other_verifiers_add_nothing(argv: tuple[str, ...]) -> None:
    """Their configuration is in the default patterns."""
    assert effective_patterns(("a", "a"), [Verifier("v", argv)]) == ("a",)
