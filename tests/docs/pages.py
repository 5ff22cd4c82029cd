"""The pages of the documentation as tests see them: headings, links, and blocks to run.

A comment above a fenced block says what a test does with it; people see no comments.

    <!-- runnable -->            runs it; every command must succeed
    <!-- runnable: exit 1 -->    runs it; it must end with that exit code
    <!-- not run: why -->        does not run it
    <!-- file: config/x.yaml --> writes it to that file
    <!-- shows -->               its lines stood in the output of the block before
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"(`{3,})(\S*)")
_DIRECTIVE = re.compile(r"<!-- (runnable|not run|file|shows)(?:: (.+?))? -->")
_HEADING = re.compile(r"#{1,6} (.+)")
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_CODE = re.compile(r"`[^`]*`")


@dataclass(frozen=True)
class Block:
    """A fenced block, with the directive that stands above it."""

    line: int
    language: str
    text: str
    directive: str | None
    argument: str


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """Its path in the project."""
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def _split(self) -> tuple[list[Block], list[str]]:
        """The fenced blocks, and the lines outside of them."""
        blocks: list[Block] = []
        prose: list[str] = []
        lines = iter(enumerate(self.path.read_text("utf-8").splitlines(), start=1))
        for number, text in lines:
            fence = _FENCE.match(text)
            if fence is None:
                prose.append(text)
                continue
            body: list[str] = []
            for _, inner in lines:
                if inner == fence[1]:
                    break
                body.append(inner)
            above = _DIRECTIVE.fullmatch(prose[-1]) if prose else None
            directive, argument = (None, "") if above is None else (above[1], above[2] or "")
            blocks.append(Block(number, fence[2], "\n".join(body) + "\n", directive, argument))
            prose.append("")
        return blocks, prose

    @property
    def blocks(self) -> list[Block]:
        """The fenced blocks, in order."""
        return self._split[0]

    @property
    def anchors(self) -> set[str]:
        """What a link may name after `#`."""
        found: set[str] = set()
        for text in self._split[1]:
            heading = _HEADING.fullmatch(text)
            if heading is not None:
                slug = slug_of(heading[1])
                repeated = (f"{slug}-{count}" for count in range(1, 100))
                found.add(next(one for one in (slug, *repeated) if one not in found))
        return found

    @property
    def links(self) -> Iterator[str]:
        """The targets of its links and pictures."""
        for text in self._split[1]:
            yield from _LINK.findall(_CODE.sub("code", text))


def slug_of(heading: str) -> str:
    """The anchor that a heading gets where Markdown is shown."""
    plain = _LINK.sub(lambda link: link[0][link[0].index("[") + 1 : link[0].index("](")], heading)
    return re.sub(r"[^\w\- ]", "", plain.lower().strip()).replace(" ", "-")


def pages() -> list[Page]:
    """Every page for people: at the top of the project and below docs."""
    return [Page(path) for path in sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))]


def rows(page: Page, table: str) -> Iterator[list[str]]:
    """The cells of a table's rows; it stands between `<!-- table: NAME -->` and `<!-- end -->`."""
    text = page.path.read_text("utf-8")
    _, _, rest = text.partition(f"<!-- table: {table} -->")
    body, _, _ = rest.partition("<!-- end -->")
    lines = [line for line in body.splitlines() if line.startswith("|")]
    for line in lines[2:]:  # past the head and the rule below it
        yield [cell.strip() for cell in line.strip("|").split("|")]
