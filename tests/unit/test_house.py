"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src" / "ai_orchestrator"

SPAWNERS = {
    "base/attached.py",  # a vendor's login, at the terminal of a person
    "base/background.py",
    "base/cgroup_start.py",  # a part of the guardian: the child between fork and exec
    "base/guardian.py",
    "base/guardian_link.py",  # starts the guardian itself
    "base/keeper.py",
    "base/process.py",
    # Part of the built-in agent, which runs inside the sandbox and owns nothing outside of it.
    "agents/builtin_loop/",
}
ENVIRONMENT_READERS = {"config/", "agents/builtin_loop/", "scripted/__main__.py"}
CLOCKS = {"base/clock.py", "agents/builtin_loop/", "scripted/"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package with its path in it."""
    for path in sorted(SOURCES.rglob("*.py")):
        yield path.relative_to(SOURCES).as_posix(), ast.parse(path.read_text("utf-8"))


def calls(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Dotted names that are used as attributes, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node), node.lineno


def offenders(pattern: str, allowed: set[str]) -> list[str]:
    """Places outside of `allowed` that use a name which matches."""
    matcher = re.compile(pattern)
    return [
        f"{path}:{line} {name}"
        for path, tree in sources()
        if not any(path == one or (one.endswith("/") and path.startswith(one)) for one in allowed)
        for name, line in calls(tree)
        if matcher.fullmatch(name)
    ]


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        pytest.param(
            r"subprocess\.(Popen|run|check_\w+|call)|os\.(fork|forkpty|posix_spawnp?|exec\w+|system"
            r"|spawn\w+)|asyncio\.create_subprocess_\w+",
            SPAWNERS,
            id="processes-are-spawned-in-one-place",
        ),
        pytest.param(
            r"os\.environ.*|os\.getenv", ENVIRONMENT_READERS, id="the-environment-is-read-once"
        ),
        pytest.param(
            r"time\.(time|monotonic|perf_counter)(_ns)?|datetime\.(now|utcnow|today)",
            CLOCKS,
            id="one-clock-asks-the-time",
        ),
    ],
)
def test_one_place_does_it(pattern: str, allowed: set[str]) -> None:
    """What is done in one place is done nowhere else."""
    assert offenders(pattern, allowed) == []


def test_files_stay_small() -> None:
    """No module is longer than 400 lines: past that it has two reasons to exist."""
    long = {
        str(path.relative_to(SOURCES)): count
        for path in SOURCES.rglob("*.py")
        if (count := len(path.read_text("utf-8").splitlines())) > 400
    }
    assert long == {}


def test_functions_stay_short() -> None:
    """No function is longer than 60 lines."""
    long = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno > 60
    ]
    assert long == []


def test_every_module_says_why_it_exists() -> None:
    """A newcomer reads the first line and knows."""
    assert [path for path, tree in sources() if not ast.get_docstring(tree)] == []


def test_names_have_a_home() -> None:
    """What has no name has no home yet."""
    homeless = re.compile(r"(utils?|helpers?|common|managers?|misc)(\.py)?")
    found = [str(path) for path in SOURCES.rglob("*") if homeless.fullmatch(path.name)]
    assert found == []


def test_lock_files_hold_no_registry_address() -> None:
    """Packages come from whatever registry the machine is set up for."""
    locks = [*ROOT.glob("requirements/*.txt"), *ROOT.glob(".agents/*/package-lock.json")]
    assert locks
    for lock in locks:
        text = lock.read_text("utf-8")
        assert '"resolved"' not in text, lock
        assert "index-url" not in text, lock
