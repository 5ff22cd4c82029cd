"""The configuration that comes with the program; read by commands that compile no workflow."""

from __future__ import annotations

from pathlib import Path

_DOCUMENT = Path(__file__).parents[1] / "builtin" / "agents.yaml"


def built_in_text() -> str:
    """The document that comes with the program: default, example and documentation in one."""
    return _DOCUMENT.read_text("utf-8")
