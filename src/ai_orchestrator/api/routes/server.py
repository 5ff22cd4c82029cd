"""`/api/v1/info`, `/gc`, `/drain`: the server itself."""

from __future__ import annotations

from litestar import get, post

from ai_orchestrator.model.task import GarbageReport, ServerInfo
from ai_orchestrator.services.server import ServerService
from ai_orchestrator.services.tasks import TaskService


@get("/info")
async def info(server: ServerService) -> ServerInfo:
    """Who answers."""
    return await server.info()


@post("/drain", status_code=202)
async def drain(server: ServerService) -> ServerInfo:
    """Ends this server at the next step boundary, so that a newer one can take over."""
    return await server.drain()


@post("/gc", status_code=200)
async def collect_garbage(
    tasks: TaskService,
    dry_run: bool = False,  # noqa: FBT001, FBT002  # a query parameter
    force: bool = False,  # noqa: FBT001, FBT002  # a query parameter
) -> GarbageReport:
    """Removes what is no longer needed; work not yet applied needs `force`."""
    return await tasks.collect_garbage(dry_run=dry_run, force=force)
