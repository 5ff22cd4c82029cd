"""The real, pinned agents against the scripted model server, with only loopback to talk to.

The process moves into a network namespace of its own: whatever an agent tries beyond 127.0.0.1
finds no route, which proves that a run needs nothing else.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.agents import bench
from tests.agents.bench import AGENTS, MODELS, Bench

from ai_orchestrator.base.process import GuardedSpawner
from ai_orchestrator.base.sandbox import find_bubblewrap
from ai_orchestrator.model.agent import SandboxMode
from ai_orchestrator.scripted.scenario import Scenario, Usage
from ai_orchestrator.scripted.server import ScriptedServer

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41
INPUT, OUTPUT, CACHED = 111, 22, 11


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """The main thread, and all that it starts, in a network namespace with only 127.0.0.1."""
    libc = ctypes.CDLL(None, use_errno=True)
    original = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if libc.unshare(CLONE_NEWNET) != 0:
        pytest.skip("a network namespace of its own needs root (CAP_SYS_ADMIN)")
    with socket.socket() as probe:
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP_RUNNING))
    yield
    libc.setns(original, CLONE_NEWNET)
    os.close(original)


@pytest.fixture(scope="session")
def spawner() -> Iterator[GuardedSpawner]:
    """One guardian for all."""
    made = GuardedSpawner()
    yield made
    made.close()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The caches that runs share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ScriptedServer]:
    """A scripted model that plays the markers of the prompt."""
    scenario = Scenario("markers", "", "/work", Usage(INPUT, OUTPUT, CACHED), ())
    async with ScriptedServer(scenario, log=tmp_path / "requests.jsonl") as made:
        yield made


@pytest.fixture(params=sorted(MODELS))
def agent(request: pytest.FixtureRequest) -> str:
    """Each agent in turn; skipped with the reason where it is not installed."""
    name: str = request.param
    if name != "builtin" and not (AGENTS / name / "node_modules").is_dir():
        pytest.skip(f"{name} is not installed in .agents: make agents")
    return name


@pytest.fixture
def make_bench(
    agent: str, spawner: GuardedSpawner, server: ScriptedServer, cache: Path, tmp_path: Path
) -> Callable[[SandboxMode], Bench]:
    """Builds the agent's bench with the sandbox on or off."""

    def make(sandbox: SandboxMode) -> Bench:
        if sandbox == "required" and find_bubblewrap("/usr/bin:/usr/local/bin") is None:
            pytest.skip("bubblewrap is not installed")
        return bench.make_bench(agent, server.url, tmp_path, spawner, cache, sandbox)

    return make


@pytest.fixture(name="bench")
def sandboxed_bench(make_bench: Callable[[SandboxMode], Bench]) -> Bench:
    """The agent in the sandbox, as it runs for users."""
    return make_bench("required")
