"""A process that owns a tree, for tests that kill or freeze it. Reads its orders from stdin.

The tree tries what it can to get away: a background child, a session of its own, a double fork,
and a child without the environment by which it could be recognised.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from ai_orchestrator.base.process import Command, GuardedSpawner, GuardianLostError, run

ESCAPES = """
sleep 600.$MARK &
setsid sleep 600.$MARK &
(setsid sh -c "sleep 600.$MARK & exec sleep 600.$MARK" &)
env -i setsid /bin/sleep 600.$MARK &
env -i setsid /bin/sh -c "(setsid /bin/sleep 600.$MARK &) ; exec /bin/sleep 600.$MARK" &
echo ready
wait
"""


def command(mark: str, tree: str, text: str) -> Command:
    """A shell that runs `text`, known by `mark`."""
    env = {"PATH": "/usr/bin:/bin", "MARK": mark}
    return Command(("/bin/sh", "-c", text, mark), Path("/"), env, tree)


async def main() -> None:
    """Start the tree, say what became of it, and run something else afterwards."""
    orders = json.loads(sys.stdin.readline())
    spawner = GuardedSpawner(lease_s=orders["lease_s"], containment=orders["containment"])
    process = await spawner.start(command(orders["mark"], "escaping", ESCAPES))
    async for _ in process.stdout():
        print("ready", flush=True)
        break
    try:
        await process.wait()
    except GuardianLostError:
        print("lost", flush=True)
    again = command(orders["mark"], "escaping", "echo again")
    done = await run(spawner, again, timeout_s=30, limit_bytes=100)
    print(done.stdout.decode().strip(), flush=True)
    spawner.close()
    print("closed", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
