"""The ASGI application: `/api/v1` on the runner's socket, and later on port 5001 of the service."""

from __future__ import annotations

from collections.abc import Callable

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from ai_orchestrator.api.problems import on_http_error, on_orchestrator_error, on_unexpected
from ai_orchestrator.api.routes.server import collect_garbage, drain, info
from ai_orchestrator.api.routes.tasks import TaskController
from ai_orchestrator.base.errors import OrchestratorError
from ai_orchestrator.services.server import ServerService
from ai_orchestrator.services.tasks import TaskService

MAX_BODY_BYTES = 16 * 2**20


def build_app(
    tasks: TaskService, server: ServerService, on_request: Callable[[int], None]
) -> Litestar:
    """The application. `on_request` is told +1 when a request begins and -1 when it has ended."""

    def counted(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            on_request(1)
            try:
                await app(scope, receive, send)
            finally:
                on_request(-1)

        return middleware

    return Litestar(
        route_handlers=[
            Router("/api/v1", route_handlers=[TaskController, info, drain, collect_garbage])
        ],
        dependencies={
            "tasks": Provide(lambda: tasks, sync_to_thread=False),
            "server": Provide(lambda: server, sync_to_thread=False),
        },
        exception_handlers={
            OrchestratorError: on_orchestrator_error,
            HTTPException: on_http_error,
            Exception: on_unexpected,
        },
        middleware=[counted],
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,
        logging_config=None,
    )
