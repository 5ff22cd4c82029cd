"""Knows when a server was last of use, so that an idle runner can end by itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from ai_orchestrator.base.clock import SystemClock

_CLOCK = SystemClock()


@dataclass(slots=True)
class Traffic:
    """When the server was last of use."""

    open_requests: int = 0
    open_changes: int = 0
    """Those of them that ask for more than to look."""
    last_s: float = field(default_factory=_CLOCK.monotonic_s)

    def count(self, change: int, *, is_read: bool) -> None:
        """A request began (+1) or ended (-1)."""
        self.open_requests += change
        self.open_changes += 0 if is_read else change
        self.touch()

    def touch(self) -> None:
        """Now is use."""
        self.last_s = _CLOCK.monotonic_s()
