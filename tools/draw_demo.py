# ruff: noqa: INP001  a script, not a package
"""Draws docs/demo.svg (make picture): the demo as a terminal shows it, from a real run.

The demo runs in a pseudo-terminal, so that it prints its colours; what it prints is folded to the
picture's width and drawn by Rich. Nothing is edited but the path of the demo's directory, which is
a temporary one here. The picture asks no server for a font.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "demo.svg"
SHOWN_DIRECTORY = "/tmp/demo"  # noqa: S108  shown in the picture, not used
COMMAND = f"$ ai-orchestrator demo --directory {SHOWN_DIRECTORY}"
WIDTH = 114
INDENT = 23
"""Where the third column of the timeline begins: folded lines go on there."""
FONT_ASPECT_RATIO = 0.602
"""Width to height of DejaVu Sans Mono and Menlo; other fonts are stretched to it."""
FONTS = '"DejaVu Sans Mono", Menlo, Consolas, "Liberation Mono", monospace'
THEME = TerminalTheme(
    (24, 27, 33),
    (214, 219, 228),
    [
        (40, 44, 52),
        (240, 113, 120),
        (134, 201, 122),
        (229, 192, 103),
        (97, 175, 239),
        (198, 146, 233),
        (102, 199, 214),
        (214, 219, 228),
    ],
)


def main() -> int:
    """Runs the demo and writes the picture; the exit code is the demo's."""
    with tempfile.TemporaryDirectory(prefix="draw-demo-") as directory:
        code, printed = run_in_terminal(Path(directory) / "demo")
        printed = printed.replace(f"{directory}/demo", SHOWN_DIRECTORY)
    if code == 0:
        TARGET.write_text(draw(printed), "utf-8")
    else:
        sys.stderr.write(printed)
    return code


def run_in_terminal(directory: Path) -> tuple[int, str]:
    """The demo's exit code, and all that it printed to its terminal, with colours."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "ai_orchestrator.cli"),
            *("demo", "--plain", "--directory", str(directory)),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(directory.parent), "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    printed = b""
    while chunk := read(master):
        printed += chunk
    os.close(master)
    return process.wait(timeout=60.0), printed.decode("utf-8").replace("\r\n", "\n")


def read(terminal: int) -> bytes:
    """What came next; nothing once the last writer has closed its side."""
    try:
        return os.read(terminal, 65_536)
    except OSError:  # how Linux tells the end of a pseudo-terminal
        return b""


def draw(printed: str) -> str:
    """The picture of a terminal that shows this text."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text(COMMAND, "bold"))
    for line in Text.from_ansi(printed.rstrip("\n")).split("\n", allow_blank=True):
        for row in folded(line, console):
            console.print(without_outer_spaces(row), no_wrap=True)
    svg = console.export_svg(
        title="ai-orchestrator demo",
        theme=THEME,
        code_format=template(),
        font_aspect_ratio=FONT_ASPECT_RATIO,
        unique_id="demo",
    )
    return "\n".join(row.rstrip() for row in svg.splitlines()) + "\n"


def folded(line: Text, console: Console) -> list[Text]:
    """The line in rows of at most `WIDTH` columns; all but the first are indented."""
    if len(line.plain) <= WIDTH:
        return [line]
    first = line.wrap(console, WIDTH)[0]
    rest = line[len(first.plain) :]
    rest = rest[len(rest.plain) - len(rest.plain.lstrip()) :]
    rows = rest.wrap(console, WIDTH - INDENT)
    return [first, *(Text(" " * INDENT) + row for row in rows)]


def without_outer_spaces(row: Text) -> Text:
    """The row with spaces set apart where a style begins or ends.

    Rich leaves pieces out that are spaces only, and some programs drop spaces at the ends of the
    others. Blinking means nothing in a picture, so it only sets apart.
    """
    edges = {0, len(row.plain)}.union(*((span.start, span.end) for span in row.spans))
    for spaces in re.finditer(" +", row.plain):
        if len(spaces[0]) > 1 or edges & {spaces.start(), spaces.end()}:
            row.stylize("blink", spaces.start(), spaces.end())
    return row


def template() -> str:
    """Rich's frame without its web font, and a word for people who cannot see the picture."""
    before, _, rest = CONSOLE_SVG_FORMAT.partition("    @font-face")
    _, _, after = rest.rpartition("font-weight: 700;\n    }}\n")
    made = (before + after).replace("Fira Code, monospace", FONTS).replace("arial", "sans-serif")
    told = "The demo: red tests and a finding after round 1, green and approved after round 2."
    return made.replace("\n    <!-- ", f"\n    <title>{told}</title>\n    <!-- ", 1)


if __name__ == "__main__":
    sys.exit(main())
