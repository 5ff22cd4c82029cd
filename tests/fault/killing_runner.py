"""A runner that tells every journal point it comes to, and dies at one of them."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

from ai_orchestrator.wiring.server import ServerSettings, build_server
from ai_orchestrator.wiring.serving import Serving, own, serve


def main() -> None:
    """Serves until killed by itself, or told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--points", type=Path, required=True, help="where they are told")
    parser.add_argument("--die-at", type=int, default=0, help="number of the point, from 1")
    options = parser.parse_args()
    lock, count = threading.Lock(), 0

    def reach(kind: str, what: str) -> None:
        nonlocal count
        with lock, options.points.open("a") as points:
            count += 1
            points.write(f"{kind} {what}\n")
            points.flush()
            if count == options.die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    settings = ServerSettings(
        data_dir=options.data_dir,
        observe=lambda point, _workflow, step: reach(point, step),
        moment=reach,
    )
    held = own(options.data_dir)
    server = build_server(settings)
    serving = Serving(options.data_dir, options.socket, idle_s=None)
    asyncio.run(serve(server, held, serving, has_signals=True))
    server.close()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
