"""What may be accepted as a task, and by which words it is known."""

from __future__ import annotations

import pytest

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.services.acceptance import (
    MAX_TASK_BYTES,
    TITLE_CHARS,
    check_task_text,
    title_of,
)


@pytest.mark.parametrize("text", ["x", "é" * (MAX_TASK_BYTES // 2), "\n  do it\n"])
def test_a_task_is_a_text_within_the_limit(text: str) -> None:
    """Counted in bytes, as it is stored."""
    check_task_text(text)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("", "empty", id="nothing"),
        pytest.param(" \n\t", "empty", id="blank"),
        pytest.param("x" * (MAX_TASK_BYTES + 1), str(MAX_TASK_BYTES), id="too-long"),
        pytest.param("é" * (MAX_TASK_BYTES // 2 + 1), str(MAX_TASK_BYTES), id="too-many-bytes"),
        pytest.param("do\0it", "NUL", id="nul"),
        pytest.param("do \ud800", "position 3", id="half-a-character"),
    ],
)
def test_what_is_no_task_is_refused_with_a_way_out(text: str, word: str) -> None:
    """Exit code 2."""
    with pytest.raises(BadInputError, match=word) as caught:
        check_task_text(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("task", "title"),
    [
        ("Add a button", "Add a button"),
        ("\n\n  Add a button  \nto the page", "Add a button"),
        ("x" * TITLE_CHARS, "x" * TITLE_CHARS),
        ("x" * (TITLE_CHARS + 1), "x" * (TITLE_CHARS - 1) + "…"),
    ],
)
def test_a_title_is_the_first_line(task: str, title: str) -> None:
    """Cut where it is long."""
    assert title_of(task) == title
