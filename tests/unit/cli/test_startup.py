"""What a start of the program costs: nothing slow is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = (
    "rich",
    "msgspec",
    "yaml",
    "asyncio",
    "sqlalchemy",
    "dbos",
    "litestar",
    "prompt_toolkit",
    "ai_orchestrator.wiring",
)
PROBE = """
import sys
from ai_orchestrator.cli import main as program
sys.argv = ["ai-orchestrator", *sys.argv[1:]]
code = program.main()
loaded = sorted(name for name in {slow!r} if name in sys.modules)
sys.exit(f"exit code {{code}}, loaded {{loaded}}" if code or loaded else 0)
"""


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--help",), id="help"),
        pytest.param(("--version",), id="version-option"),
        pytest.param(("version",), id="version"),
        pytest.param(("run", "--help"), id="run-help"),
        pytest.param(("tasks", "--help"), id="tasks-help"),
        pytest.param(("tasks", "diff", "--help"), id="tasks-diff-help"),
        pytest.param(("doctor", "--help"), id="doctor-help"),
        pytest.param(("completion", "bash"), id="completion"),
    ],
)
def test_help_and_version_import_nothing_slow(words: tuple[str, ...]) -> None:
    """A whole process; what it loaded is looked at when it has done its work."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(slow=SLOW), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_the_module_can_be_run() -> None:
    """`python -m ai_orchestrator.cli` is the same program."""
    done = subprocess.run(
        [sys.executable, "-m", "ai_orchestrator.cli", "version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.startswith("ai-orchestrator ")
