"""Three ways to show a task while it runs: NDJSON, plain lines, and a live panel."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import click

from ai_orchestrator.cli.lines import Line, safe, to_text
from ai_orchestrator.cli.screen import panel
from ai_orchestrator.cli.timeline import Timeline
from ai_orchestrator.model.events import encode_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from ai_orchestrator.base.clock import Clock
    from ai_orchestrator.cli.live_view import LiveView
    from ai_orchestrator.model.events import Event

FRAMES_PER_SECOND = 8
LEAST_COLUMN_CHARS = 30
"""Below that, folded lines are harder to read than ragged ones."""


class JsonPresenter:
    """Events as NDJSON; remarks go to stderr."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to tidy up."""

    def show(self, event: Event) -> None:
        """One line."""
        self._write(encode_event(event) + b"\n")

    def say(self, a_line: Line) -> None:
        """A remark on stderr."""
        click.echo(to_text(a_line, is_coloured=False), err=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing stands in the way of a question on stderr."""
        yield


class PlainPresenter:
    """One line per thing that happened, for logs, pipes and simple terminals."""

    def __init__(self, timeline: Timeline, write: Callable[[Line], None]) -> None:
        self._timeline = timeline
        self._write = write

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Prints what an agent had half said."""
        self._flush()

    def show(self, event: Event) -> None:
        """The lines of an event."""
        for a_line in self._timeline.feed(event):
            self._write(a_line)

    def say(self, a_line: Line) -> None:
        """A remark between the lines."""
        self._flush()
        self._write(a_line)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is redrawn, so nothing stands in the way."""
        self._flush()
        yield

    def _flush(self) -> None:
        for a_line in self._timeline.flush():
            self._write(a_line)


class LivePresenter:
    """The story scrolls by, and below it a panel shows where the task stands.

    Rich draws the panel in a thread of its own, eight times a second, so that the clock in it goes
    on while the command waits for an event.
    """

    def __init__(self, timeline: Timeline, console: Console, clock: Clock) -> None:
        self._timeline = timeline
        self._console = console
        self._clock = clock
        from ai_orchestrator.cli.live_view import LiveView, reduce

        self._reduce = reduce
        self._view = LiveView()
        self._live = self._new_live()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Removes the panel; the story stays."""
        self._write(self._timeline.flush())
        self._live.stop()

    def _new_live(self) -> Live:
        from rich.live import Live

        return Live(
            console=self._console,
            get_renderable=self._frame,
            refresh_per_second=FRAMES_PER_SECOND,
            transient=True,
            vertical_overflow="crop",
            redirect_stdout=False,
            redirect_stderr=False,
        )

    @property
    def view(self) -> LiveView:
        """What the panel shows."""
        return self._view

    def show(self, event: Event) -> None:
        """Adds the event to the story and to the panel."""
        self._view = self._reduce(self._view, event)
        self._write(self._timeline.feed(event))

    def say(self, a_line: Line) -> None:
        """A remark in the story."""
        self._write([*self._timeline.flush(), a_line])

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Takes the panel away while a question stands."""
        self._live.stop()
        try:
            yield
        finally:
            # A new one: the old one would erase as many lines as its panel had, now ours.
            self._live = self._new_live()
            self._live.start()

    def _write(self, lines: list[Line]) -> None:
        if lines:
            indent = self._timeline.indent
            told = [_hanging(to_rich(a_line), indent, self._console) for a_line in lines]
            self._console.print(*told, sep="\n", soft_wrap=True)

    def _frame(self) -> Text:
        lines = panel(self._view, now=self._clock.now(), height=self._console.height - 1)
        return _stacked([_cut(to_rich(a_line), self._console.width) for a_line in lines])


_RICH_STYLE = {
    "plain": "",
    "strong": "bold",
    "dim": "dim",
    "good": "green",
    "bad": "red",
    "warn": "yellow",
    "accent": "cyan",
}


def to_rich(a_line: Line) -> Text:
    """The line for Rich, without its markup and without foreign controls."""
    from rich.text import Text

    return Text.assemble(*((safe(span.text), _RICH_STYLE[span.style]) for span in a_line))


def _hanging(text: Text, indent: int, console: Console) -> Text:
    """The text folded between words, each further line below the beginning of the first.

    As it is where it fits, and where the terminal leaves no room for a column.
    """
    from rich.text import Text

    room = console.width - indent - 1
    if text.cell_len <= indent + room or room < LEAST_COLUMN_CHARS:
        return text
    head, body = text.divide([indent])
    folded = body.wrap(console, room)
    for piece in folded:
        piece.rstrip()
    return Text.assemble(head, Text("\n" + " " * indent).join(folded))


def _cut(text: Text, width: int) -> Text:
    text.truncate(max(width - 1, 1), overflow="ellipsis")
    return text


def _stacked(lines: list[Text]) -> Text:
    from rich.text import Text

    return Text("\n").join(lines)


def live_console() -> Console:
    """A console on stdout. Rich itself reads COLORTERM and the size of the terminal."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)
