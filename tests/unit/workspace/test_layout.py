"""Where things lie in the data directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_orchestrator.base.errors import BadInputError, InternalError
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.workspace.layout import DataLayout, conversation_name, safe_name

LAYOUT = DataLayout(Path("/data"))


def test_a_tasks_places_are_its_own() -> None:
    """The shape that other programs rely on."""
    attempt = LAYOUT.attempt("t-1", 2)
    assert attempt.repository == Path("/data/work/t-1/repo.git")
    assert attempt.tree == Path("/data/work/t-1/a2/tree")
    assert attempt.index == Path("/data/work/t-1/a2/index")
    assert attempt.clean_tree == Path("/data/work/t-1/a2/clean")
    assert attempt.clean_index == Path("/data/work/t-1/a2/clean.index")
    assert attempt.attempt("k.a1") == Path("/data/work/t-1/a2/attempts/k.a1")
    assert attempt.conversation("r", "a", "acc") == Path("/data/agents/t-1/a2/r-a-acc")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a..b", ".x", "-x", "a\0", "a" * 201])
def test_a_name_is_one_component_of_a_path(name: str) -> None:
    """Whatever an id or a role contains."""
    with pytest.raises(InternalError):
        safe_name(name)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("a-b", "c", None), ("a", "b-c", None)),
        (("a", "b", "c"), ("a", "b-c", None)),
        (("a", "b", None), ("a", "b", "b")),
    ],
)
def test_different_conversations_have_different_names(
    one: tuple[str, str, str | None], two: tuple[str, str, str | None]
) -> None:
    """A hyphen in a name does not make two of them meet."""
    assert conversation_name(*one) != conversation_name(*two)


def test_the_same_source_has_the_same_mirror() -> None:
    """However it is spelled."""
    url = LAYOUT.mirror(RepositorySource(url="https://example.org/a"))
    assert LAYOUT.mirror(RepositorySource(url="https://example.org/a.git")) == url
    assert LAYOUT.mirror(RepositorySource(url="https://example.org/a/", ref="x")) == url
    path = LAYOUT.mirror(RepositorySource(path="/home/u/p", include_dirty=True))
    assert LAYOUT.mirror(RepositorySource(path="/home/u/p/")) == path != url
    new = LAYOUT.mirror(RepositorySource(new_directory="/x"))
    assert LAYOUT.mirror(RepositorySource(new_directory="/y")) == new


def test_a_source_must_name_something() -> None:
    """An empty source is an input error."""
    with pytest.raises(BadInputError):
        LAYOUT.mirror(RepositorySource())


@pytest.mark.parametrize("root", ["relative", "/with\nline"])
def test_a_data_directory_is_absolute_and_on_one_line(root: str) -> None:
    """Git reads its path from a line of a file."""
    with pytest.raises(BadInputError):
        DataLayout(Path(root))
