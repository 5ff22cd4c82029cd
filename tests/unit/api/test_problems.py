"""The one JSON shape of an error."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from litestar import Request
from litestar.exceptions import HTTPException

from ai_orchestrator.api.problems import on_http_error, on_orchestrator_error, on_unexpected
from ai_orchestrator.base.errors import (
    BadInputError,
    EnvironmentProblemError,
    InternalError,
    TemporaryError,
    UnreachableError,
)
from ai_orchestrator.model.task import Problem

SCOPE: Any = {"type": "http", "headers": []}
ASKED: Request[Any, Any, Any] = Request(SCOPE)
ERRORS = [
    BadInputError("a"),
    EnvironmentProblemError("b"),
    TemporaryError("c", delay_s=1.0),
    UnreachableError("d"),
    InternalError("e"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_problem_always_says_what_a_command_exits_with(error: Any) -> None:
    """Also where it is 70: programs look for the key."""
    told = json.loads(on_orchestrator_error(ASKED, error).content)
    assert told["exit_code"] == error.exit_code


@pytest.mark.parametrize(("status", "code"), [(404, 2), (405, 2), (500, 70)])
def test_errors_of_the_framework_say_so_too(status: int, code: int) -> None:
    """An unknown route is bad input, a broken server is not."""
    told = json.loads(on_http_error(ASKED, HTTPException(status_code=status)).content)
    assert told["exit_code"] == code


def test_defect_says_so_too() -> None:
    """Without its trace."""
    told = json.loads(on_unexpected(ASKED, ValueError("secret")).content)
    assert (told["exit_code"], "secret" in told["detail"]) == (70, False)


def test_problem_without_it_is_none() -> None:
    """Whoever makes one has to think of it."""
    with pytest.raises(msgspec.ValidationError, match="exit_code"):
        msgspec.json.decode(b'{"title": "x", "status": 500, "code": "x"}', type=Problem)
