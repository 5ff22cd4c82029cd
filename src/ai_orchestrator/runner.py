"""The runner process: owner of one data directory, started by the command line in the background.

It holds the directory's lock, runs the durable engine, answers on a Unix socket (mode 0600), and
ends by itself when nothing has been asked of it and nothing has run for a while.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from ai_orchestrator.base.errors import InternalError, OrchestratorError
from ai_orchestrator.base.lockfile import Held
from ai_orchestrator.wiring.runner_log import LOG_FORMAT, Redacting
from ai_orchestrator.wiring.server import Server, ServerSettings, build_server
from ai_orchestrator.wiring.serving import DRAIN_S, Serving, own, serve
from ai_orchestrator.workspace.setup_entries import SETUP_LIMIT_BYTES

IDLE_S = 600.0
SWITCH_INTERVAL_S = 0.0005
"""Between Python's threads, a tenth of what is usual: here most of them wait for a disk or a pipe,
and who is woken should not wait for its turn longer than it waited for that."""
_GIB = 1 << 30
_MOST = 1e9
"""Of seconds and of GiB; a guess, above whatever anybody means."""
_MOST_TASKS = 1000
log = logging.getLogger("ai_orchestrator.runner")


def main(arguments: list[str] | None = None) -> None:
    """Runs until idle, drained or told to stop; ends with the exit code of what prevents it."""
    options = _parse(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the client's
    code = 0
    try:
        _own_and_serve(options)
    except OrchestratorError as error:
        log.error("cannot start: %s", error)  # noqa: TRY400  # for people; the trace says no more
        code = error.exit_code
    except Exception:  # top of the process
        log.exception("the runner failed")
        code = InternalError.exit_code
    # The engine's threads would keep the interpreter for a second; all that matters is on disk.
    logging.shutdown()
    os._exit(code)


def _own_and_serve(options: argparse.Namespace) -> None:
    held = own(options.data_dir)
    settings = ServerSettings(
        data_dir=options.data_dir,
        max_tasks=options.max_tasks,
        setup_limit_bytes=int(options.setup_limit_gib * _GIB),
    )
    server = build_server(settings)
    redact_log(server.redact)
    serving = Serving(options.data_dir, options.socket, options.idle_s, options.drain_s)
    try:
        _serve_while_wanted(server, held, serving)
    finally:
        server.close()


def _serve_while_wanted(server: Server, held: Held, serving: Serving) -> None:
    """Once more where a task was accepted while an idle runner was about to leave."""
    is_wanted = True
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    while is_wanted:
        asyncio.run(serve(server, held, serving, has_signals=True))
        is_wanted = not server.is_draining and asyncio.run(server.has_unfinished())


def redact_log(redact: Callable[[str], str]) -> None:
    """No secret of a running task reaches the log, whatever an error's text repeats."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(Redacting(redact))


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    parser = argparse.ArgumentParser(prog="ai-orchestrator-runner", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--idle-s", type=_amount, default=IDLE_S)
    parser.add_argument("--drain-s", type=_amount, default=DRAIN_S)
    parser.add_argument("--max-tasks", type=_count, default=4)
    parser.add_argument("--setup-limit-gib", type=_amount, default=SETUP_LIMIT_BYTES / _GIB)
    return parser.parse_args(arguments)


def _amount(text: str) -> float:
    number = float(text)
    if not 0 <= number <= _MOST:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {_MOST:,.0f}")
    return number


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= _MOST_TASKS:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and {_MOST_TASKS}")
    return number


if __name__ == "__main__":
    main()
