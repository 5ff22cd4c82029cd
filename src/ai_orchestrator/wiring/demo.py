"""The demo: the real program on a small repository, with a scripted model for a paid one."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator import __version__
from ai_orchestrator.base.errors import BadInputError, OrchestratorError
from ai_orchestrator.base.process import DirectSpawner
from ai_orchestrator.client.backend import HttpBackend
from ai_orchestrator.client.local_runner import LocalRunner
from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.files import writing_where_asked
from ai_orchestrator.config.paths import socket_path
from ai_orchestrator.config.resolve import ResolveRequest, resolve
from ai_orchestrator.model.task import RepositorySource, TaskRequest
from ai_orchestrator.scripted.demo import DEMO_TASK, copy_demo_repository
from ai_orchestrator.scripted.scenario_file import find_scenario, load_scenario
from ai_orchestrator.scripted.server import ScriptedServer
from ai_orchestrator.services.demo_configuration import (
    check_agents,
    demo_document,
    vendor_variables,
)
from ai_orchestrator.workspace.start import make_repository

SCENARIO = "demo"


@dataclass(frozen=True, slots=True)
class DemoRun:
    """A demo that is ready to be submitted."""

    backend: HttpBackend
    request: TaskRequest
    notes: tuple[str, ...]


@contextmanager
def demo(
    environment: Environment, cwd: Path, directory: Path | None, agents: tuple[str, ...]
) -> Iterator[DemoRun]:
    """Everything the demo needs, in a directory that is kept for looking at.

    With `agents` those programs play the parts, against the scripted model; they must be installed.

    The directory lies below TMPDIR where nobody names another. That is no hindrance: Codex refuses
    its own sandbox there, which is off inside ours, and in ours no agent sees the host's TMPDIR or
    HOME. A program that is installed in one of them is shown at a place of its own.
    """
    check_agents(agents, environment)
    root = _directory(cwd, directory)
    repository, data_dir = root / "repository", root / "data"
    copy_demo_repository(repository)
    asyncio.run(make_repository(DirectSpawner(), repository, environment.get("PATH") or ""))
    with _scripted(root / "model-requests.jsonl") as url:
        request = _request(environment, repository, url, agents)
        runner = LocalRunner(
            data_dir=data_dir,
            socket=socket_path(data_dir, environment),
            release=__version__,
            variables=environment.variables,
        )
        backend = HttpBackend(runner.ensure()[0])
        try:
            yield DemoRun(backend, request, _notes(root, agents))
        finally:
            with contextlib.suppress(OrchestratorError):
                backend.drain()


def _directory(cwd: Path, directory: Path | None) -> Path:
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="ai-orchestrator-demo-"))
    root = cwd / directory
    with writing_where_asked(f"--directory {root}"):
        if root.exists() and any(root.iterdir()):
            raise BadInputError(f"--directory {root}: is not empty.", hint="Name a new directory.")
        (root / "data").mkdir(mode=0o700, parents=True)
    return root


def _request(
    environment: Environment, repository: Path, url: str, agents: tuple[str, ...]
) -> TaskRequest:
    resolution = resolve(
        ResolveRequest(
            environment=Environment({}, environment.working_directory, repository.parent),
            built_in=demo_document(url, agents),
            repository=repository,
            flags=(),
        )
    )
    return TaskRequest(
        task=DEMO_TASK,
        repository=RepositorySource(path=str(repository)),
        config=resolution.config,
        path=environment.get("PATH") or "",
        home=str(repository.parent),
        credentials=dict(vendor_variables(url)),
    )


def _notes(root: Path, agents: tuple[str, ...]) -> tuple[str, ...]:
    who = f"the installed {', '.join(agents)}" if agents else "the built-in agent"
    return (
        f"A scripted model answers {who}: no key, no network, no cost.",
        f"Everything is in {root}.",
    )


@contextmanager
def _scripted(log: Path) -> Iterator[str]:
    """A scripted model server in a thread with an event loop of its own; its URL."""
    scenario = load_scenario(find_scenario(SCENARIO))
    ready: list[str] = []
    is_ready, is_over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with ScriptedServer(scenario, log=log) as server:
            ready.append(server.url)
            is_ready.set()
            await asyncio.to_thread(is_over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="scripted", daemon=True)
    thread.start()
    try:
        if not is_ready.wait(timeout=30.0):
            raise BadInputError("the scripted model did not start.")
        yield ready[0]
    finally:
        is_over.set()
        thread.join(timeout=5.0)
