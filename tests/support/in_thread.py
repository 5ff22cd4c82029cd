"""A command that holds a server in a thread of its own, as `run --in-process` does.

Says `up` and `closed` on standard output; closes at a line on standard input, ends at its end.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ai_orchestrator.base.errors import OrchestratorError
from ai_orchestrator.wiring.serving import ServedInThread, Serving

PROGRAM = str(Path(__file__).resolve())


def main() -> None:
    """Ends with the exit code of what prevents it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    options = parser.parse_args()
    served = ServedInThread(Serving(options.data_dir, options.socket, idle_s=None))
    try:
        served.start()
    except OrchestratorError as error:
        print(error, flush=True)
        sys.exit(error.exit_code)
    print("up", flush=True)
    sys.stdin.readline()
    served.close()
    print("closed", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
