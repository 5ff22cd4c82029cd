"""How programs are enclosed on this machine; tried out when a server or a task starts."""

from __future__ import annotations

from pathlib import Path

from ai_orchestrator.base.process import Spawner
from ai_orchestrator.base.sandbox import find_bubblewrap, probe_bubblewrap, read_host_layout
from ai_orchestrator.workflows.commands.enclosure import Enclosure


async def find_enclosure(spawner: Spawner, path_env: str) -> Enclosure:
    """The one enclosure of a server. Where bubblewrap does not work now it may do so later."""

    async def try_out() -> tuple[Path | None, str]:
        program = find_bubblewrap(path_env)
        if program is None:
            return None, "bubblewrap (bwrap) is not installed."
        probe = await probe_bubblewrap(spawner, program)
        return (program, "") if probe.is_working else (None, probe.reason)

    enclosure = Enclosure(None, read_host_layout(), try_out=try_out)
    await enclosure.look_again()
    return enclosure
