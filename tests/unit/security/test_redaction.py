"""What is taken out of texts, and what is left alone."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from ai_orchestrator.security.redaction import Redactor

SECRET = 'Zx9/+ pa"ss\\w&rd-ü-end'
DIGITS = "0123456789"
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "Proc-Type: 4,ENCRYPTED\n"
    "\n" + ("MIIEpAIBAAKCAQEAabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL\n" * 3) + "Qm9v==\n"
    "-----END RSA PRIVATE KEY-----"
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"


@pytest.fixture
def redactor() -> Redactor:
    """A redactor that knows one value."""
    redactor = Redactor()
    redactor.add("t-1", {"API_KEY": SECRET})
    return redactor


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(SECRET))[3:-3],
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower().replace("zx9", "Zx9"),
        quote(SECRET),
        quote_plus(SECRET),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
    ],
    ids=[
        "raw",
        "json",
        "json-utf8",
        "json-twice",
        "url",
        "url-lower",
        "path",
        "form",
        "hex",
        "HEX",
    ],
)
def test_encoded_values_are_replaced_whole(redactor: Redactor, shown: str) -> None:
    """Whatever program printed the value, nothing of it is left."""
    assert redactor.redact(f"a {shown} b") == "a [redacted:API_KEY] b"


@pytest.mark.parametrize("before", ["", "u", "us", "user:"], ids=repr)
@pytest.mark.parametrize("after", ["", "x", "xy"], ids=repr)
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode], ids=["std", "url"])
def test_value_within_base64_is_replaced(
    redactor: Redactor, before: str, after: str, encode: Callable[[bytes], bytes]
) -> None:
    """Only what encodes the neighbours is left, and a character or padding at the edges."""
    shown = encode((before + SECRET + after).encode()).decode()
    redacted = redactor.redact(shown)
    assert "[redacted:API_KEY]" in redacted
    assert len(redacted) - len("[redacted:API_KEY]") <= 4 * len(before + after) + 4


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("k sk-ant-api03-AbCdEfGhIjKlMnOp_-x.", "k [redacted:anthropic-key]."),
        ("KEY=sk-proj-abcdefghijklmnop0123", "KEY=[redacted:openai-key]"),
        (
            "https://ghp_abcdefghij0123456789@github.com",
            "https://[redacted:github-token]@github.com",
        ),
        ("github_pat_11ABCDEFG0123456789_abc", "[redacted:github-token]"),
        ("AIza" + "Sy0123456789abcdefghijklmnopqrstu", "[redacted:google-key]"),
        ("xoxb-123456789012-abcdef", "[redacted:slack-token]"),
        ("AKIAIOSFODNN7EXAMPLE", "[redacted:aws-key]"),
        ("glpat-abcdefghij0123456789", "[redacted:gitlab-token]"),
        (f"token: {JWT}, next", "token: [redacted:jwt], next"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer [redacted:authorization]"),
        (
            "-H 'authorization: token abcdefgh'",
            "-H 'authorization: token [redacted:authorization]'",
        ),
        (
            '{"Authorization":"Basic dXNlcjpwYXNz"}',
            '{"Authorization":"Basic [redacted:authorization]"}',
        ),
        ('{\\"X-Api-Key\\": \\"abcdefgh1\\"}', '{\\"X-Api-Key\\": \\"[redacted:api-key]\\"}'),
        (f"a {PEM} b", "a [redacted:private-key] b"),
        (json.dumps(PEM), '"[redacted:private-key]"'),
        (json.dumps(json.dumps(PEM)), '"\\"[redacted:private-key]\\""'),
        (PEM.partition("Qm9v")[0] + "(cut)", "[redacted:private-key]\n(cut)"),
    ],
    ids=lambda value: value[:24].replace("\n", " "),
)
def test_well_known_keys_are_replaced(text: str, redacted: str) -> None:
    """Keys that nobody told us are known by their shape; what surrounds them stays."""
    assert Redactor().redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "pip install sk-learn-contrib-something-long",
        "the task-list-item-0123456789-abcdefgh",
        "ghp_short",
        "Authorization: required",
        "-----BEGIN PRIVATE KEY----- is how the file begins, then comes base64",
        "-----BEGIN CERTIFICATE-----\n" + "A" * 64 + "\n-----END CERTIFICATE-----",
        "eyJ is how a token begins. Three parts. Dots.",
        "-----\n\n-----\n",
        "",
        "Größe ✓ \ud800",
    ],
    ids=lambda value: repr(value)[:30],
)
def test_innocent_text_is_the_same_object(redactor: Redactor, text: str) -> None:
    """Text without a secret is given back as it is."""
    assert redactor.redact(text) is text


def test_short_values_are_not_looked_for() -> None:
    """A value below eight characters would turn up everywhere."""
    redactor = Redactor()
    redactor.add("t-1", {"A": "1234567", "B": ""})
    assert redactor.redact("1234567") == "1234567"


def test_trailing_line_feed_of_a_value_does_not_hide_it() -> None:
    """A secret read from a file is found in a line of text."""
    redactor = Redactor()
    redactor.add("t-1", {"A": "value-from-file\n"})
    assert redactor.redact("x value-from-file y") == "x [redacted:A] y"


def test_each_line_of_a_long_value_is_a_secret() -> None:
    """A value of several lines is found when its lines are printed with something between."""
    redactor = Redactor()
    redactor.add("t-1", {"A": "first-line-of-the-value\nsecond-line-of-the-value"})
    shown = redactor.redact("1| first-line-of-the-value\n2| second-line-of-the-value")
    assert shown == "1| [redacted:A]\n2| [redacted:A]"


def test_longest_of_overlapping_values_wins() -> None:
    """A value that begins with another one is replaced whole."""
    redactor = Redactor()
    redactor.add("t-1", {"SHORT": DIGITS, "LONG": DIGITS + "abc"})
    assert redactor.redact(DIGITS + "abc" + DIGITS) == "[redacted:LONG][redacted:SHORT]"


def test_value_is_secret_as_long_as_any_task_has_it() -> None:
    """Two tasks with the same key: the end of one does not expose the other."""
    redactor = Redactor()
    redactor.add("t-1", {"A": DIGITS})
    redactor.add("t-2", {"A": DIGITS})
    redactor.remove("t-1")
    assert redactor.redact(DIGITS) == "[redacted:A]"
    redactor.remove("t-2")
    redactor.remove("t-2")
    assert redactor.redact(DIGITS) == DIGITS


def test_names_cannot_break_the_marker() -> None:
    """A variable's name never brings brackets, quotes or line feeds into a text."""
    redactor = Redactor()
    redactor.add("t-1", {'A]"\nB': DIGITS})
    assert redactor.redact(DIGITS) == "[redacted:A___B]"


