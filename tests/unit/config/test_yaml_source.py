"""YAML as it is read here: what plain words mean, where values stand, what is refused."""

from __future__ import annotations

import pytest

from ai_orchestrator.config.problems import ConfigError
from ai_orchestrator.config.yaml_source import (
    MAX_DEPTH,
    MAX_VALUES,
    Node,
    origins,
    parse_yaml,
    plain,
)

DEADLINE = pytest.mark.timeout(5)


def read(text: str) -> object:
    """The plain data of a document."""
    return plain(parse_yaml(text.encode(), "f.yaml"))


def problem(data: str | bytes) -> str:
    """The error that a document is refused with."""
    with pytest.raises(ConfigError) as caught:
        parse_yaml(data if isinstance(data, bytes) else data.encode(), "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("off", "off"),
        ("on", "on"),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("10:30", "10:30"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("!!int 12", 12),
        ("! 12", "12"),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(word: str, value: object) -> None:
    """No surprises of YAML 1.1: `off` is a word, and so is a date."""
    read_value = read(f"a: {word}")
    assert read_value == {"a": value}
    assert isinstance(read_value, dict)
    assert type(read_value["a"]) is type(value)


def test_keys_are_text_whatever_they_look_like() -> None:
    """`on:` and `1:` are names, as people mean them."""
    assert read("on: 1\n1: 2\ntrue: 3\nnull: 4\n") == {"on": 1, "1": 2, "true": 3, "null": 4}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~\n"], ids=repr)
def test_empty_document_is_an_empty_map(text: str) -> None:
    """A file in which everything is commented out changes nothing."""
    assert read(text) == {}


def test_byte_order_mark_is_no_part_of_the_first_key() -> None:
    """Files from editors that write one are read alike."""
    assert plain(parse_yaml(b"\xef\xbb\xbfa: 1\n", "f")) == {"a": 1}


def test_every_value_knows_its_line() -> None:
    """A map's entry counts from its key, a list's item from where it begins."""
    node = parse_yaml(b"a:\n  b: 1\n  c:\n    - x\n    - y: 2\nd: [3,\n  4]\n", "f.yaml")
    lines = {path: origin.line for path, origin in origins(node)}
    assert lines == {
        "a": 1,
        "a.b": 2,
        "a.c": 3,
        "a.c[0]": 4,
        "a.c[1]": 5,
        "a.c[1].y": 5,
        "d": 6,
        "d[0]": 6,
        "d[1]": 7,
    }
    assert {origin.source for _, origin in origins(node)} == {"f.yaml"}


def test_alias_stands_for_its_anchor() -> None:
    """Anchors can be used, and the alias's own line is what an error would name."""
    node = parse_yaml(b"a: &x {n: 1}\nb: *x\n", "f")
    assert plain(node) == {"a": {"n": 1}, "b": {"n": 1}}
    assert dict(origins(node))["b"].line == 2


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "'a' stands in line 1 already"),
        ("a: !foo 1\n", 1, "the tag '!foo' is not read"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "python/object/apply"),
        ("a: !!set {x}\n", 1, "is not read"),
        ("a: !!binary aGk=\n", 1, "is not read"),
        ("a: !!int x\n", 1, "does not fit its tag"),
        ("a: &x {n: 1}\nb:\n  <<: *x\n", 3, "merge keys"),
        ("a: *x\n", 1, "no anchor 'x'"),
        ("a: &x [*x]\n", 1, "inside its own anchor"),
        ("a: &x 1\n*x : 2\n", 2, "not plain text"),
        ("[a]: 1\n", 1, "not plain text"),
        ("? {a: 1}\n: 1\n", 1, "not plain text"),
        ("!!str a: 1\n!foo b: 2\n", 2, "a key with a tag"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: .inf\n", 1, "not finite"),
        ("a: .nan\n", 1, "not finite"),
        ("a: 1e999\n", 1, "not finite"),
        (f"a: {'9' * 19}\n", 1, "too many digits"),
        ("a: [1,\nb: }\n", 2, "not valid YAML"),
        ("\ta: 1\n", 1, "not valid YAML"),
    ],
)
def test_what_is_refused_is_told_with_its_line(text: str, line: int, words: str) -> None:
    """Nothing is guessed: what cannot be read safely is an error at a place."""
    message = problem(text)
    assert message.startswith(f"f.yaml:{line}: ")
    assert words in message


def test_text_that_is_not_utf_8_is_told_with_its_line() -> None:
    """A file in another encoding is not read as something else."""
    assert problem(b"a: 1\nb: \xff\n") == "f.yaml:2: is not UTF-8 text."


def bomb() -> bytes:
    """Ten levels of ten aliases: ten thousand million values in 500 bytes."""
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 10):
        again = b", ".join([b"*a%d" % (level - 1)] * 10)
        lines.append(b"a%d: &a%d [%s]" % (level, level, again))
    return b"\n".join(lines)


def chain() -> bytes:
    """Aliases that make one deep value out of many shallow ones."""
    lines = [b"a0: &a0 [[[[x]]]]"]
    lines += [b"a%d: &a%d [[[*a%d]]]" % (n, n, n - 1) for n in range(1, 40)]
    return b"\n".join(lines)


@DEADLINE
@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"a: b\n" * 2_000_000, "10,000,000 bytes", id="10 MB"),
        pytest.param(bomb(), f"{MAX_VALUES:,} values", id="alias bomb"),
        pytest.param(chain(), f"deeper than {MAX_DEPTH}", id="deep by aliases"),
        pytest.param(b"- a\n" * 250_000, f"{MAX_VALUES:,} values", id="many values"),
        pytest.param(b"[" * 1_000_000, f"deeper than {MAX_DEPTH}", id="deep lists"),
        pytest.param(b"- " * 500_000, f"deeper than {MAX_DEPTH}", id="deep block lists"),
        pytest.param(b"{a: " * 250_000, f"deeper than {MAX_DEPTH}", id="deep maps"),
        pytest.param(b"? " * 500_000, "not plain text", id="deep keys"),
        pytest.param(b"a: " + b"9" * 1_000_000, "too many digits", id="long number"),
        pytest.param(b"&" * 1_000_000, "not valid YAML", id="ampersands"),
        pytest.param(b"a: 'x\n" * 170_000, "not valid YAML", id="open quote"),
        pytest.param(b"a" * 1_000_000 + b": 1", "not valid YAML", id="long key"),
    ],
)
def test_hostile_file_is_refused_at_once(data: bytes, words: str) -> None:
    """Neither time nor memory is spent on what nobody would write."""
    assert words in problem(data)


def test_deep_but_allowed_document_is_read() -> None:
    """The bound on depth counts every list and map, and lets the last allowed one through."""
    node = parse_yaml(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "f")
    for _ in range(MAX_DEPTH - 1):
        assert isinstance(node.value, tuple)
        node = node.value[0]
    assert node.value == ()
    assert isinstance(node, Node)
