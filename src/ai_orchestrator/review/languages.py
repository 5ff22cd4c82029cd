r"""How the languages that we know name their test files, their tests and their skip marks.

`lost_tests.py` compares test files with this table. The texts are an agent's and may be built to be
slow to read: every pattern for a string or comment ends at the end of the line or text where the
closing mark is missing, and every repetition inside a pattern is bounded or possessive.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

_DOUBLE = r'"(?:\\.|[^"\\\n])*+"?'
_SINGLE = r"'(?:\\.|[^'\\\n])*+'?"
_BACKTICK = r"`(?:\\.|[^`\\])*+`?"
_RAW_BACKTICK = r"`[^`]*+`?"
_LONG_DOUBLE = r'""".*?(?:"""|\Z)'
_LONG_SINGLE = r"'''.*?(?:'''|\Z)"
_HASH_COMMENT = r"#[^\n]*+"
_C_COMMENT = r"//(?!go:build)[^\n]*+|/\*.*?(?:\*/|\Z)"
_LITERAL = re.compile(r"(?P<mark>['\"`])(?P<text>(?:\\.|(?!(?P=mark)).){1,200})(?P=mark)")


@dataclass(frozen=True, slots=True)
class Language:
    """One language, or a family that reads alike."""

    is_test_file: Callable[[PurePosixPath], bool]
    blank: re.Pattern[str]
    """Strings and comments."""
    test: re.Pattern[str]
    """Looked for in blanked text; group `name`, else the string literal that follows it."""
    skip: re.Pattern[str]
    """Marks that keep a test from running, and hooks that can."""


def language_of(path: str) -> Language | None:
    """The language of a test file; None for any other file."""
    pure = PurePosixPath(path)
    return next((one for one in _LANGUAGES if one.is_test_file(pure)), None)


def blanked(text: str, language: Language) -> str:
    """The text with comments as spaces and strings as NUL, line feeds kept; of the same length."""
    return language.blank.sub(_blank_out, text)


def name_of(match: re.Match[str], text: str) -> str:
    """The name of a test that was found in the blanked form of the text."""
    if "name" in match.re.groupindex:
        return match["name"]
    literal = _LITERAL.match(text, match.end())
    return "(computed name)" if literal is None else literal["text"]


def _blank_out(match: re.Match[str]) -> str:
    text = match[0]
    filler = "\0" if text[0] in "\"'`" else " "
    return "\n".join(filler * len(part) for part in text.split("\n"))


def _blank(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.DOTALL)


def _is_python(path: PurePosixPath) -> bool:
    name = path.name
    is_named = name.startswith("test") or name.endswith("_test.py") or name == "conftest.py"
    return is_named and path.suffix == ".py"


def _is_javascript(path: PurePosixPath) -> bool:
    is_script = path.suffix in {".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".cts"}
    is_named = re.search(r"[.\-_](?:test|spec)\.", path.name) is not None
    return is_script and (is_named or not {"__tests__", "test", "tests"}.isdisjoint(path.parts))


def _is_java(path: PurePosixPath) -> bool:
    is_named = re.search(r"Tests?$|Spec$|IT$|^Test", path.stem) is not None
    is_java = path.suffix in {".java", ".kt", ".groovy", ".scala"}
    return is_java and (is_named or "test" in path.parts)


def _is_go(path: PurePosixPath) -> bool:
    return path.name.endswith("_test.go")


def _is_rust(path: PurePosixPath) -> bool:
    return path.suffix == ".rs"


_PYTHON = Language(
    is_test_file=_is_python,
    blank=_blank(_LONG_DOUBLE, _LONG_SINGLE, _HASH_COMMENT, _DOUBLE, _SINGLE),
    test=re.compile(r"^[ \t]*+(?:async[ \t]+)?def[ \t]+(?P<name>test\w*)[ \t]*\(", re.MULTILINE),
    skip=re.compile(
        r"\b(?:mark\.(?:skipif|skip|xfail)|pytest\.(?:skip|xfail|importorskip|exit)"
        r"|unittest\.(?:skip\w*|expectedFailure|SkipTest)|self\.skipTest|SkipTest"
        r"|collect_ignore(?:_glob)?|__test__ *= *False"
        r"|pytest_(?:ignore_collect|collection_modifyitems|runtest_\w+|sessionfinish))\b"
        r"|@(?:skip\w*|expectedFailure)\b"
    ),
)
_JAVASCRIPT = Language(
    is_test_file=_is_javascript,
    blank=_blank(_C_COMMENT, _DOUBLE, _SINGLE, _BACKTICK),
    test=re.compile(
        r"(?<![\w.$])(?:it|test)(?:\.(?:only|skip|each\b[^(]{0,300}\([^)]{0,300}\)))?\s*+\(\s*+"
    ),
    skip=re.compile(
        r"\b(?:it|test|describe|suite|context)\.(?:skip|todo|failing|fails|fixme|only)\b"
        r"|(?<![\w.$])(?:xit|xtest|xdescribe|xcontext|fit|fdescribe)(?= ?\()|\bthis\.skip(?= ?\()"
    ),
)
_GO = Language(
    is_test_file=_is_go,
    blank=_blank(_C_COMMENT, _DOUBLE, _RAW_BACKTICK),
    test=re.compile(r"^func +(?P<name>(?:Test|Fuzz|Example|Benchmark)\w*)\s*+\(", re.MULTILINE),
    skip=re.compile(r"\b[a-z]\w*\.(?:SkipNow|Skipf|Skip)(?= ?\()|^//go:build\b", re.MULTILINE),
)
_RUST = Language(
    is_test_file=_is_rust,
    blank=_blank(_C_COMMENT, _DOUBLE),
    test=re.compile(
        r"#\[(?:\w{1,60}::){0,5}test\b[^\]]{0,200}\](?:\s*+#\[[^\]]{0,200}\]){0,10}\s*+"
        r"(?:pub\s+)?(?:async\s+)?fn\s+(?P<name>\w+)"
    ),
    skip=re.compile(r"#\[ignore\b"),
)
_JAVA = Language(
    is_test_file=_is_java,
    blank=_blank(_LONG_DOUBLE, _C_COMMENT, _DOUBLE),
    test=re.compile(
        r"@(?:Test|ParameterizedTest|RepeatedTest|TestFactory)\b(?:\([^)]{0,300}\))?"
        r"[^;{}]{0,300}?(?:\bvoid|\bfun)\s+(?P<name>\w+)\s*+\("
    ),
    skip=re.compile(r"@(?:Disabled\w*|Ignore)\b|\bAssumptions?\.assume\w*"),
)
_LANGUAGES = (_PYTHON, _JAVASCRIPT, _GO, _RUST, _JAVA)