def test_stream_gives_out_what_is_decided() -> None:
    """Plain text passes at once; only what may begin a secret waits."""
    redactor = Redactor()
    redactor.add("t-1", {"A": "topsecret-value"})
    stream = redactor.new_stream()
    assert stream.feed_text("hello tops") == "hello "
    assert stream.feed_text("oil to") == "topsoil "
    assert stream.feed_text("psecret-val") == ""
    assert stream.feed_text("ue.") == "[redacted:A]."
    assert stream.feed_text("to") == ""
    assert stream.finish_text() == "to"


def test_endless_token_does_not_fill_the_memory() -> None:
    """A key that never ends is given up after 16 KB, not collected for ever."""
    stream = Redactor().new_stream()
    given = sum(len(stream.feed(b"x" * 1024)) for _ in range(2)) + len(stream.feed(b" sk-ant-"))
    for _ in range(100):
        given += len(stream.feed(b"1" * 1024))
    assert given > 80_000
    assert len(stream.finish()) < 20_000


def test_threads_may_add_and_remove_while_others_redact() -> None:
    """A known value is never let through while other tasks come and go."""
    redactor = Redactor()
    redactor.add("t-0", {"A": DIGITS})
    stop = threading.Event()

    def come_and_go(name: str) -> None:
        while not stop.is_set():
            redactor.add(name, {"B": name * 3})
            redactor.remove(name)

    threads = [threading.Thread(target=come_and_go, args=(f"task-{n}",)) for n in range(2)]
    for thread in threads:
        thread.start()
    results = {redactor.redact(f"x {DIGITS} y") for _ in range(300)}
    stop.set()
    for thread in threads:
        thread.join()
    assert results == {"x [redacted:A] y"}


def test_value_that_contains_the_beginning_of_a_key_is_found_in_a_stream() -> None:
    """What may begin a value is held back, though a later place might begin something too."""
    redactor = Redactor()
    redactor.add("t-1", {"A": "nghp_12345678"})
    stream = redactor.new_stream()
    assert stream.feed_text("nghp_") == ""
    assert stream.feed_text("12345678 ") == "[redacted:A] "
