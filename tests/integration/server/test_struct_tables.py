"""Threads of a server decode side by side from its first moment on."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, threading
import ai_orchestrator.wiring.server
from ai_orchestrator.base.struct_tables import build_struct_tables
from ai_orchestrator.model.task import TaskRequest
from ai_orchestrator.workflows.loading.document import Document
import msgspec

sys.setswitchinterval(1e-6)
before = {name for name in sys.modules if name.startswith("ai_orchestrator")}
assert build_struct_tables() > 100
barrier = threading.Barrier(8)

def convert():
    barrier.wait()
    for kind in (Document, TaskRequest):
        try:
            msgspec.convert({}, kind)
        except msgspec.ValidationError:
            pass

threads = [threading.Thread(target=convert) for _ in range(8)]
for one in threads:
    one.start()
for one in threads:
    one.join()
print("alive", "ai_orchestrator.workflows.loading.document" in before)
"""


def test_threads_that_decode_for_the_first_time_do_not_end_the_process() -> None:
    """Without the tables built beforehand this ends by a segmentation fault every few times.

    What a server decodes into is imported with it, so that nothing is left to be built later.
    """
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (0, "alive True\n"), done.stderr
