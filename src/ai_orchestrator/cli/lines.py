"""A line of output as data: pieces of text with a meaning, turned into colour at the very end.

Everything that decides what is shown returns these, so that it can be tested without a terminal
and shown by Click or by Rich.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import click

from ai_orchestrator.cli.terminal import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

Style = Literal["plain", "strong", "dim", "good", "bad", "warn", "accent"]


class Span(NamedTuple):
    """A piece of a line."""

    text: str
    style: Style = "plain"


Line = tuple[Span, ...]

_COLOUR: dict[Style, str] = {"good": "green", "bad": "red", "warn": "yellow", "accent": "cyan"}


def line(*pieces: str | Span) -> Line:
    """A line of plain text and styled pieces, empty ones left out."""
    spans = (Span(piece) if isinstance(piece, str) else piece for piece in pieces)
    return tuple(span for span in spans if span.text)


def safe(text: str) -> str:
    """The text as it may stand in a line: no control characters, no line feeds."""
    return clean(text).replace("\n", " ")


def to_text(a_line: Line, *, is_coloured: bool) -> str:
    """The line for a stream, with ANSI colours or without; never with foreign controls."""
    if not is_coloured:
        return "".join(safe(span.text) for span in a_line).rstrip()
    return "".join(_ansi(span) for span in a_line)


def _ansi(span: Span) -> str:
    text = safe(span.text)
    if span.style == "plain":
        return text
    return click.style(
        text,
        fg=_COLOUR.get(span.style),
        bold=span.style == "strong" or None,
        dim=span.style == "dim" or None,
    )


def table(rows: Sequence[Sequence[str | Span]], *, gap: str = "  ") -> list[Line]:
    """Rows with their columns aligned by the number of characters; the last one is ragged."""
    spans = [[Span(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    widths = [max(len(safe(cell.text)) for cell in column) for column in zip(*spans, strict=True)]
    return [_aligned(row, widths, gap) for row in spans]


def _aligned(row: Sequence[Span], widths: Sequence[int], gap: str) -> Line:
    pieces: list[Span] = []
    for cell, width in zip(row[:-1], widths[:-1], strict=True):
        text = safe(cell.text)
        pieces += [Span(text, cell.style), Span(" " * (width - len(text)) + gap)]
    return line(*pieces, row[-1])
