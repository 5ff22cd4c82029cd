"""Lines for a terminal that is narrower than they are: broken between words, never inside one.

Only for what commands say themselves: an agent's output and patches are shown as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ai_orchestrator.cli.lines import Line, Span, line, safe

if TYPE_CHECKING:
    from collections.abc import Iterator

_INDENT_CHARS = 4
_PIECES = re.compile(r"\s+|\S+")


def folded(a_line: Line, columns: int) -> list[Line]:
    """The line in as many as it takes; a word that is longer than a line stands alone, whole.

    Further lines begin below the text after a label, else a little to the right.
    """
    if sum(len(safe(span.text)) for span in a_line) <= columns:
        return [a_line]
    indent = min(_label_chars(a_line) or _INDENT_CHARS, columns // 3)
    lines: list[Line] = []
    current: list[Span] = []
    for gap, word in _words(a_line):
        needed = sum(len(span.text) for span in (*current, Span(gap), *word))
        if current and needed > columns:
            lines.append(line(*current))
            current = [Span(" " * indent), *word]
        else:
            current += [Span(gap), *word]
    return [*lines, line(*current)]


def _label_chars(a_line: Line) -> int:
    """Characters of `  findings   ` before a value; 0 where the line begins with something else."""
    first = a_line[0] if a_line else Span("")
    is_label = first.style == "dim" and first.text.startswith("  ") and first.text.endswith(" ")
    return len(first.text) if is_label else 0


def _words(a_line: Line) -> Iterator[tuple[str, list[Span]]]:
    """Each word in its pieces of one style, with the blanks before it."""
    gap, word = "", list[Span]()
    for span in a_line:
        for piece in _PIECES.findall(safe(span.text)):
            if not piece.isspace():
                word.append(Span(piece, span.style))
            elif word:
                yield gap, word
                gap, word = piece, []
            else:
                gap += piece
    if word:
        yield gap, word
