"""Threads of a server decode side by side from its first moment on."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, threading
import msgspec
import ai_orchestrator.wiring.server
from ai_orchestrator.base.struct_tables import build_struct_tables

document = sys.modules["ai_orchestrator.workflows.loading.document"].Document
value = {"agents": {"a": {"driver": "claude"}}, "workflows": {"w": {"steps": [{"task": "review"}]}}}
if sys.argv[1] == "built":
    build_struct_tables()
sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=msgspec.convert, args=(value, document)) for _ in range(8)]
for one in threads:
    one.start()
for one in threads:
    one.join()
print("alive")
"""


def decode_side_by_side(how: str) -> tuple[int, str]:
    """Exit status and output of a process whose threads decode into one struct at once."""
    argv = [sys.executable, "-c", PROGRAM, how]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def test_threads_that_decode_for_the_first_time_do_not_end_the_process() -> None:
    """Without the tables built beforehand nearly each of these is a segmentation fault.

    What a server decodes into is imported with it, so that nothing is left to be built later.
    """
    assert [decode_side_by_side("built") for _ in range(3)] == [(0, "alive\n")] * 3
