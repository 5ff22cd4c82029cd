"""How commands of a repository are enclosed on this machine; tried out when a server starts."""

from __future__ import annotations

from ai_orchestrator.base.process import Spawner
from ai_orchestrator.base.sandbox import find_bubblewrap, probe_bubblewrap, read_host_layout
from ai_orchestrator.workflows.commands.enclosure import Enclosure


async def find_enclosure(spawner: Spawner, path_env: str) -> Enclosure:
    """Whether bubblewrap works here, tried out once."""
    host = read_host_layout()
    program = find_bubblewrap(path_env)
    if program is None:
        return Enclosure(None, host, "bubblewrap (bwrap) is not installed")
    probe = await probe_bubblewrap(spawner, program)
    if not probe.is_working:
        return Enclosure(None, host, probe.reason)
    return Enclosure(program, host)
