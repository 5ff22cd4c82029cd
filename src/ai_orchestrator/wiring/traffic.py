"""Knows when a server was last of use, so that an idle runner can end by itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from ai_orchestrator.base.clock import SystemClock

_CLOCK = SystemClock()


@dataclass(slots=True)
class Traffic:
    """When the server was last of use."""

    open_requests: int = 0
    last_s: float = field(default_factory=_CLOCK.monotonic_s)

    def count(self, change: int) -> None:
        """A request began (+1) or ended (-1)."""
        self.open_requests += change
        self.touch()

    def touch(self) -> None:
        """Now is use."""
        self.last_s = _CLOCK.monotonic_s()
