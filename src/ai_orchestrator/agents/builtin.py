"""The built-in agent: a tool loop of our own over any model endpoint. See `builtin_loop`.

It needs no installation: the same Python runs it, inside the sandbox like every agent.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from ai_orchestrator.agents.base import (
    FoundProgram,
    Launch,
    Listening,
    Login,
    Preparation,
    Seat,
    StreamParser,
    model_of,
    prompt_bytes,
)
from ai_orchestrator.agents.builtin_stream import BuiltinDialect
from ai_orchestrator.agents.stream import JsonStream
from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.model.agent import ErrorKind
from ai_orchestrator.model.orders import AgentOrder

URL_VARIABLE = "AI_ORCHESTRATOR_MODEL_URL"
API_VARIABLE = "AI_ORCHESTRATOR_MODEL_API"
KEY_VARIABLE = "AI_ORCHESTRATOR_MODEL_KEY"
DEFAULT_MAX_TURNS = 100

_BOOT = (
    "import sys, os; sys.path.append(os.path.dirname(sys.argv.pop(1))); "
    "from ai_orchestrator.agents.builtin_loop.__main__ import main; sys.exit(main())"
)
"""Not `-m` with a PYTHONPATH, which every tool would inherit; -I and -S keep the work tree and the
site's packages out. Our package comes last: it holds no name of the standard library's."""


class BuiltinDriver:
    """See `base.Driver`."""

    name: ClassVar[str] = "builtin"
    program: ClassVar[str] = ""
    tested_versions: ClassVar[tuple[str, ...]] = ()
    version_arguments: ClassVar[tuple[str, ...] | None] = ("--version",)
    preparation: ClassVar[Preparation | None] = None
    known_options: ClassVar[frozenset[str]] = frozenset({"url", "api"})
    exit_kinds: ClassVar[Mapping[int, ErrorKind]] = {}
    install_command: ClassVar[str] = ""
    login: ClassVar[Login] = Login(
        key_variables=(
            *(URL_VARIABLE, API_VARIABLE, KEY_VARIABLE),
            *("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
        ),
        sufficient=(URL_VARIABLE, "OPENAI_API_KEY", "ANTHROPIC_API_KEY"),
        state_variable=None,
    )

    def find(
        self,
        command: tuple[str, ...],
        path_env: str,  # noqa: ARG002  nothing is looked up
    ) -> FoundProgram:
        """The Python that runs this, without its virtual environment, and our own package."""
        if command:
            raise BadInputError(
                "an agent with driver 'builtin' takes no command.", hint="Remove it."
            )
        package = Path(__file__).resolve().parents[1]
        prefix = Path(sys.base_prefix).resolve()
        python = prefix / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        argv = (str(python), "-I", "-S", "-c", _BOOT, str(package))
        return FoundProgram(argv, (prefix, package), "comes with this program")

    def launch(self, order: AgentOrder, seat: Seat) -> Launch:
        """See `Driver.launch`."""
        options = order.agent.options
        turns = order.limits.max_turns
        chosen = {
            "--state": str(seat.conversation),
            "--resume": order.resume_session,
            "--model": model_of(order),
            "--max-turns": str(DEFAULT_MAX_TURNS if turns is None else turns),
            "--url": options.get("url"),
            "--api": options.get("api"),
        }
        flags = tuple(f"{flag}={value}" for flag, value in chosen.items() if value is not None)
        return Launch(
            argv=(*seat.program, *flags, *_permission(order, seat)),
            env={},
            stdin=prompt_bytes(order),
        )

    def parser(self, run: Listening) -> StreamParser:  # noqa: ARG002  it needs nothing
        """See `Driver.parser`."""
        return JsonStream(BuiltinDialect())


def _permission(order: AgentOrder, seat: Seat) -> tuple[str, ...]:
    """Commands stay where the sandbox makes the tree read-only; a reviewer runs them to look."""
    if order.containment.permission != "read-only":
        return ()
    return ("--read-only",) if seat.is_sandboxed else ("--read-only", "--no-run")
