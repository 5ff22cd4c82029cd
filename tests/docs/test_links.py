"""Every link within the documentation leads somewhere, and every page can be found."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tests.docs.pages import ROOT, Page, pages, slug_of

PAGES = pages()
INDEX = Page(ROOT / "docs" / "README.md")


def problem_of(page: Page, link: str) -> str:
    """What is wrong with a link; nothing when it leads somewhere."""
    parts = urlsplit(link)
    if parts.scheme:
        return "" if parts.scheme in ("https", "mailto") else f"{link}: only https"
    target = page.path
    if parts.path:
        target = (page.path.parent / unquote(parts.path)).resolve()
        if not target.is_relative_to(ROOT) or not target.exists():
            return f"{link}: there is no such file"
    is_known = not parts.fragment or parts.fragment in Page(target).anchors
    return "" if is_known else f"{link}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Page) -> None:
    """Files exist, and so do the headings that are named after `#`."""
    assert [told for link in page.links if (told := problem_of(page, link))] == []


def test_every_page_is_in_the_index() -> None:
    """Whoever opens docs finds each page from there."""
    found = {(INDEX.path.parent / urlsplit(link).path).resolve() for link in INDEX.links}
    below = {page.path for page in PAGES if page.path.is_relative_to(ROOT / "docs")}
    decisions = {path for path in below if path.parent.name == "adr"}
    assert below - decisions - {INDEX.path} - found == set()


def test_every_decision_is_listed() -> None:
    """The list of decisions misses none."""
    listing = Page(ROOT / "docs" / "adr" / "README.md")
    found = {(listing.path.parent / link).resolve() for link in listing.links}
    there = set(listing.path.parent.glob("[0-9]*.md"))
    assert there - found == set()


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        pytest.param("What is kept", "what-is-kept", id="words"),
        pytest.param("`gc`, and what it keeps", "gc-and-what-it-keeps", id="code-and-comma"),
        pytest.param("See [the page](x.md)", "see-the-page", id="link"),
    ],
)
def test_anchors_are_made_as_pages_show_them(heading: str, anchor: str) -> None:
    """Lower case, hyphens for spaces, no other signs."""
    assert slug_of(heading) == anchor


def test_a_broken_link_is_told(tmp_path: Path) -> None:
    """The check itself sees a missing file and a missing heading."""
    page = Page(ROOT / "docs" / "README.md")
    assert problem_of(page, "no-such-page.md")
    assert problem_of(page, "#no-such-heading")
    assert problem_of(page, str(tmp_path))
