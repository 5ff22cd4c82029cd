"""Tests that vanish or are switched off, in the languages that we read."""

from __future__ import annotations

import pytest

from ai_orchestrator.model.review import Severity
from ai_orchestrator.review.lost_tests import FileTexts, is_test_file, lost_tests

PY = "tests/test_core.py"
PY_BASE = """
import pytest

def test_adds():
    assert add(1, 2) == 3

class TestMore:
    async def test_divides(self):
        assert divide(4, 2) == 2
"""
JS = "src/core.test.ts"
JS_BASE = "describe('core', () => { it('adds', () => {}); test(\"divides\", () => {}); });"
GO = "core_test.go"
GO_BASE = "package core\n\nfunc TestAdds(t *testing.T) {}\n\nfunc TestDivides(t *testing.T) {}\n"
RS = "src/lib.rs"
RS_BASE = "#[test]\nfn adds() {}\n\n#[tokio::test]\nasync fn divides() {}\n"
JAVA = "src/test/java/CoreTest.java"
JAVA_BASE = "class CoreTest {\n @Test\n void adds() {}\n @Test public void divides() {}\n}"


def claims(*changes: tuple[str, str | None, str | None]) -> list[str]:
    """What was found, in words."""
    found = lost_tests([FileTexts(*change) for change in changes])
    assert all(finding.severity is Severity.HIGH and finding.file for finding in found)
    return [finding.claim for finding in found]


@pytest.mark.parametrize(
    ("path", "base", "new", "lost"),
    [
        (PY, PY_BASE, PY_BASE.split("class", maxsplit=1)[0], "test_divides"),
        (PY, PY_BASE, PY_BASE.replace("def test_adds", "def adds"), "test_adds"),
        (PY, PY_BASE, PY_BASE.replace("def test_adds", "# def test_adds"), "test_adds"),
        (PY, PY_BASE, f'"""{PY_BASE}"""', "test_adds, test_divides"),
        (PY, PY_BASE, f"x = '''{PY_BASE}", "test_adds, test_divides"),
        (JS, JS_BASE, JS_BASE.replace("it('adds', () => {});", ""), "adds"),
        (JS, JS_BASE, f"/* {JS_BASE} */", "adds, divides"),
        (JS, JS_BASE, JS_BASE.replace("test(", "// test("), "divides"),
        (GO, GO_BASE, GO_BASE.replace("func TestAdds", "func testAdds"), "TestAdds"),
        (RS, RS_BASE, RS_BASE.replace("#[tokio::test]", ""), "divides"),
        (JAVA, JAVA_BASE, JAVA_BASE.replace("@Test\n", "\n"), "adds"),
    ],
)
def test_removed_test_is_named(path: str, base: str, new: str, lost: str) -> None:
    """Deleted, renamed out of the runner's sight, commented out or wrapped in a string."""
    assert claims((path, base, new)) == [f"This change removes the tests {lost}."]


@pytest.mark.parametrize(
    ("path", "base"),
    [(PY, PY_BASE), (JS, JS_BASE), (GO, GO_BASE), (RS, RS_BASE), (JAVA, JAVA_BASE)],
)
def test_deleted_file_is_a_finding(path: str, base: str) -> None:
    """With the names of what went with it."""
    found = claims((path, base, None))
    assert len(found) == 1
    assert found[0].startswith("This change deletes a file with the tests ")


@pytest.mark.parametrize(
    ("path", "base"),
    [(PY, PY_BASE), (JS, JS_BASE), (GO, GO_BASE), (RS, RS_BASE), (JAVA, JAVA_BASE)],
)
def test_unchanged_or_longer_file_is_free(path: str, base: str) -> None:
    """More tests, other bodies and other layout are no loss."""
    assert claims((path, base, base)) == []
    assert claims((path, base, f"{base}\n\n{base}")) == []
    assert claims((path, None, base)) == []


@pytest.mark.parametrize(
    ("path", "base", "new", "mark"),
    [
        (PY, PY_BASE, PY_BASE.replace("def test_adds", "@pytest.mark.skip\ndef test_adds"), "skip"),
        (PY, PY_BASE, PY_BASE + "pytestmark = pytest.mark.xfail(reason='x')\n", "mark.xfail"),
        (PY, PY_BASE, PY_BASE.replace("class", "@pytest.mark.skipif(True)\nclass"), "mark.skipif"),
        (PY, PY_BASE, PY_BASE.replace("class", "@unittest.skip('x')\nclass"), "unittest.skip"),
        (PY, PY_BASE, PY_BASE.replace("assert", "pytest.skip('x')\n    assert", 1), "pytest.skip"),
        (PY, PY_BASE, PY_BASE + "        self.skipTest('x')\n", "self.skipTest"),
        ("conftest.py", "", "collect_ignore = ['tests']\n", "collect_ignore"),
        (
            "tests/conftest.py",
            None,
            "def pytest_collection_modifyitems(items):\n    items.clear()\n",
            "pytest_collection_modifyitems",
        ),
        (JS, JS_BASE, JS_BASE.replace("it(", "it.skip("), "it.skip"),
        (JS, JS_BASE, JS_BASE.replace("test(", "test.only("), "test.only"),
        (JS, JS_BASE, JS_BASE.replace("describe(", "describe.skip("), "describe.skip"),
        (JS, JS_BASE, f"{JS_BASE}\nxit('more', f)", "xit"),
        (GO, GO_BASE, GO_BASE.replace("{}", "{ t.Skip() }", 1), "t.Skip"),
        (GO, GO_BASE, f"//go:build never\n{GO_BASE}", "//go:build"),
        (RS, RS_BASE, RS_BASE.replace("#[test]\n", "#[test]\n#[ignore]\n"), "#[ignore"),
        (JAVA, JAVA_BASE, JAVA_BASE.replace("@Test\n", "@Disabled\n @Test\n"), "@Disabled"),
        (JAVA, JAVA_BASE, JAVA_BASE.replace("class", "@Ignore class"), "@Ignore"),
    ],
)
def test_new_skip_mark_is_a_finding(path: str, base: str | None, new: str, mark: str) -> None:
    """A test that does not run proves nothing."""
    found = claims((path, base, new))
    assert len(found) == 1
    assert found[0].startswith("This change skips or filters tests: it adds ")
    assert mark in found[0]


