"""The composition root: settings in, parts out; the only place that names concrete adapters.

`server` puts a server together (the runner), `local` what the command line needs. Both are
imported lazily: the command line pays for neither before it needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_orchestrator.wiring.local import LocalServices


def services() -> LocalServices:
    """What the command line needs beyond a backend."""
    from ai_orchestrator.wiring.local import LocalServices  # noqa: PLC0415  # lazy on purpose

    return LocalServices.of_process()
