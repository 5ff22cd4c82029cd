"""Which verifiers are found in which repository, from built-in command lines only."""

from __future__ import annotations

import pytest

from ai_orchestrator.model.review import Verifier
from ai_orchestrator.review.detect import Detection, detect, files_to_read

UNITTEST = "import unittest\n\nclass T(unittest.TestCase):\n    def test_a(self): ...\n"
PYTEST = "python3 -m pytest -q"
Files = dict[str, str]


def found(files: Files, *missing: str) -> Detection:
    """Detection on a machine that has every tool but the missing ones."""
    return detect(files, files.get, lambda tool: tool not in missing)


def lines(files: Files, *missing: str) -> list[str]:
    """The command lines found."""
    return [" ".join(verifier.argv) for verifier in found(files, *missing).verifiers]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, [], id="empty"),
        pytest.param({"README.md": "make test"}, [], id="prose"),
        pytest.param({"tests/test_a.py": "def test_a(): ..."}, [PYTEST], id="tests folder"),
        pytest.param({"src/x/a_test.py": ""}, [PYTEST], id="test beside the code"),
        pytest.param({"node_modules/x/test_a.py": ""}, [], id="vendored tests"),
        pytest.param({"pytest.ini": "[pytest]", "a.py": ""}, [], id="configured, but no tests"),
        pytest.param({"test_a.py": UNITTEST}, ["python3 -m unittest -q"], id="unittest"),
        pytest.param(
            {"tests/test_a.py": UNITTEST},
            ["python3 -m unittest discover -q -s tests"],
            id="unittest in a plain folder",
        ),
        pytest.param(
            {"tests/__init__.py": "", "tests/test_a.py": UNITTEST},
            ["python3 -m unittest -q"],
            id="unittest in a package",
        ),
        pytest.param(
            {"test_a.py": UNITTEST, "test_b.py": "import pytest\n" + UNITTEST},
            [PYTEST],
            id="one file wants pytest",
        ),
        pytest.param({"test_a.py": UNITTEST, "pytest.ini": ""}, [PYTEST], id="pytest.ini"),
        pytest.param({"test_a.py": UNITTEST, "sub/conftest.py": ""}, [PYTEST], id="conftest"),
        pytest.param(
            {"test_a.py": UNITTEST, "pyproject.toml": "[tool.pytest.ini_options]\n"},
            [PYTEST],
            id="pyproject",
        ),
        pytest.param(
            {"test_a.py": UNITTEST, "pyproject.toml": "[broken"},
            ["python3 -m unittest -q"],
            id="unreadable pyproject",
        ),
        pytest.param({"test_a.py": UNITTEST, "setup.cfg": "[tool:pytest]\n"}, [PYTEST], id="setup"),
        pytest.param({"test_a.py": UNITTEST, "tox.ini": "[x]\n[pytest]\n"}, [PYTEST], id="tox"),
        pytest.param({"Makefile": "all:\n\ntest: all\n\tx\n"}, ["make test"], id="make"),
        pytest.param({"Makefile": "tests:\n\nTEST := x\ntest := y\n"}, [], id="make without test"),
        pytest.param(
            {"Makefile": "test:\n", "tests/test_a.py": ""}, [PYTEST], id="make is the last resort"
        ),
        pytest.param(
            {"package.json": '{"scripts": {"test": "jest", "lint": "eslint .", "rm": "rm -rf /"}}'},
            ["npm test", "npm run lint"],
            id="node",
        ),
        pytest.param(
            {
                "package.json": (
                    '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'
                )
            },
            [],
            id="npm's placeholder",
        ),
        pytest.param({"package.json": '{"scripts": ["test"]}'}, [], id="odd scripts"),
        pytest.param({"package.json": "[" * 100_000}, [], id="unreadable package.json"),
        pytest.param({"go.mod": "module x"}, ["go build ./...", "go test ./..."], id="go"),
        pytest.param({"sub/go.mod": "module x"}, [], id="go in a subfolder"),
        pytest.param({"Cargo.toml": ""}, ["cargo test -q"], id="rust"),
        pytest.param({"pom.xml": "", "build.gradle": ""}, ["mvn -q -B test"], id="maven"),
        pytest.param({"build.gradle.kts": ""}, ["gradle -q test"], id="gradle"),
        pytest.param(
            {"go.mod": "", "test_a.py": "", "package.json": '{"scripts": {"test": "x"}}'},
            [PYTEST, "npm test", "go build ./...", "go test ./..."],
            id="several, in a fixed order",
        ),
    ],
)
def test_verifiers_of_a_repository(files: Files, expected: list[str]) -> None:
    """What is found, in which order."""
    assert lines(files) == expected


def test_a_verifier_that_was_found_says_so() -> None:
    """People see that nobody wrote it down."""
    detection = found({"tests/test_a.py": "", "pytest.ini": ""})
    expected = Verifier("pytest", ("python3", "-m", "pytest", "-q"), is_detected=True)
    assert detection.verifiers == (expected,)


def test_missing_tool_is_a_note_and_no_verifier() -> None:
    """Where everything is missing, `make test` may still do."""
    files = {"go.mod": "", "Makefile": "test:\n"}
    assert lines(files, "go") == ["make test"]
    assert found(files, "go").notes == (
        "go.mod makes it a Go module. `go build ./...` is not used: there is no go on the PATH.",
        "go.mod makes it a Go module. `go test ./...` is not used: there is no go on the PATH.",
    )
    assert lines(files, "go", "make") == []
    assert len(found(files, "go", "make").notes) == 3


def test_only_few_files_have_to_be_read() -> None:
    """Whatever the size of the repository."""
    files = [f"tests/test_{n:03}.py" for n in range(500)] + ["pyproject.toml", "src/a.py"]
    wanted = files_to_read(files)
    assert wanted[0] == "pyproject.toml"
    assert len(wanted) == 21


def test_nothing_beyond_the_named_files_is_read() -> None:
    """The caller fetches them beforehand."""
    files = {f"test_{n}.py": UNITTEST for n in range(50)} | {"Makefile": "test:", "a.py": ""}
    asked: set[str] = set()

    def read(path: str) -> str | None:
        asked.add(path)
        return files[path]

    detect(files, read, lambda _: True)
    assert asked <= set(files_to_read(files))
