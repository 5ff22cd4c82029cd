"""`protected:` patterns mean what they would mean to git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.review.globs import matching

PATHS = (
    "pytest.ini",
    "sub/pytest.ini",
    "sub/deep/pytest.ini",
    "ci/build.yml",
    "ci/deep/build.yml",
    "other/ci/build.yml",
    ".github/workflows/a.yml",
    ".github/workflows/deep/b.yml",
    ".github/CODEOWNERS",
    "x.github/workflows/a.yml",
    "jest.config.js",
    "web/jest.config.ts",
    "a[1].txt",
    "a1.txt",
    "b2.txt",
    "ci.txt",
    "tests/data/x",
)


@pytest.mark.parametrize(
    "pattern",
    [
        *("pytest.ini", "/pytest.ini", "sub/pytest.ini", "sub/**/pytest.ini", "**/pytest.ini"),
        *("ci", "ci/", "/ci", "ci/*", "ci/**", "/ci/**", "**/ci/*.yml", "*.yml", "/*.ini"),
        *(".github/workflows/**", "/.github/**", ".github", "jest.config.*", "web/*"),
        *("a[1].txt", "a[0-9].txt", "[!a]2.txt", "?1.txt", "a\\[1\\].txt", "tests/*/x", "sub/**"),
        *("**", "*", "nothing", "s*b/pytest.ini", "sub/deep/*.ini", "ci*"),
    ],
)
def test_patterns_match_the_paths_that_git_would_ignore(pattern: str, tmp_path: Path) -> None:
    """Git itself is the judge."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".git/info/exclude").write_text(f"{pattern}\n")
    answer = subprocess.run(
        ["git", "-C", tmp_path, "check-ignore", "--no-index", "--stdin"],
        input="\n".join(PATHS),
        capture_output=True,
        text=True,
        check=False,
    )
    ignored = {line.strip('"').replace("\\\\", "\\") for line in answer.stdout.splitlines()}
    assert set(matching(PATHS, [pattern])) == ignored


@pytest.mark.parametrize("pattern", ["!pytest.ini", "", "/", "a[z-a].txt"])
def test_pattern_that_cannot_be_read_is_refused(pattern: str) -> None:
    """Nothing is protected by a pattern that means something else."""
    with pytest.raises(BadInputError, match="pattern"):
        matching(PATHS, [pattern])
