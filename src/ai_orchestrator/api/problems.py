"""Every error leaves the API in one JSON shape, with the status and code of its class."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from ai_orchestrator.base.errors import BadInputError, InternalError, OrchestratorError, shorten
from ai_orchestrator.model.task import Problem

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"


def problem_response(problem: Problem) -> Response[bytes]:
    """The problem as a response."""
    return Response(msgspec.json.encode(problem), status_code=problem.status, media_type=MEDIA_TYPE)


def on_orchestrator_error(
    _request: Request[Any, Any, Any], error: OrchestratorError
) -> Response[bytes]:
    """An error of ours, as it is."""
    return problem_response(
        Problem(
            title=error.code.replace("-", " "),
            status=error.http_status,
            code=error.code,
            detail=error.message,
            hint=error.hint,
            exit_code=error.exit_code,
            errors=error.details,
        )
    )


def on_http_error(_request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """An error of the framework: unknown route, wrong method, a body that does not parse."""
    is_client_error = error.status_code < 500
    return problem_response(
        Problem(
            title="bad request" if is_client_error else "internal",
            status=error.status_code,
            code="bad-request" if is_client_error else "internal",
            detail=shorten(error.detail),
            exit_code=BadInputError.exit_code if is_client_error else InternalError.exit_code,
            errors=_places(error.extra),
        )
    )


def _places(extra: object) -> tuple[str, ...]:
    """What the framework found wrong and where, a line for each."""
    if not isinstance(extra, list):
        return ()
    return tuple(
        shorten(": ".join(str(part) for part in (one.get("key"), one.get("message")) if part))
        for one in extra
        if isinstance(one, dict)
    )


def on_unexpected(_request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A defect: logged with its trace, told without it."""
    log.error("unexpected error in a request", exc_info=error)
    return problem_response(
        Problem(
            title="internal",
            status=500,
            code="internal",
            detail=f"{type(error).__name__} in the server; its log has the trace.",
            exit_code=InternalError.exit_code,
        )
    )
