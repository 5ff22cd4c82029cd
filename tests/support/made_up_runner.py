"""A runner of any release and epoch, for tests of what happens between releases.

It serves as `ai_orchestrator.runner` does, and ends the same ways.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from ai_orchestrator.base.errors import OrchestratorError
from ai_orchestrator.wiring.server import ServerSettings, build_server
from ai_orchestrator.wiring.serving import Serving, own, serve

PROGRAM = str(Path(__file__).resolve())


def main() -> None:
    """Serves until it is told to leave."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--release", default="0.1.0")
    parser.add_argument("--epoch", type=int, default=1)
    parser.add_argument("--idle-s", type=float, default=None)
    parser.add_argument("--drain-s", type=float, default=30.0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    settings = ServerSettings(
        data_dir=options.data_dir, release=options.release, epoch=options.epoch
    )
    try:
        held = own(options.data_dir)
        server = build_server(settings)
    except OrchestratorError as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(error.exit_code)
    serving = Serving(options.data_dir, options.socket, options.idle_s, options.drain_s)
    asyncio.run(serve(server, held, serving, has_signals=True))
    server.close()
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
