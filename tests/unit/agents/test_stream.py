"""Lines, noise and broken text, once for all dialects."""

from __future__ import annotations

import json

import pytest
from tests.unit.agents.orders import events_of, parser

from ai_orchestrator.agents.kept_text import LIMIT_TEXT_CHARS
from ai_orchestrator.agents.lines import LineFramer
from ai_orchestrator.agents.stream import SUMMARY_LIMIT_CHARS, JsonStream, cut, summary
from ai_orchestrator.base.command import Exit
from ai_orchestrator.model.agent import EndSeen, TextSeen

SAID = {"type": "message", "role": "assistant", "content": "x"}


def gemini() -> JsonStream:
    """A parser with a small dialect."""
    made = parser("gemini")
    assert isinstance(made, JsonStream)
    return made


def test_chunks_are_not_lines() -> None:
    """A line comes out when its end came in."""
    framer = LineFramer()
    assert framer.feed(b"on") == []
    assert framer.feed(b"e\ntwo\nth") == [b"one", b"two"]
    assert framer.finish() == [b"th"]
    assert framer.finish() == []


def test_an_endless_line_is_dropped_and_counted_once() -> None:
    """Memory stays bounded, the next line is read."""
    framer = LineFramer(limit_bytes=4)
    assert framer.feed(b"12") == []
    assert framer.feed(b"345") == []
    assert framer.feed(b"6789" * 1000) == []
    assert framer.dropped == 1
    assert framer.feed(b"\nok\n") == [b"ok"]


def test_a_dropped_line_fails_the_run() -> None:
    """Nobody knows what stood there."""
    made = gemini()
    made._out = LineFramer(limit_bytes=100)
    events = made.feed(b'{"type":"message","content":"' + b"x" * 200 + b'"}\n')
    assert events == [
        EndSeen("protocol", "A line of more than 16 MiB was dropped from the stream.")
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"Warning: no colours",
        b"",
        b"[1, 2]",
        b"{broken",
        b'{"no": "type"}',
        b'{"type": 7}',
        b"\xff\xfe",
    ],
    ids=repr,
)
def test_noise_is_skipped_and_counted(line: bytes) -> None:
    """Programs print warnings between their events."""
    made = gemini()
    assert made.feed(line + b"\n" + json.dumps(SAID).encode() + b"\n") == [TextSeen("x")]
    assert made.noise_lines == bool(line)


def test_fields_of_the_wrong_kind_are_counted() -> None:
    """A program that changed its events is noticed and does not break the run."""
    made = gemini()
    assert made.feed(b'{"type":"result","status":["success"]}\n') == []
    assert made.unreadable_lines == 1


def test_deeply_nested_lines_do_no_harm() -> None:
    """Neither the decoder nor its fallback falls over."""
    made = gemini()
    assert made.feed(b'{"type":"x","a":' + b"[" * 100_000 + b"\n") == []


def test_broken_utf8_is_replaced() -> None:
    """The rest of the line is worth more than one letter."""
    line = json.dumps(SAID).encode().replace(b"x", b"caf\xc3")
    assert events_of("gemini", line + b"\n") == [TextSeen("caf\ufffd")]


def test_half_an_emoji_is_replaced() -> None:
    """A vendor that cuts text between surrogates sends this."""
    line = json.dumps(SAID).replace('"x"', '"a\\ud83d"').encode()
    assert events_of("gemini", line + b"\n") == [TextSeen("a?")]


def test_the_last_line_needs_no_end() -> None:
    """A program may end without a line feed."""
    made = gemini()
    assert made.feed(json.dumps(SAID).encode()) == []
    assert made.finish({}, Exit(0, None)) == [TextSeen("x")]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"description": "d", "command": "make test"}, "make test"),
        ({"file_path": "a.py", "content": "..."}, "a.py"),
        ({"cmd": ["bash", "-lc", "ls"]}, "bash -lc ls"),
        ({"unknown": "one\ntwo"}, "one two"),
        ({}, ""),
    ],
    ids=["command", "path", "list", "other", "none"],
)
def test_a_summary_is_the_most_telling_argument(arguments: dict[str, object], told: str) -> None:
    """One line for people."""
    assert summary(arguments) == told


def test_a_summary_is_cut() -> None:
    """However long the command is."""
    assert len(cut("x" * 5000)) == SUMMARY_LIMIT_CHARS


DELTA = json.dumps({**SAID, "content": "xyz " * 10, "delta": True}).encode() + b"\n"


@pytest.mark.parametrize(
    ("agent", "line", "lines", "end"),
    [
        ("command", b"x\n", 1_200_000, b""),
        ("gemini", DELTA, 200_000, b'{"type":"result","status":"success"}\n'),
    ],
    ids=["command", "gemini"],
)
@pytest.mark.timeout(30)
def test_a_long_answer_costs_no_more_than_its_lines(
    agent: str, line: bytes, lines: int, end: bytes
) -> None:
    """Each is looked at once, and of the text its end is kept; else its deadline passes."""
    made = parser(agent)
    for _ in range(lines // 1000):
        made.feed(line * 1000)
    events = made.feed(end) + made.finish({}, Exit(0, None))
    (said,) = [event for event in events if isinstance(event, EndSeen)]
    assert said.final_text is not None
    assert len(said.final_text) <= LIMIT_TEXT_CHARS