def test_skip_mark_of_the_base_is_no_news() -> None:
    """Nor is one that a comment or a string mentions."""
    skipped = PY_BASE.replace("def test_adds", "@pytest.mark.skip\ndef test_adds")
    assert claims((PY, skipped, skipped + "\nx = 1\n")) == []
    assert claims((PY, PY_BASE, PY_BASE + "# pytest.mark.skip\nX = 'pytest.skip'\n")) == []


def test_line_of_a_skip_mark_is_told() -> None:
    """The finding leads to the place."""
    new = PY_BASE.replace("def test_adds", "@pytest.mark.skip\ndef test_adds")
    assert lost_tests([FileTexts(PY, PY_BASE, new)])[0].line == 4


def test_test_moved_to_another_file_is_not_lost() -> None:
    """Only if it is there: a second deletion of the same name is."""
    half = PY_BASE.split("class", maxsplit=1)[0]
    assert claims((PY, half, None), ("tests/test_new.py", None, half)) == []
    found = claims((PY, half, None), ("b/test_b.py", half, None), ("test_c.py", None, half))
    assert len(found) == 1


def test_renamed_test_with_the_same_body_is_not_lost() -> None:
    """A better name is welcome; another body under another name is a lost test."""
    renamed = PY_BASE.replace("test_adds", "test_adds_two_numbers")
    assert claims((PY, PY_BASE, renamed)) == []
    hollow = renamed.replace("assert add(1, 2) == 3", "assert True")
    assert claims((PY, PY_BASE, hollow)) == ["This change removes the tests test_adds."]


def test_many_names_are_counted() -> None:
    """A finding stays a sentence."""
    base = "".join(f"def test_{n}(): assert {n}\n" for n in range(9))
    assert claims((PY, base, "")) == [
        "This change removes the tests test_0, test_1, test_2, test_3, test_4 and 4 more."
    ]


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        *((PY, True), ("core_test.py", True), ("conftest.py", True), ("src/core.py", False)),
        *((JS, True), ("web/__tests__/a.js", True), ("src/core.ts", False), (GO, True)),
        *(("core.go", False), (RS, True), (JAVA, True), ("src/main/java/Core.java", False)),
        *(("test_data.json", False), ("tests/readme.md", False)),
    ],
)
def test_test_files_are_known_by_their_names(path: str, is_one: bool) -> None:  # noqa: FBT001  a column of the table
    """Only those are read."""
    assert is_test_file(path) is is_one


@pytest.mark.parametrize("path", [PY, JS, GO, RS, JAVA])
@pytest.mark.parametrize(
    "text",
    [
        '"""' * 15_000,
        "/*" * 30_000,
        '"\\' * 30_000,
        "`" * 29_999,
        "'''\"\"\"" * 9_000,
        "#[test] " * 9_000,
        "@Test " * 12_000,
        "it.each" * 9_000,
        " " * 60_000,
        "(" * 30_000,
    ],
    ids=lambda text: text[:8],
)
@pytest.mark.timeout(20)
def test_text_that_was_built_to_be_slow_is_read_in_linear_time(path: str, text: str) -> None:
    """The texts come from agents; a quadratic pattern would take minutes here."""
    lost_tests([FileTexts(path, text, text + "x")])


@pytest.mark.timeout(30)  # the square of the files would take minutes
def test_very_many_files_are_compared() -> None:
    """A change may add as many as it likes: the work grows with them and no faster."""
    changes = [
        FileTexts(
            f"tests/test_{number}.py",
            None,
            "".join(f"def test_{number}_{one}():\n    pass\n" for one in range(5)),
        )
        for number in range(40_000)
    ]
    assert lost_tests(changes) == ()


def test_a_mark_that_stands_twice_now_is_one_more() -> None:
    """Marks are counted, and the last one is shown."""
    mark = "@pytest.mark.skip\ndef test_{}():\n    pass\n"
    (found,) = lost_tests(
        [FileTexts("tests/test_a.py", mark.format(1), mark.format(1) + mark.format(2))]
    )
    assert (found.file, found.line) == ("tests/test_a.py", 4)
