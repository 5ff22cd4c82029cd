"""Shapes of well-known keys, for secrets that nobody told us. Pure; used by `redaction`.

A pattern has two regular expressions, both tried where one of its `starts` stands:

- `whole` says what a secret is; its group `secret` is what is replaced.
- `reach` matches at least as far as `whole` ever could. In a stream it tells whether more is to
  come: while it runs up to the end of what has been read, nothing is decided.

No start of a pattern can be found again and again within one run of its own characters, so a text
made to be slow costs linear time, or `LIMIT_BYTES` at each start.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LIMIT_BYTES = 16_384
"""How much a pattern may look at: the longest private key, RSA with 16,384 bits, takes 12,700."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of key."""

    name: str
    starts: tuple[bytes, ...]
    whole: re.Pattern[bytes]
    reach: re.Pattern[bytes]


def _token(name: str, starts: tuple[str, ...], characters: str, least: int) -> Pattern:
    """A prefix nobody else uses, then at least so many characters of a set."""
    head = "|".join(re.escape(start) for start in starts)
    return Pattern(
        name,
        tuple(start.encode() for start in starts),
        re.compile(f"(?P<secret>(?:{head})[{characters}]{{{least},}})".encode()),
        re.compile(f"(?:{head})[{characters}]*".encode()),
    )


_WORD = "A-Za-z0-9_-"
_NOT_INSIDE = f"(?<![{_WORD}])"

# `sk-` is short and a word like `sk-learn-something` is innocent: not inside a word, and a digit.
_OPENAI = Pattern(
    "openai-key",
    (b"sk-",),
    re.compile(f"{_NOT_INSIDE}(?P<secret>sk-(?=[{_WORD}]{{0,64}}[0-9])[{_WORD}]{{20,}})".encode()),
    re.compile(f"{_NOT_INSIDE}sk-[{_WORD}]*".encode()),
)

_JWT = Pattern(
    "jwt",
    (b"eyJ",),
    re.compile(
        f"{_NOT_INSIDE}(?P<secret>eyJ[{_WORD}]{{5,}}\\.[{_WORD}]{{5,}}\\.[{_WORD}]*)".encode()
    ),
    re.compile(f"{_NOT_INSIDE}eyJ[{_WORD}]*(?:\\.[{_WORD}]*){{0,2}}".encode()),
)

# Between a header's name and its value, also in JSON, in JSON within JSON and in source text.
_GAP = r"[\\\"' \t]{0,6}"
_VALUE = r"A-Za-z0-9._~+/=-"

_AUTHORIZATION = Pattern(
    "authorization",
    (b"authorization", b"Authorization", b"AUTHORIZATION"),
    re.compile(
        rf"(?i:authorization){_GAP}[:=]{_GAP}(?i:bearer|basic|token)[ \t]{{1,4}}"
        rf"(?P<secret>[{_VALUE}]{{8,}})".encode()
    ),
    re.compile(
        rf"(?i:authorization){_GAP}(?:[:=]{_GAP}(?:[A-Za-z]{{0,6}}"
        rf"(?:[ \t]{{1,4}}[{_VALUE}]*)?)?)?".encode()
    ),
)

_API_KEY_HEADER = Pattern(
    "api-key",
    (b"x-api-key", b"X-Api-Key", b"X-API-Key", b"X-API-KEY"),
    re.compile(rf"(?i:x-api-key){_GAP}[:=]{_GAP}(?P<secret>[{_VALUE}]{{8,}})".encode()),
    re.compile(rf"(?i:x-api-key){_GAP}(?:[:=]{_GAP}[{_VALUE}]*)?".encode()),
)

# A line break, also as JSON writes it, once or twice escaped.
_BREAK = r"(?:[ \t\r\n]|\\{1,4}[nr]){1,16}"
_KEY_KIND = r"[A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----"
_PEM_LINE = r"(?:[A-Za-z-]{3,20}: [A-Za-z0-9,+/=:. -]{1,200}|[A-Za-z0-9+/=]{16,200})"

_PRIVATE_KEY = Pattern(
    "private-key",
    (b"-----BEGIN ",),
    re.compile(
        rf"(?P<secret>-----BEGIN {_KEY_KIND}(?:{_BREAK}{_PEM_LINE})+"
        rf"(?:(?:{_BREAK}[A-Za-z0-9+/=]{{1,200}})?{_BREAK}(?P<end>-----END {_KEY_KIND}))?)".encode()
    ),
    re.compile(
        rb"-----BEGIN [A-Z0-9 ]{0,36}"
        rb"(?:(?:(?<=PRIVATE KEY)|(?<=PRIVATE KEY BLOCK))-[A-Za-z0-9+/=:,. \t\r\n\\-]*)?"
    ),
)

PATTERNS: tuple[Pattern, ...] = (
    _token("anthropic-key", ("sk-ant-",), _WORD, 16),
    _OPENAI,
    _token("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), "A-Za-z0-9", 20),
    _token("github-token", ("github_pat_",), "A-Za-z0-9_", 20),
    _token("gitlab-token", ("glpat-",), _WORD, 16),
    _token("google-key", ("AIza",), _WORD, 30),
    _token("aws-key", ("AKIA", "ASIA"), "A-Z0-9", 16),
    _token("slack-token", ("xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-"), "A-Za-z0-9-", 10),
    _JWT,
    _AUTHORIZATION,
    _API_KEY_HEADER,
    _PRIVATE_KEY,
)
